"""Running the in-memory loops as a person does: logs, hooks, interruptions, tests, and what is left to mmengine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from power_cut import PowerCutError
from small_swin import SMALL_SWIN, SWIN

from sdp_plugin.apis.train import train
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.engine.in_memory import images as in_memory
from sdp_plugin.engine.in_memory import loop
from sdp_plugin.engine.in_memory.fallback import obstacles_of_optimiser
from sdp_plugin.engine.in_memory.graph import CapturedStep
from sdp_plugin.engine.optimisers import optimisers_of
from sdp_plugin.errors import UserError

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'
TILES = 'finetune/resnet34_1xb32-100e_tile-folder.py'


@pytest.fixture(autouse=True)
def _no_images_from_other_tests():
    in_memory.clear_cache()


def log_of(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


@pytest.mark.parametrize(
    ('config', 'options'), [(PCAM, {'examples_per_class': 3}), (SWIN, SMALL_SWIN | {'examples_per_class': 3})]
)
def test_a_resumed_training_ends_where_an_uninterrupted_one_ends(small_config, tmp_path, config, options):
    """With all augmentations, and for the second network with dropped paths."""
    options = options | {'max_epochs': 4, 'default_hooks.checkpoint.interval': 1, 'input_size': 32}
    train(small_config(config, 'whole', **options))
    cut = small_config(config, 'cut', **options)
    cut.custom_hooks = [*cut.custom_hooks, dict(type='sdp_plugin.EpochCutHook', after=2)]
    with pytest.raises(PowerCutError):
        train(cut)
    train(small_config(config, 'cut', **options), resume=True)
    whole, resumed = (load_checkpoint(tmp_path / folder / 'epoch_4.pth') for folder in ('whole', 'cut'))
    assert whole['meta']['iter'] == resumed['meta']['iter'] == 12
    for name, tensor in whole['state_dict'].items():
        assert torch.equal(resumed['state_dict'][name], tensor), name
    assert 'In-memory loop' in log_of(tmp_path / 'whole')


@pytest.mark.filterwarnings('error:Detected call of .scheduler.step')
def test_two_seeds_augment_differently(small_config, tmp_path):
    options = {'max_epochs': 1, 'input_size': 32, 'examples_per_class': 8}
    weights = []
    for seed in (0, 1, 0):
        runner = Runner.from_cfg(small_config(PCAM, f'seed{seed}-{len(weights)}', **options, seed=seed))
        runner.train()
        weights.append(runner.model.backbone.conv1.weight.detach().clone())
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])


@pytest.mark.parametrize('config', [PCAM, CRC, TILES])
def test_the_test_gives_the_predictions_of_the_reference(small_config, tmp_path, config):
    """The metrics, and each score that a metric is given."""
    metrics, scores = {}, {}
    for name, flag in {'fast': True, 'reference': False}.items():
        cfg = small_config(config, name, in_memory=flag, precision='float32', batch_size=2)
        cfg.test_evaluator = [*cfg.test_evaluator, dict(type='sdp_plugin.ImageScores')]
        runner = Runner.from_cfg(cfg)
        metrics[name] = runner.test()
        scores[name] = runner.test_evaluator.metrics[-1].scores
        message = "MMEngine's own loop does the testing: in_memory=False. It computes in the precision of the weights."
        assert (message in log_of(tmp_path / name)) is not flag
    assert metrics['fast'] == pytest.approx(metrics['reference'], abs=1e-9)
    assert scores['fast'].keys() == scores['reference'].keys()
    for key, wanted in scores['reference'].items():
        torch.testing.assert_close(torch.tensor(scores['fast'][key]), torch.tensor(wanted), atol=2e-3, rtol=0)


def test_the_order_of_the_test_is_not_that_of_the_labels(small_config):
    """Scores go with the labels of their images whatever the sampler draws."""
    loops = []
    for shuffle in (False, True):
        cfg = small_config(PCAM, f'shuffle-{shuffle}', input_size=32, **{'test_dataloader.sampler.shuffle': shuffle})
        runner = Runner.from_cfg(cfg)
        runner.test()
        loops.append(runner.test_loop)
    torch.testing.assert_close(loops[1].log_scores, loops[0].log_scores)


def test_results_curves_and_logs_are_there(small_config, tmp_path):
    cfg = small_config(PCAM, max_epochs=2, examples_per_class=3, input_size=32)
    metrics = train(cfg)
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert results['metrics'] == metrics
    assert results['settings']['in_memory'] is True
    log = log_of(tmp_path / 'run')
    assert 'In-memory loop: 6 images on the device' in log
    assert 'Epoch(train) [1][3/3]' in log
    assert 'Epoch(train) [2][3/3]' in log
    checkpoint = load_checkpoint(tmp_path / 'run' / 'epoch_2.pth')
    assert checkpoint['meta']['model_card']['classes'] == ['normal', 'tumour']


class CountingHook(Hook):
    """Note what the hook is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.calls.append((runner.iter, batch_idx, tuple(outputs['loss'].shape)))


def test_hooks_hear_of_iterations_and_the_message_hub_of_epochs(small_config):
    runner = Runner.from_cfg(small_config(PCAM, max_epochs=2, examples_per_class=3, input_size=32))
    counting = CountingHook()
    runner.register_hook(counting)
    runner.train()
    assert counting.calls == [(iteration, iteration % 3, ()) for iteration in range(6)]
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    rates, _ = runner.message_hub.get_scalar('train/lr').data
    assert len(losses) == len(rates) == 2
    assert rates[1] == pytest.approx(0.94 * rates[0])


# What the fast loops cannot do; what the log then says.
LEFT_TO_MMENGINE = {
    'another sampler': (
        {'train_dataloader.sampler': dict(type='RepeatAugSampler', shuffle=True)},
        'the sampler is RepeatAugSampler',
    ),
    'an unknown transform': (
        {
            'train_dataloader.dataset.pipeline': [
                dict(type='sdp_plugin.LoadPatch'),
                dict(type='RandomErasing', erase_prob=0.5),
                dict(type='PackInputs'),
            ]
        },
        "does not know the transform 'RandomErasing'",
    ),
    'a loss of its own': (
        {'model.head': dict(_delete_=True, type='ArcFaceClsHead', num_classes=2, in_channels=64)},
        'ArcFaceClsHead computes its loss in its own way',
    ),
    'mixed images': (
        {'model.train_cfg': dict(augments=dict(type='Mixup', alpha=0.2))},
        'the data preprocessor mixes images (batch_augments)',
    ),
    'a data set of data sets': (
        {
            'train_dataloader.dataset': dict(
                _delete_=True,
                type='RepeatDataset',
                times=2,
                dataset=dict(
                    type='sdp_plugin.PCamDataset',
                    data_root=None,  # that of the test
                    examples_per_class=1,
                    pipeline=[dict(type='sdp_plugin.LoadPatch'), dict(type='PackInputs')],
                ),
            )
        },
        'RepeatDataset is no BaseDataset',
    ),
    'accumulated gradients': ({'optim_wrapper.accumulative_counts': 2}, 'accumulates gradients'),
}


@pytest.mark.parametrize(('options', 'message'), LEFT_TO_MMENGINE.values(), ids=LEFT_TO_MMENGINE)
def test_what_the_loop_cannot_do_is_left_to_mmengine_and_said(small_config, tmp_path, options, message):
    cfg = small_config(PCAM, max_epochs=1)
    data_root = cfg.train_dataloader.dataset.data_root
    cfg.merge_from_dict(options)
    if 'dataset' in cfg.train_dataloader.dataset:
        cfg.train_dataloader.dataset.dataset.data_root = data_root
        cfg.custom_hooks = []
    Runner.from_cfg(cfg).train()
    log = log_of(tmp_path / 'run')
    assert "WARNING - MMEngine's own loop does the training" in log
    assert message in log
    assert (tmp_path / 'run' / 'epoch_1.pth').exists()


def test_images_that_fit_into_no_memory_are_read_batch_by_batch(small_config, tmp_path, monkeypatch):
    monkeypatch.setattr(in_memory, 'available_memory', lambda: 1000)
    metrics = train(small_config(PCAM, max_epochs=1))
    assert 'accuracy/top1' in metrics
    log = log_of(tmp_path / 'run')
    assert "MMEngine's own loop does the training: the images take 55.3 kB, and 1.0 kB of memory are free" in log
    assert "MMEngine's own loop does the testing: the images take 165.9 kB" in log


@pytest.mark.parametrize('in_memory', [True, False])
def test_only_the_fast_test_takes_batches_of_its_own(small_config, monkeypatch, in_memory):
    """The reference loop, which a test may fall back to, has one batch's images and activations to hold at a time."""
    monkeypatch.setitem(loop.TEST_BATCH_SIZE, 'cpu', 1024)
    cfg = small_config(PCAM, in_memory=in_memory)
    cfg.test_dataloader.batch_size = 4
    runner, sizes = Runner.from_cfg(cfg), []
    runner.model.backbone.register_forward_hook(lambda module, inputs, outputs: sizes.append(len(inputs[0])))
    runner.test()
    assert sizes == ([6] if in_memory else [4, 2])


def test_several_optimisers_are_all_made_fast():
    """By the reference loop, which alone can train with several."""
    optimisers = [torch.optim.Adam([torch.zeros(1, requires_grad=True)]) for _ in range(2)]
    wrapper = OptimWrapperDict(**{f'part{i}': OptimWrapper(optimiser) for i, optimiser in enumerate(optimisers)})
    assert optimisers_of(wrapper) == optimisers
    assert obstacles_of_optimiser(wrapper) == ['OptimWrapperDict steps in its own way']


def test_an_unknown_precision_is_refused(small_config):
    with pytest.raises(UserError, match='precision'):
        Runner.from_cfg(small_config(PCAM, max_epochs=1, precision='float8')).train()


def test_bfloat16_trains(small_config):
    """Slowly, where the processor has no instructions for it."""
    runner = Runner.from_cfg(small_config(PCAM, max_epochs=1, precision='bfloat16', input_size=32))
    runner.train()
    assert torch.isfinite(torch.tensor(runner.message_hub.get_scalar('train/loss').current()))
    assert all(parameter.dtype == torch.float32 for parameter in runner.model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_a_recorded_step_trains_as_the_step_itself(small_config, monkeypatch):
    """Mean losses of ten epochs in float32, with and without a CUDA graph."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    monkeypatch.setattr(torch.backends.cudnn, 'deterministic', True)
    recorded = []
    record = CapturedStep._record

    def noting(step: CapturedStep, *batch: torch.Tensor) -> None:
        record(step, *batch)
        recorded.append(step._graph is not None)

    monkeypatch.setattr(CapturedStep, '_record', noting)
    losses = []
    for graphs in (True, False):
        cfg = small_config(
            PCAM, f'graphs-{graphs}', max_epochs=10, batch_size=8, examples_per_class=8, precision='float32'
        )
        cfg.train_cfg.cuda_graphs = graphs
        cfg.env_cfg.cudnn_benchmark = False
        runner = Runner.from_cfg(cfg)
        runner.train()
        losses.append(torch.tensor(runner.message_hub.get_scalar('train/loss').data[0]))
    assert recorded == [True]
    torch.testing.assert_close(*losses, rtol=1e-2, atol=1e-2)
