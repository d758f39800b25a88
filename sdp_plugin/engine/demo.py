"""The whole method on small generated data: three pre-trainings, the conversion, and fine-tuning from four starts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sdp_plugin import __version__
from sdp_plugin.analysis.figures import SegmentationRow, save_segmentation_panels
from sdp_plugin.analysis.tables import Result, to_json, to_markdown, to_text
from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.datasets.cards import VOC_2012
from sdp_plugin.engine.progress import output_to
from sdp_plugin.engine.run import RESULTS_FILE, latest_checkpoint, train
from sdp_plugin.engine.segment import segment_test_images
from sdp_plugin.errors import UserError
from sdp_plugin.files import write_text_atomically
from sdp_plugin.prepare.miniature import MiniatureData, write_miniature
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.settings import load_config


@dataclass(frozen=True)
class DemoSizes:
    """How long the demonstration trains.

    Args:
        segmentation_iters (int): Iterations of each of the two segmentors.
        classification_iters (int): Iterations of the multi-label classifier, each a fraction of a segmentor's work.
        pcam_epochs (int): Epochs on PCam.
        crc_epochs (int): Epochs on CRC.
        repeats (int): Seeds on PCam, folds on CRC.
    """

    segmentation_iters: int = 100
    classification_iters: int = 200
    pcam_epochs: int = 6
    crc_epochs: int = 5
    repeats: int = 1


@dataclass(frozen=True)
class Training:
    """A shipped config, and the values that make it small.

    Args:
        config (str): The config, below ``configs/``.
        length (str): The setting that holds its length.
        length_from (str): The member of :class:`DemoSizes` that says how long it is.
        options (dict): Further settings.
    """

    config: str
    length: str
    length_from: str
    options: dict


# A few dozen steps at 321 x 321 pixels would take too long. So few steps want other learning rates than 40,000: the
# segmentors' loss leaps at the published one before it falls, the classifier's hardly moves.
PRETRAIN_OPTIONS = dict(crop_size=(65, 65), batch_size=8, num_workers=0)
SEGMENTATION_OPTIONS = dict(PRETRAIN_OPTIONS, lr=1e-4)
CLASSIFICATION_OPTIONS = dict(PRETRAIN_OPTIONS, lr=5e-3)
FINETUNE_OPTIONS = dict(batch_size=16, num_workers=0, lr=3e-4)

PRETRAININGS = {
    'Classification': Training(
        'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py',
        'max_iters',
        'classification_iters',
        CLASSIFICATION_OPTIONS,
    ),
    'Full segmentation': Training(
        'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-masks-321x321.py',
        'max_iters',
        'segmentation_iters',
        SEGMENTATION_OPTIONS,
    ),
    'Scribble segmentation': Training(
        'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py',
        'max_iters',
        'segmentation_iters',
        SEGMENTATION_OPTIONS,
    ),
}
FINETUNINGS = {
    'PCam': Training(
        'finetune/resnet34_1xb32-100e_pcam.py',
        'max_epochs',
        'pcam_epochs',
        dict(FINETUNE_OPTIONS, examples_per_class=60),
    ),
    'CRC': Training(
        'finetune/resnet34_1xb32-200e_crc.py',
        'max_epochs',
        'crc_epochs',
        dict(FINETUNE_OPTIONS, examples_per_class=12, num_folds=4),
    ),
}
INITIALISATIONS = ('Random', *PRETRAININGS)
SEGMENTORS = ('Full segmentation', 'Scribble segmentation')
IMAGES_IN_FIGURE = 6


class Demo:
    """The demonstration in a folder. What is done already is not done again.

    Args:
        root (str | Path): Folder for the data, the trainings and the results.
        configs (str | Path): The folder ``configs`` of this project.
        sizes (DemoSizes): How long to train.
        report (Callable[[str], None]): Told a line before each step. Defaults to ``print``.

    Raises:
        UserError: If the folder holds a demonstration of other sizes or of another version.
    """

    def __init__(
        self, root: str | Path, configs: str | Path, sizes: DemoSizes, report: Callable[[str], None] = print
    ) -> None:
        self.root, self.configs, self.sizes, self.report = Path(root), Path(configs), sizes, report
        self._claim_folder()
        self._steps = 2 * len(PRETRAININGS) + len(INITIALISATIONS) * len(FINETUNINGS) * sizes.repeats
        self._step = 0
        self._started = time.monotonic()

    def run(self) -> list[Result]:
        """Run what has not been run, and write the table and the picture.

        Returns:
            list[Result]: The accuracies of the fine-tunings, in per cent.
        """
        self.report(f'All files are in {self.root.resolve()}. Interrupt whenever you like: the next start goes on.')
        data = write_miniature(self.root / 'data', report=self.report)
        initialisations = {'Random': ''} | {name: str(self._pretrain(name, data)) for name in PRETRAININGS}
        results = [
            self._finetune(dataset, name, checkpoint, data, repeat)
            for repeat in range(self.sizes.repeats)
            for dataset in FINETUNINGS
            for name, checkpoint in initialisations.items()
        ]
        self._write_tables(results)
        self._write_picture(data)
        return results

    def _claim_folder(self) -> None:
        claim = self.root / 'demo.json'
        wanted = dict(asdict(self.sizes), version=__version__)
        if not claim.exists():
            write_text_atomically(claim, json.dumps(wanted, indent=2) + '\n')
        elif (found := json.loads(claim.read_text())) != wanted:
            raise UserError(
                f'{self.root} holds another demonstration.',
                looked_for=wanted,
                found=found,
                remedy='name another folder, or remove this one',
            )

    def _pretrain(self, name: str, data: MiniatureData) -> Path:
        options = dict(data_root=str(data.voc.resolve()))
        if name == 'Scribble segmentation':
            options['scribbles'] = str(data.scribbles.resolve())
        work_dir = self._train(f'pre-training: {name}', PRETRAININGS[name], options)
        out = self.root / 'initialisations' / f'{_slug(name)}.pth'
        self._announce(f'conversion into a classifier: {name}', done=out.exists())
        if not out.exists():
            write(carry_over(latest_checkpoint(work_dir)), out)
        return out

    def _finetune(self, dataset: str, name: str, checkpoint: str, data: MiniatureData, repeat: int) -> Result:
        folder = {'PCam': data.pcam, 'CRC': data.crc}[dataset]
        options = dict(data_root=str(folder.resolve()), initialisation=checkpoint, seed=repeat)
        if dataset == 'CRC':
            options['fold'] = repeat
        title = f'fine-tuning on {dataset}, repeat {repeat + 1}: {name}'
        work_dir = self._train(title, FINETUNINGS[dataset], options)
        accuracy = json.loads((work_dir / RESULTS_FILE).read_text())['metrics']['accuracy/top1']
        return Result(name, dataset, repeat, accuracy)

    def _train(self, title: str, training: Training, options: dict) -> Path:
        work_dir = self._work_dir(title)
        done = (work_dir / RESULTS_FILE).exists()
        self._announce(title, done)
        if done:
            return work_dir
        length = {training.length: getattr(self.sizes, training.length_from)}
        cfg = load_config(self.configs / training.config, {**training.options, **length, **options})
        cfg.work_dir = str(work_dir)
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='sdp_plugin.ProgressLineHook')]
        with output_to(work_dir / 'console.log'):
            train(cfg, resume=True)
        return work_dir

    def _work_dir(self, title: str) -> Path:
        return self.root / 'trainings' / _slug(title)

    def _announce(self, title: str, done: bool) -> None:
        self._step += 1
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self.report(f'[{self._step}/{self._steps}  {minutes}:{seconds:02}] {title}{" (done before)" if done else ""}')

    def _write_tables(self, results: list[Result]) -> None:
        write_text_atomically(self.root / 'results.md', to_markdown(results))
        write_text_atomically(self.root / 'results.json', to_json(results))
        self.report(f'\n{to_text(results)}')
        self.report(f'table:   {self.root / "results.md"}')

    def _write_picture(self, data: MiniatureData) -> None:
        path = self.root / 'predictions.png'
        predictions = {name: self._segment(name, data) for name in SEGMENTORS}
        first = predictions[SEGMENTORS[0]]
        rows = [
            SegmentationRow(
                image=shown.image,
                scribbles=rasterise(read_scribblesup(data.scribbles / f'{shown.image_id}.xml', VOC_TAGS)),
                mask=shown.mask,
                predictions={name: predictions[name][row].prediction for name in SEGMENTORS},
                title=shown.image_id,
            )
            for row, shown in enumerate(first)
        ]
        save_segmentation_panels(rows, path, class_names=VOC_2012.classes)
        self.report(f'picture: {path}')

    def _segment(self, name: str, data: MiniatureData) -> list:
        training = PRETRAININGS[name]
        cfg = load_config(self.configs / training.config, {**training.options, 'data_root': str(data.voc.resolve())})
        checkpoint = latest_checkpoint(self._work_dir(f'pre-training: {name}'))
        return segment_test_images(cfg, checkpoint, range(IMAGES_IN_FIGURE))


def _slug(title: str) -> str:
    words = ''.join(character if character.isalnum() else ' ' for character in title.lower()).split()
    return '-'.join(words)
