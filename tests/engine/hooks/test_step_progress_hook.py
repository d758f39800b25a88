from __future__ import annotations

from types import SimpleNamespace

import torch
from mmengine.logging import MessageHub

from sdp_plugin.engine.hooks import StepProgressHook
from sdp_plugin.step_progress import read_step_progress


def test_a_training_and_its_test_say_how_far_they_are(tmp_path):
    hub = MessageHub('step progress')
    runner = SimpleNamespace(work_dir=tmp_path, iter=0, max_iters=40, message_hub=hub, test_dataloader=range(5))
    hook = StepProgressHook()
    hook.before_run(runner)
    hook.after_train_iter(runner, 0, outputs={'loss': torch.tensor(0.75)})
    found = read_step_progress(tmp_path)
    assert (found.phase, found.done, found.total, found.loss) == ('training', 1, 40, 0.75)
    hook.before_test(runner)
    hook.after_test_iter(runner, 0)
    found = read_step_progress(tmp_path)
    assert (found.phase, found.done, found.total, found.loss) == ('test', 1, 5, None)


def test_a_loss_on_a_device_is_not_read_back(tmp_path):
    hub = MessageHub('step progress on a device')
    runner = SimpleNamespace(work_dir=tmp_path, iter=0, max_iters=40, message_hub=hub)
    on_device = torch.empty((), device='meta')
    for logged in (None, 0.5):
        if logged:
            hub.update_scalar('train/loss', logged)
        hook = StepProgressHook()
        hook.before_run(runner)
        hook.after_train_iter(runner, 0, outputs={'loss': on_device})
        assert read_step_progress(tmp_path).loss == logged
