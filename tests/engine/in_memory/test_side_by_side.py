"""Trainings side by side: results of each alone, failures, and too little memory."""

from __future__ import annotations

import threading
import traceback
import weakref
from functools import partial

import pytest
import torch
from mmengine.config import Config
from small_swin import SMALL_SWIN, SWIN

from sdp_plugin.apis.train import train
from sdp_plugin.engine.in_memory import images as in_memory
from sdp_plugin.engine.in_memory import side_by_side
from sdp_plugin.engine.in_memory.side_by_side import run_side_by_side
from sdp_plugin.engine.in_memory.turns import in_company, next_turn
from sdp_plugin.errors import UserError

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'


@pytest.fixture(autouse=True)
def _no_images_from_other_tests():
    in_memory.clear_cache()


def trained(cfg: Config) -> dict[str, torch.Tensor]:
    """The weights after training, and the metrics of the test as another tensor."""
    metrics = train(cfg)
    weights = torch.load(f'{cfg.work_dir}/epoch_{cfg.max_epochs}.pth', weights_only=False)['state_dict']
    return weights | {'metrics': torch.tensor(list(metrics.values()))}


@pytest.mark.parametrize(('config', 'options'), [(PCAM, {}), (SWIN, SMALL_SWIN)], ids=['ResNet', 'dropped paths'])
def test_each_training_gives_what_it_gives_alone(small_config, config, options):
    """They differ in seed, subset and number of images; batches, augmentations and dropped paths are drawn in turns."""
    options = options | dict(max_epochs=2, input_size=32)

    def jobs(run: str):
        cells = [dict(seed=seed, examples_per_class=count) for seed, count in ((0, 3), (1, 3), (0, 4))]
        return [partial(trained, small_config(config, f'{run}{i}', **options, **cell)) for i, cell in enumerate(cells)]

    alone = dict(run_side_by_side(jobs('alone')))
    together = dict(run_side_by_side(jobs('together'), at_once=3))
    assert set(together) == {0, 1, 2}
    for index, wanted in alone.items():
        assert together[index].keys() == wanted.keys()
        for name, tensor in wanted.items():
            torch.testing.assert_close(together[index][name], tensor, rtol=1e-6, atol=1e-8, msg=f'{index}: {name}')
    assert not torch.equal(alone[0]['head.fc.weight'], alone[1]['head.fc.weight'])


@pytest.mark.parametrize('at_once', [1, 2])
def test_one_that_fails_takes_no_other_down(small_config, at_once):
    good, bad = (small_config(PCAM, name, max_epochs=1, input_size=32) for name in ('good', 'bad'))
    bad.train_dataloader.dataset.data_root = '/nowhere'
    results = dict(run_side_by_side([partial(train, bad), partial(train, good)], at_once))
    assert isinstance(results[0], UserError)
    assert 'accuracy/top1' in results[1]


class Device:
    """A device that holds so many trainings at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = 0
        self.most = 0
        self.starts: list[str] = []

    def train(self, name: str) -> str:
        self.starts.append(name)
        if self.taken == self.room:
            raise torch.cuda.OutOfMemoryError(f'no room for {name}')
        self.taken += 1
        self.most = max(self.most, self.taken)
        try:
            for _ in range(3):
                next_turn()
        finally:
            self.taken -= 1
        return f'{name} trained'


def test_out_of_memory_starts_again_with_fewer_at_once_and_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(side_by_side, 'print_log', lambda message, **_: said.append(message))
    device = Device(room=2)
    results = dict(run_side_by_side([partial(device.train, name) for name in 'abcd'], at_once=4))
    assert results == {index: f'{name} trained' for index, name in enumerate('abcd')}
    assert device.starts == ['a', 'b', 'c', 'd', 'c', 'd']
    assert device.most == 2
    assert said == ['2 of 4 trainings side by side ran out of memory on the device. They start again, 2 at once.']


def test_one_that_does_not_fit_alone_fails_and_the_others_do_not():
    device = Device(room=1)

    def too_large():
        raise torch.cuda.OutOfMemoryError('never fits')

    jobs = [too_large, *(partial(device.train, name) for name in 'ab')]
    results = dict(run_side_by_side(jobs, at_once=3))
    assert isinstance(results[0], torch.cuda.OutOfMemoryError)
    assert (results[1], results[2]) == ('a trained', 'b trained')


def test_a_chain_of_errors_that_bites_its_tail_is_let_go():
    def failing():
        error = ValueError('of itself')
        raise error from error

    assert isinstance(dict(run_side_by_side([failing]))[0], ValueError)


def test_no_more_at_once_than_there_are_streams():
    most = 0

    def counting():
        nonlocal most
        most = max(most, sum(thread.name.startswith('training') for thread in threading.enumerate()))

    assert len(dict(run_side_by_side([counting] * 40, at_once=40))) == 40
    assert most == 32


def test_what_a_training_that_failed_held_is_let_go():
    held = []

    def failing():
        images = torch.zeros(3)
        held.append(weakref.ref(images))
        raise torch.cuda.OutOfMemoryError('no room')

    def looks():
        next_turn()
        return held[0]() is None

    jobs = [failing, looks]
    results = dict(run_side_by_side(jobs, at_once=2))
    assert isinstance(results[0], torch.cuda.OutOfMemoryError)
    assert 'in failing' in ''.join(traceback.format_exception(results[0]))
    assert results[1]


def test_on_a_cpu_one_follows_the_other():
    assert dict(run_side_by_side([in_company, in_company])) == {0: False, 1: False}


def test_an_interruption_is_passed_on():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        list(run_side_by_side([interrupted, lambda: None], at_once=2))
    assert raised.tb, 'what holds the frames, and in them the trainings that were not ended'
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith('training')] == []
