"""How predictions grow out of the strokes during training: snapshots of a few images, and one figure of them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from sdp_plugin.datasets.samples import id_of, positions_of
from sdp_plugin.datasets.transforms import LoadScribbles
from sdp_plugin.engine.randomness import in_test_mode, randomness_kept
from sdp_plugin.engine.segment import Segmented, segment_item
from sdp_plugin.errors import UserError
from sdp_plugin.registry import HOOKS
from sdp_plugin.scribbles.formats.index_png import read_index_png, write_index_png
from sdp_plugin.visualization.drawing import full_palette
from sdp_plugin.visualization.panels import Panel, PanelRow, save_panels

FOLDER = 'snapshots'
FIGURE = 'snapshots.png'
# The default iterations: from this fraction of the training to its end, each as many times the one before.
FIRST_SHARE = 1 / 400
DEFAULT_COUNT = 6


@HOOKS.register_module()
class PredictionSnapshotHook(Hook):
    """Write what a segmentor makes of a few images at chosen iterations, and assemble it into one figure.

    The figure is that of the paper's predictions during training (its figure 2): a row an image with its strokes, its
    predictions after each of the iterations, and its full mask. Beside it in ``snapshots/`` in the work directory lie
    the predictions themselves as ``iter_N/<image id>.png``, index PNGs in the palette of the classes, whose pixel
    values are the class indices. The figure is renewed with each snapshot; a resumed training goes on with the
    snapshots that it finds.

    Training stays as it would be without the hook: weights, the statistics of batch normalisation, the modes of all
    modules and the state of every random generator. In distributed training the main process writes.

    Args:
        iterations (Sequence[int] | None): After how many iterations of training to write; 0 is before the first one.
            None takes six, a factor apart, the last at the end. Defaults to None.
        images (Sequence[int | str]): Positions in the test set, or image ids. Defaults to the first four.
        ann_file (str | None): A list of image ids, relative to the ``data_root``, whose images are shown in place of
            the test set's; they are loaded as the test set's are. Real scribbles exist for training images only.
            Defaults to None.
        scribbles (str | None): A folder of ScribbleSup XML, or index PNGs, ``<image id>.xml`` each. None takes the
            training set's, if it has them for all of the images. Defaults to None.
        line_width (float | None): Of the strokes, in pixels. None takes the training set's, 3 where it draws none.
            Defaults to None.

    Raises:
        UserError: Before the training starts: the model is no segmentor, an iteration is never reached, an image is
            not there, or ``scribbles`` holds no file of an image, or one that cannot be read.
    """

    # Before a checkpoint of the same iteration: what a resumed training does not repeat is then written.
    priority = 'LOW'

    def __init__(
        self,
        iterations: Sequence[int] | None = None,
        images: Sequence[int | str] = (0, 1, 2, 3),
        ann_file: str | None = None,
        scribbles: str | None = None,
        line_width: float | None = None,
    ) -> None:
        self.iterations = None if iterations is None else tuple(sorted(set(iterations)))
        self.images = tuple(images)
        self.ann_file = ann_file
        self.scribbles = scribbles
        self.line_width = line_width

    def before_train(self, runner: Runner) -> None:
        """Check everything, and write the snapshot before the first iteration if it is asked for."""
        if not is_main_process():
            return
        self._model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(self._model, 'decode_head'):
            raise UserError(
                'Snapshots of predictions need a segmentor.',
                found=type(self._model).__name__,
                remedy='leave PredictionSnapshotHook out of this config',
            )
        if self.iterations is None:
            self.iterations = spread_iterations(runner.max_iters)
        never = [iteration for iteration in self.iterations if not 0 <= iteration <= runner.max_iters]
        if never:
            raise UserError(
                'Snapshots are asked for at iterations that this training does not reach.',
                looked_for=f'iterations from 0 to {runner.max_iters}',
                found=never,
            )
        self._folder = Path(runner.work_dir, FOLDER)
        with randomness_kept():
            self._dataset = self._build_dataset(runner)
            self._positions = positions_of(self._dataset, self.images)
            self._strokes = self._load_strokes(runner)
        if runner.iter in self.iterations:
            self._take(runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        """Write a snapshot if it is time for one."""
        if is_main_process() and runner.iter + 1 in self.iterations:
            self._take(runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Say where the figure is."""
        if is_main_process() and (self._folder / FIGURE).exists():
            runner.logger.info(f'Predictions during training: {self._folder / FIGURE}')

    def _build_dataset(self, runner: Runner) -> BaseDataset:
        loader = runner.cfg.get('test_dataloader')
        if not loader:
            raise UserError('Snapshots are of test images, but the config has no test_dataloader.')
        changes = {} if self.ann_file is None else {'ann_file': self.ann_file}
        return DATASETS.build({**loader.dataset, **changes})

    def _load_strokes(self, runner: Runner) -> list[np.ndarray] | None:
        folder = self.scribbles
        if folder is None:
            folder = getattr(runner.train_dataloader.dataset, 'data_prefix', {}).get('scribble_path')
        if folder is None:
            return None
        ids = [id_of(self._dataset.get_data_info(position), position) for position in self._positions]
        files = [_file_of(Path(folder), image_id) for image_id in ids]
        missing = [image_id for image_id, file in zip(ids, files, strict=True) if file is None]
        if missing and self.scribbles is None:
            runner.logger.info(f'Snapshots show no scribbles: {folder} has none of {", ".join(missing)}')
            return None
        if missing:
            raise UserError(
                'Images of the snapshots have no scribbles.',
                looked_for=Path(folder, f'{missing[0]}.xml'),
                remedy='choose other images, or name a list of training images as ann_file',
            )
        width = self.line_width or _line_width_of(runner.train_dataloader.dataset)
        return [self._draw(file, position, width) for file, position in zip(files, self._positions, strict=True)]

    def _draw(self, file: Path, position: int, width: float) -> np.ndarray:
        shape = tuple(self._dataset[position]['inputs'].shape[1:])
        return LoadScribbles(line_width=width)(dict(scribble_path=str(file), img_shape=shape))['gt_seg_map']

    def _take(self, iteration: int) -> None:
        """Write the predictions and renew the figure."""
        with randomness_kept(), in_test_mode(self._model):
            shown = [segment_item(self._model, self._dataset, position) for position in self._positions]
        palette = full_palette(self._dataset.metainfo.get('palette'))
        for segmented in shown:
            write_index_png(self._file(iteration, segmented.image_id), segmented.prediction, palette)
        self._assemble(shown, iteration)

    def _file(self, iteration: int, image_id: str) -> Path:
        return self._folder / f'iter_{iteration}' / f'{image_id}.png'

    def _assemble(self, shown: Sequence[Segmented], until: int) -> None:
        """Draw the figure of the snapshots up to an iteration; later ones are of an earlier training in this folder."""
        complete = [
            iteration
            for iteration in self.iterations
            if iteration <= until and all(self._file(iteration, item.image_id).exists() for item in shown)
        ]
        rows = []
        for number, item in enumerate(shown):
            panels = [Panel('image', item.image)]
            if self._strokes is not None:
                panels.append(Panel('scribbles', item.image, self._strokes[number]))
            for iteration in complete:
                prediction = read_index_png(self._file(iteration, item.image_id))
                panels.append(Panel(f'iteration {iteration:,}', labels=prediction))
            rows.append(PanelRow(item.image_id, [*panels, Panel('full mask', labels=item.mask)]))
        metainfo = self._dataset.metainfo
        save_panels(rows, self._folder / FIGURE, class_names=metainfo.get('classes'), colours=metainfo.get('palette'))


def spread_iterations(max_iters: int, count: int = DEFAULT_COUNT) -> tuple[int, ...]:
    """Iterations a factor apart, rounded to one digit, up to the last: predictions change most in the beginning.

    Args:
        max_iters (int): The length of the training.
        count (int): How many; a short training has fewer.

    Returns:
        tuple[int, ...]: Ascending; for 40,000 these are 100, 300, 1,000, 4,000, 10,000 and 40,000.
    """
    exact = np.geomspace(max(1, max_iters * FIRST_SHARE), max_iters, count)[:-1]
    rounded = {int(float(f'{iteration:.0e}')) for iteration in exact}
    return (*sorted(iteration for iteration in rounded if iteration < max_iters), max_iters)


def _line_width_of(dataset: BaseDataset) -> float:
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return next((transform.line_width for transform in transforms if isinstance(transform, LoadScribbles)), 3)


def _file_of(folder: Path, image_id: str) -> Path | None:
    return next((file for suffix in ('.xml', '.png') if (file := folder / f'{image_id}{suffix}').is_file()), None)
