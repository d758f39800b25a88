"""A small grid of toy trainings as files, processes that work on it, and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sdp_plugin.grid import store
from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.records import Plan
from sdp_plugin.grid.worker import Worker

HERE = Path(__file__).parent
TOOL = HERE.parents[1] / 'tools' / 'run_grid.py'
PYTHONPATH = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get('PYTHONPATH', '')])

PRETRAIN = """
lr = 0.1
optim_wrapper = dict(optimizer=dict(lr=lr))
train_cfg = dict(max_iters=10)
batch_size = 2
num_workers = 0
train_dataloader = dict(batch_size=batch_size, num_workers=num_workers)
"""

FINETUNE = """
seed = 0
fold = 0
num_folds = 2
num_classes = 2
examples_per_class = 1
initialisation = ''
lr = 0.1
num_workers = 0
optim_wrapper = dict(optimizer=dict(lr=lr))
randomness = dict(seed=seed)
train_cfg = dict(max_epochs=3)
default_hooks = dict(initialisation=dict(checkpoint=initialisation), checkpoint=dict(interval=1))
train_dataloader = dict(num_workers=num_workers, dataset=dict(
    type='ToyDataset', examples_per_class=examples_per_class, seed=seed, fold=fold, num_folds=num_folds))
model = dict(backbone=dict(depth=18), head=dict(num_classes=num_classes))
"""

GRID = """
name = 'toy'
pretrainings = {
    'masks': dict(config='pretrain.py', options={'lr': 0.2}),
    'scribbles': dict(config='pretrain.py')
}
initialisations = {
    'Random': dict(),
    'Full segmentation': dict(pretraining='masks'),
    'Scribble segmentation': dict(pretraining='scribbles')
}
datasets = {
    'Alpha': dict(config='finetune.py', examples_per_class=[1, 2], repeats=3),
    'Beta': dict(config='finetune.py', examples_per_class=[4], folds=3)
}
comparisons = [dict(first='Scribble segmentation', second='Full segmentation', margin={'Alpha': 1.0})]
work = 'toy_work:run'
"""
NUM_TRAININGS = 2 + 3 * (2 * 3 + 3)


@dataclass(frozen=True)
class Toy:
    """A toy grid in a folder, with a work directory and a log of what was run."""

    root: Path

    @property
    def grid(self) -> Path:
        return self.root / 'toy.py'

    @property
    def work_dir(self) -> Path:
        return self.root / 'work'

    @property
    def log(self) -> Path:
        return self.root / 'log.txt'

    def write(self, grid: str = GRID, finetune: str = FINETUNE, pretrain: str = PRETRAIN) -> Toy:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / 'pretrain.py').write_text(pretrain)
        (self.root / 'finetune.py').write_text(finetune)
        self.grid.write_text(grid)
        return self

    def plan(self, **options) -> Plan:
        return plan_grid(self.grid, options)

    def planned(self, **options) -> Plan:
        """The plan, written to the work directory."""
        plan = self.plan(**options)
        store.write_plan(self.work_dir, plan)
        return plan

    def run(self, plan: Plan | None = None) -> None:
        """Plan and run all of it in this process."""
        store.write_plan(self.work_dir, plan or self.plan())
        Worker(self.work_dir, report=lambda line: None).run()

    def environment(self, sleep: float) -> dict[str, str]:
        environment = os.environ | {'TOY_LOG': str(self.log), 'TOY_SLEEP': str(sleep), 'PYTHONPATH': PYTHONPATH}
        # Processes that may keep what they compile start twice as fast.
        environment.pop('PYTHONDONTWRITEBYTECODE', None)
        return environment

    def run_tool(self, *arguments: object, sleep: float = 0.002) -> subprocess.CompletedProcess:
        process = self.start_tool(*arguments, sleep=sleep)
        printed, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)

    def start_tool(self, *arguments: object, sleep: float = 0.002) -> subprocess.Popen:
        command = [sys.executable, str(TOOL), str(self.grid), '--work-dir', str(self.work_dir), *map(str, arguments)]
        return subprocess.Popen(
            command, env=self.environment(sleep), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def events(self, kind: str) -> Counter[str]:
        """How often something happened to each cell."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return Counter(line.split()[1] for line in lines if line.split()[0] == kind)

    def contents(self) -> dict[str, object]:
        """All that the finished cells hold, less times, machines and which attempt it was."""
        return {cell_id: contents_of(self.work_dir, cell_id) for cell_id in finished(self.work_dir)}


def finished(work_dir: Path) -> list[str]:
    return sorted(path.parent.name for path in (work_dir / 'cells').glob('*/result.json'))


def contents_of(work_dir: Path, cell_id: str) -> dict[str, object]:
    folder = store.cell_folder(work_dir, cell_id)
    values = json.loads((folder / 'result.json').read_text())
    files = {kind: (folder / name).read_bytes() for kind, name in values.pop('files').items()}
    del values['finished'], values['machine'], values['durations'][store.WALL], values['cell']['config']
    scores = {key: array.tobytes() for key, array in store.load_scores(work_dir, cell_id).items()}
    return {'result': values, 'config': files['config'], 'weights': files.get('initialisation'), 'scores': scores}
