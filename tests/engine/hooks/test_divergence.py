"""Trainings that diverge."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import LoggerHook
from mmengine.logging import MessageHub

from sdp_plugin.apis.train import train
from sdp_plugin.engine.hooks import DivergenceHook
from sdp_plugin.errors import UserError

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
# MMEngine's own loops, by iteration and by epoch, and the in-memory one. Adam itself refuses NaN as a rate.
TRAININGS = {
    'by iteration, NaN': (SCRIBBLES, {'max_iters': 20, 'lr': float('nan')}),
    'by iteration, large': (SCRIBBLES, {'max_iters': 20, 'lr': 1e30}),
    'in memory': (PCAM, {'max_epochs': 3, 'lr': 1e30}),
    'by epoch': (PCAM, {'max_epochs': 3, 'in_memory': False, 'lr': 1e30}),
    'in the last step': (SCRIBBLES, {'max_iters': 1, 'lr': float('nan')}),
    'without checkpoints': (PCAM, {'max_epochs': 1, 'lr': 1e30, 'batch_size': 2}),
}


@pytest.mark.parametrize(('config', 'options'), TRAININGS.values(), ids=TRAININGS)
def test_a_training_that_diverges_ends_with_a_word_and_no_result(small_config, tmp_path, config, options):
    options, rate = dict(options), options['lr']
    del options['lr']  # the setting refuses NaN
    cfg = small_config(config, **options)
    cfg.optim_wrapper.optimizer.lr = rate
    if options.get('max_epochs') == 1:
        cfg.default_hooks.checkpoint = None
    with pytest.raises(UserError, match='diverged'):
        train(cfg)
    assert not (tmp_path / 'run' / 'results.json').exists()
    assert not list((tmp_path / 'run').glob('*.pth'))


@pytest.mark.parametrize(('losses', 'diverges'), [([1.0, 2.0], False), ([1.0, torch.inf], True), ([], False)])
def test_losses_in_the_log(losses, diverges):
    hub = MessageHub(f'hub-{len(losses)}-{diverges}')
    for loss in losses:
        hub.update_scalar('train/loss', loss)
    runner = SimpleNamespace(message_hub=hub, iter=6, hooks=[LoggerHook(interval=2)])
    hook = DivergenceHook()
    hook.before_train(runner)
    if diverges:
        with pytest.raises(UserError, match='a loss of inf by iteration 7'):
            hook.after_train_iter(runner, 0)
    else:
        hook.after_train_iter(runner, 0)


def test_weights_are_looked_at_before_they_are_written():
    weights = {'counter': torch.tensor(3), 'conv.weight': torch.tensor([1.0, torch.nan])}
    with pytest.raises(UserError, match=r'conv\.weight after iteration 7'):
        DivergenceHook().before_save_checkpoint(SimpleNamespace(iter=6), dict(state_dict=weights))
