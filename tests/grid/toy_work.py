"""A work function without torch: quick trainings whose results follow from the cell's id alone.

What it did is appended, a line for each event, to the file that ``TOY_LOG`` names, so that tests can count.
``TOY_SLEEP`` is how long a training takes. Every fine-tuning on a data set named ``Fails`` does; the first from random
weights on one named ``Kills`` kills its worker at the first attempt.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sdp_plugin.grid.records import INITIALISATION, PRETRAINING, Outcome, Task

STEPS = 5


def run(tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome | Exception]]:
    for task in tasks:
        try:
            yield task, train(task)
        except ValueError as error:
            yield task, error


def run_together(tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome | Exception]]:
    note('together', *[task.cell.id for task in tasks])
    yield from run(tasks)


def note(*words: str) -> None:
    with open(os.environ['TOY_LOG'], 'a') as log:
        log.write(' '.join(words) + '\n')


def train(task: Task) -> Outcome:
    cell = task.cell
    note('start', cell.id, str(os.getpid()))
    if cell.dataset == 'Fails':
        raise ValueError(f'no luck with {cell.title}')
    kills = cell.dataset == 'Kills' and (cell.fold, cell.initialisation) == (0, 'Random')
    if kills and not (task.folder / 'killed').exists():
        (task.folder / 'killed').touch()
        os.kill(os.getpid(), signal.SIGKILL)
    outcome = pretrain(task) if cell.kind == PRETRAINING else finetune(task)
    note('end', cell.id, str(os.getpid()))
    return outcome


def pretrain(task: Task) -> Outcome:
    """In steps with a checkpoint each, so that a killed one is gone on with."""
    checkpoint = task.folder / 'iter.pth'
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while step < STEPS:
        time.sleep(float(os.environ.get('TOY_SLEEP', '0.002')))
        step += 1
        write(checkpoint, str(step))
        note('step', task.cell.id, str(step))
    converted = task.folder / 'converted.pth'
    write(converted, f'weights of {task.cell.id}')
    return Outcome(metrics=numbers(task.cell.id), files={INITIALISATION: converted}, config_text='# pre-training\n')


def write(path: Path, text: str) -> None:
    temporary = path.with_name(f'.{path.name}')
    temporary.write_text(text)
    temporary.replace(path)


def finetune(task: Task) -> Outcome:
    cell = task.cell
    weights = task.initialisation.read_text() if task.initialisation else None
    if weights != (f'weights of {cell.needs}' if cell.needs else None):
        raise ValueError(f'{cell.title} starts from {weights!r}')
    (task.folder / 'log.txt').write_text('a log\n')
    (task.folder / 'epoch_1.pth').write_text('a checkpoint')
    time.sleep(float(os.environ.get('TOY_SLEEP', '0.002')))
    draw = np.random.default_rng(int(cell.id, 16))
    labels = draw.integers(0, 2, 20).astype(np.uint8)
    scores = np.log(draw.dirichlet([1, 1], 20)).astype(np.float16)
    return Outcome(
        metrics=numbers(cell.id),
        scores=dict(log_scores=scores, predictions=scores.argmax(1).astype(np.uint8), labels=labels),
        curve=[dict(step=1, loss=0.5, lr=0.1)],
        subset=dict(train_size=4, test_size=20, train_digest='a', test_digest='b'),
        durations=dict(train=0.1),
        config_text=f'# {cell.title}\n',
    )


def numbers(cell_id: str) -> dict[str, float]:
    return {'accuracy/top1': random.Random(cell_id).uniform(50, 90)}
