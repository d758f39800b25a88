"""What the segmentors of a grid make of test images, as pictures for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config

from sdp_plugin.apis.train import latest_checkpoint
from sdp_plugin.catalogue.voc import VOC_2012, read_id_list
from sdp_plugin.engine.segment import Segmented, segment_test_images
from sdp_plugin.errors import UserError
from sdp_plugin.files import write_json_atomically
from sdp_plugin.grid.records import PRETRAINING, Cell
from sdp_plugin.grid.store import WORK, GridRecord, cell_folder, read_grid
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.settings import load_config
from sdp_plugin.shipped import CONFIGS
from sdp_plugin.visualization.figures import SegmentationRow, save_segmentation_panels

SAMPLES = 'samples'
CAPTION = 'Images of the test set, and what the segmentors of the pre-trainings make of them.'


def draw_segmentations(work_dir: str | Path, num_images: int = 6) -> list[Path]:
    """Draw test images as the finished segmentors of a grid segment them, a picture for each variant of the grid.

    The pictures lie in ``WORK_DIR/samples``, where the report looks for them.

    Args:
        work_dir (str | Path): The work directory of a grid.
        num_images (int): How many images of the test set, evenly spread over it. Defaults to 6.

    Returns:
        list[Path]: The pictures.

    Raises:
        UserError: There is no grid, or none of its segmentors is finished.
    """
    record = read_grid(work_dir)
    segmentors = _segmentors(record)
    if not segmentors:
        raise UserError(
            'The grid has no finished segmentor.',
            looked_for='a pre-training on scribbles or masks that is done',
            found=', '.join(result.cell.title for result in record.results.values()) or 'nothing that is done',
            remedy='run the grid first: tools/run_grid.py',
        )
    folder = record.work_dir / SAMPLES
    samples = []
    for number, variant in enumerate(dict.fromkeys(segmentor.cell.variant for segmentor in segmentors)):
        of_variant = [segmentor for segmentor in segmentors if segmentor.cell.variant == variant]
        name = f'segmentations-{number}.png'
        save_segmentation_panels(rows_of(of_variant, num_images), folder / name, VOC_2012.classes)
        samples.append(dict(file=name, caption=CAPTION, group=variant or 'Segmentations'))
    write_json_atomically(folder / 'samples.json', dict(format=1, samples=samples))
    return [folder / sample['file'] for sample in samples]


@dataclass(frozen=True)
class _Segmentor:
    """A pre-training that segments, its config, and its own last checkpoint."""

    cell: Cell
    cfg: Config
    checkpoint: Path

    def segment(self, positions: Sequence[int]) -> list[Segmented]:
        return segment_test_images(self.cfg, self.checkpoint, positions)


def _segmentors(record: GridRecord) -> list[_Segmentor]:
    found = []
    for cell in record.plan.trainings.values():
        if cell.kind != PRETRAINING or cell.id not in record.results:
            continue
        cfg = load_config(CONFIGS / cell.config, dict(cell.options))
        checkpoint = latest_checkpoint(cell_folder(record.work_dir, cell.id) / WORK)
        if 'decode_head' in cfg.model and cfg.get('test_dataloader') and checkpoint:
            found.append(_Segmentor(cell, cfg, checkpoint))
    return found


def rows_of(segmentors: Sequence[_Segmentor], num_images: int) -> list[SegmentationRow]:
    """A row for each image, with what each segmentor predicts.

    Raises:
        UserError: The segmentors are tested on different images.
    """
    length = len(_test_ids(segmentors[0].cfg))
    positions = np.unique(np.linspace(0, length - 1, min(num_images, length)).astype(int)).tolist()
    segmented = {segmentor.cell.title: segmentor.segment(positions) for segmentor in segmentors}
    shown = {title: [image.image_id for image in images] for title, images in segmented.items()}
    if len(set(map(tuple, shown.values()))) > 1:
        raise UserError('The segmentors of the grid are tested on different images.', found=shown)
    return [
        SegmentationRow(
            image=image.image,
            scribbles=_scribbles_of(segmentors, image.image_id),
            mask=image.mask,
            predictions={title: images[row].prediction for title, images in segmented.items()},
            title=image.image_id,
        )
        for row, image in enumerate(next(iter(segmented.values())))
    ]


def _test_ids(cfg: Config) -> list[str]:
    dataset = cfg.test_dataloader.dataset
    return read_id_list(Path(dataset.data_root) / dataset.ann_file)


def _scribbles_of(segmentors: Sequence[_Segmentor], image_id: str) -> np.ndarray | None:
    """Strokes of a test image, from where one of the pre-trainings has its own; test images need have none."""
    for segmentor in segmentors:
        dataset = segmentor.cfg.train_dataloader.dataset
        folder = dataset.data_prefix.get('scribble_path')
        path = Path(dataset.data_root) / folder / f'{image_id}.xml' if folder else None
        if path and path.is_file():
            return rasterise(read_scribblesup(path, VOC_TAGS), segmentor.cfg.get('line_width', 3))
    return None
