"""Pascal VOC 2012, labelled by scribbles, full masks or image-level classes."""

from __future__ import annotations

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from sdp_plugin.catalogue.voc import FOREGROUND_CLASSES, VOC_2012, VOCClassLabelFiles, VOCFiles
from sdp_plugin.datasets import arguments
from sdp_plugin.datasets.decoded_files import DecodedFiles
from sdp_plugin.datasets.samplers import seed_draws
from sdp_plugin.registry import DATASETS


@DATASETS.register_module()
class VOCDataset(BaseSegDataset):
    """Pascal VOC 2012 (Everingham et al. 2010) with any of its labels, 21 classes.

    A list file names the images; ``data_prefix`` names the folders in which each image's files lie. All files are
    looked for when the data set is built, so that a missing one is found before training starts. Which label is used
    is up to the pipeline: :class:`LoadScribbles` reads ``scribble_path``, :class:`LoadMask` ``seg_map_path``,
    :class:`LoadClassLabels` ``annotation_path``.

    Args:
        decode_first (bool): Decode all images and masks before the first one is asked for, into memory or a cache
            (:class:`sdp_plugin.datasets.decoded_files.DecodedFiles`): for training, which decodes each one dozens of
            times otherwise. Defaults to False.
        cache_dir (str | None): The folder of that cache, should memory not do. Defaults to ``data_root``.
        **kwargs: The fields of :class:`sdp_plugin.catalogue.voc.VOCFiles` (``data_root``, ``ann_file``,
            ``data_prefix``, ``scribble_suffix``), and further arguments of :class:`mmseg.datasets.BaseSegDataset`.

    Raises:
        UserError: What :class:`sdp_plugin.catalogue.voc.VOCFiles` raises, for its arguments and for its files.
    """

    COLLECTION = VOCFiles
    METAINFO = VOC_2012.metainfo()

    def __init__(self, decode_first: bool = False, cache_dir: str | None = None, **kwargs) -> None:
        self.collection = self.COLLECTION.from_config(kwargs)
        self.decode_first = arguments.flag('decode_first', decode_first)
        self.cache_dir = arguments.folder('cache_dir', cache_dir)
        self._decoded: dict[str, DecodedFiles] = {}
        kwargs.pop('scribble_suffix', None)
        super().__init__(**kwargs)

    __signature__ = arguments.merged_signature(__init__, VOCFiles, BaseSegDataset, without=('self',))

    def full_init(self) -> None:
        """Read the list and, with ``decode_first``, decode what the pipeline will load."""
        super().full_init()
        if not self.decode_first or self._decoded:
            return
        for transform in self.pipeline.transforms:
            if hasattr(transform, 'decode'):
                files = DecodedFiles(
                    self._paths(transform.PATH_KEY), transform.decode, transform.CHANNELS, self.cache_dir, report=_log
                )
                files.prepare()
                self._decoded[transform.PATH_KEY] = files
            elif hasattr(transform, 'read_first'):
                transform.read_first(self._paths(transform.PATH_KEY), report=_log)

    def _paths(self, key: str) -> list[str]:
        return [self.get_data_info(index)[key] for index in range(len(self))]

    def prepare_data(self, idx: int) -> object:
        """Run a record through the pipeline, with what of it is decoded already as ``decoded``."""
        seed_draws(idx)
        record = self.get_data_info(int(idx))
        record['decoded'] = {key: files.get(record[key]) for key, files in self._decoded.items()}
        return self.pipeline(record)

    def load_data_list(self) -> list[dict]:
        """Read the list file and check that every image has its files.

        Returns:
            list[dict]: For each image ``image_id``, the path of each kind of file in ``data_prefix``, and the keys
            that MMSegmentation's transforms expect.
        """
        records = self.collection.read()
        common = dict(label_map=self.label_map, reduce_zero_label=self.reduce_zero_label)
        return [dict(image_id=image_id, **record, **common, seg_fields=[]) for image_id, record in records.items()]


@DATASETS.register_module()
class VOCClassLabelDataset(VOCDataset):
    """Pascal VOC 2012 for multi-label classification into its 20 foreground classes.

    The same records as :class:`VOCDataset`; the class names are those that a classifier predicts, without background.
    """

    COLLECTION = VOCClassLabelFiles
    METAINFO = dict(classes=FOREGROUND_CLASSES, palette=VOC_2012.metainfo()['palette'][1:])


def _log(line: str) -> None:
    print_log(line, logger='current')
