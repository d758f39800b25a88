"""Test a network along its training, to see whether and when it learns."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from sdp_plugin.registry import HOOKS

_KEY = 'tests_along'


@HOOKS.register_module()
class PeriodicTestHook(Hook):
    """Run the test loop every so many iterations; the metrics go into the log, the visualizer and the message hub.

    Nothing of a training depends on it: no checkpoint is chosen by it, and iterations draw from seeds of their own.

    Args:
        interval (int): Iterations between two tests; 0 never tests. The end of the training is left to the test that
            follows it. Defaults to 0.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 0) -> None:
        self.interval = interval

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Test where it is time to."""
        if not self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner):
            return
        metrics = {name: float(value) for name, value in runner.test_loop.run().items()}
        runner.model.train()
        done = runner.iter + 1
        runner.message_hub.update_info(_KEY, {**tested_along(runner.message_hub), done: metrics})
        runner.visualizer.add_scalars(metrics, step=done)


def tested_along(hub: MessageHub) -> dict[int, dict[str, float]]:
    """The metrics of the tests along a training, by the iterations that were done; all of them where it was resumed."""
    return hub.runtime_info.get(_KEY, {})
