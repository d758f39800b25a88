"""Pascal VOC 2012, labelled by scribbles, full masks or image-level classes."""

from __future__ import annotations

from pathlib import Path

from mmseg.datasets import BaseSegDataset

from sdp_plugin.datasets.cards import VOC_2012
from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS

# What a folder of data_prefix adds to an image's record, and the suffix of its files.
FILES_OF_AN_IMAGE = {
    'img_path': '.jpg',
    'seg_map_path': '.png',
    'scribble_path': '.xml',
    'annotation_path': '.xml',
}
FOREGROUND_CLASSES = VOC_2012.classes[1:]


@DATASETS.register_module()
class VOCDataset(BaseSegDataset):
    """Pascal VOC 2012 (Everingham et al. 2010) with any of its labels, 21 classes.

    A list file names the images; ``data_prefix`` names the folders in which each image's files lie. All files are
    looked for when the data set is built, so that a missing one is found before training starts. Which label is used
    is up to the pipeline: :class:`LoadScribbles` reads ``scribble_path``, :class:`LoadMask` ``seg_map_path``,
    :class:`LoadClassLabels` ``annotation_path``.

    Args:
        ann_file (str): List of image ids, one a line, relative to ``data_root``.
        data_prefix (dict): Folders, relative to ``data_root``, by the key that they add: ``img_path`` (JPEG images),
            ``seg_map_path`` (index PNGs, 255 is void), ``scribble_path`` (ScribbleSup XML, or index PNGs with
            ``scribble_suffix='.png'``), ``annotation_path`` (detection XML).
        scribble_suffix (str): Suffix of the scribble files. Defaults to ``'.xml'``.
        **kwargs: Further arguments of :class:`mmseg.datasets.BaseSegDataset`.

    Raises:
        UserError: If a folder is missing, the list is missing, empty or names an id twice, or a named file is missing.
    """

    METAINFO = VOC_2012.metainfo()

    def __init__(self, ann_file: str, data_prefix: dict, scribble_suffix: str = '.xml', **kwargs) -> None:
        self.suffixes = {**FILES_OF_AN_IMAGE, 'scribble_path': scribble_suffix}
        unknown = sorted(set(data_prefix) - set(self.suffixes))
        if unknown:
            raise UserError('Unknown key in data_prefix.', looked_for=', '.join(self.suffixes), found=unknown)
        super().__init__(ann_file=ann_file, data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the list file and check that every image has its files.

        Returns:
            list[dict]: For each image ``image_id``, the path of each kind of file in ``data_prefix``, and the keys
            that MMSegmentation's transforms expect.
        """
        folders = {key: Path(folder) for key, folder in self.data_prefix.items() if folder is not None}
        for key, folder in folders.items():
            if not folder.is_dir():
                raise UserError(
                    f'The folder for {key} is missing.',
                    looked_for=folder,
                    remedy='set data_root, or data_prefix, to where the data lies (README: "The real thing")',
                )
        ids = read_id_list(self.ann_file)
        records = [{key: str(folder / f'{i}{self.suffixes[key]}') for key, folder in folders.items()} for i in ids]
        for key, folder in folders.items():
            self._check_files(key, folder, ids)
        common = dict(label_map=self.label_map, reduce_zero_label=self.reduce_zero_label)
        return [
            dict(image_id=image_id, **record, **common, seg_fields=[])
            for image_id, record in zip(ids, records, strict=True)
        ]

    def _check_files(self, key: str, folder: Path, ids: list[str]) -> None:
        there = {path.name for path in folder.iterdir()}
        missing = [i for i in ids if f'{i}{self.suffixes[key]}' not in there]
        if missing:
            raise UserError(
                f'{len(missing)} of {len(ids)} images in {self.ann_file} have no {key.removesuffix("_path")} file.',
                looked_for=folder / f'{missing[0]}{self.suffixes[key]}',
                found=f'{len(there)} files in {folder}; missing are {", ".join(missing[:5])}'
                + (', ...' if len(missing) > 5 else ''),
                remedy='complete the download, or take those ids out of the list',
            )


@DATASETS.register_module()
class VOCClassLabelDataset(VOCDataset):
    """Pascal VOC 2012 for multi-label classification into its 20 foreground classes.

    The same records as :class:`VOCDataset`; the class names are those that a classifier predicts, without background.
    """

    METAINFO = dict(classes=FOREGROUND_CLASSES, palette=VOC_2012.metainfo()['palette'][1:])


def read_id_list(path: str | Path) -> list[str]:
    """Read a list of image ids, one a line; blank lines are passed over.

    Args:
        path (str | Path): The list file.

    Returns:
        list[str]: The ids in the file's order.

    Raises:
        UserError: If the file is missing, empty, no text, or names an id twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError('The list of image ids is missing.', looked_for=path, remedy='set ann_file to a list of ids')
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise UserError('The list of image ids is no text file.', found=f'{path}: {error}') from error
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise UserError('The list of image ids is empty.', looked_for='one id a line', found=path)
    columns = next((i for i in ids if '/' in i or ' ' in i), None)
    if columns is not None:
        raise UserError(
            'The list of image ids has more than ids in it.',
            looked_for='lines such as 2007_000032',
            found=f'{columns!r} in {path}',
            remedy='use a list of bare ids, as in ImageSets/Segmentation',
        )
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise UserError('The list of image ids names an id twice.', found=f'{twice} in {path}')
    return ids
