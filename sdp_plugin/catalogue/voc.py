"""The files of Pascal VOC 2012: an image list, and folders of images and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sdp_plugin.errors import UserError

# What a folder of data_prefix adds to an image's record, and the suffix of its files.
FILES_OF_AN_IMAGE: Mapping[str, str] = MappingProxyType(
    {'img_path': '.jpg', 'seg_map_path': '.png', 'scribble_path': '.xml', 'annotation_path': '.xml'}
)


def list_images(
    ann_file: str | Path, folders: Mapping[str, Path], suffixes: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The files of each listed image, all of which are there.

    Args:
        ann_file (str | Path): List of image ids, one a line.
        folders (Mapping[str, Path]): The folder of each kind of file.
        suffixes (Mapping[str, str]): The suffix of each kind of file.

    Returns:
        dict[str, dict[str, str]]: By image id, in the list's order, the path of each kind of file.

    Raises:
        UserError: A folder is missing, the list is missing, empty or names an id twice, or a named file is missing.
    """
    for key, folder in folders.items():
        if not folder.is_dir():
            raise UserError(
                f'The folder for {key} is missing.',
                looked_for=folder,
                remedy='set data_root, or data_prefix, to where the data lies (README: "The real thing")',
            )
    ids = read_id_list(ann_file)
    for key, folder in folders.items():
        _check_files(key, folder, ids, suffixes, ann_file)
    return {i: {key: str(folder / f'{i}{suffixes[key]}') for key, folder in folders.items()} for i in ids}


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


def _check_files(key: str, folder: Path, ids: Sequence[str], suffixes: Mapping[str, str], ann_file: str | Path) -> None:
    there = {path.name for path in folder.iterdir()}
    missing = [i for i in ids if f'{i}{suffixes[key]}' not in there]
    if missing:
        raise UserError(
            f'{len(missing)} of {len(ids)} images in {ann_file} have no {key.removesuffix("_path")} file.',
            looked_for=folder / f'{missing[0]}{suffixes[key]}',
            found=f'{len(there)} files in {folder}; missing are {", ".join(missing[:5])}'
            + (', ...' if len(missing) > 5 else ''),
            remedy='complete the download, or take those ids out of the list',
        )
