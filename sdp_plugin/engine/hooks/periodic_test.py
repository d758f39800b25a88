"""Test a network along its training, to see whether and when it learns."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from sdp_plugin.engine.randomness import in_test_mode, randomness_kept
from sdp_plugin.registry import HOOKS

_KEY = 'metrics_along'  # none that begins with 'test', which MMEngine would print with the test's metrics


@HOOKS.register_module()
class PeriodicTestHook(Hook):
    """Run the test loop every so many iterations; the metrics go into the log, the visualizer and the message hub.

    Training stays as it would be without the hook, and no checkpoint is chosen by it.

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
        with randomness_kept(), in_test_mode(runner.model):
            metrics = {name: float(value) for name, value in runner.test_loop.run().items()}
        done = runner.iter + 1
        runner.message_hub.update_info(_KEY, {**metrics_along(runner.message_hub), done: metrics})
        runner.visualizer.add_scalars(metrics, step=done)


def metrics_along(hub: MessageHub) -> dict[int, dict[str, float]]:
    """The metrics of the tests along a training, by the iterations that were done; all of them where it was resumed."""
    return hub.runtime_info.get(_KEY, {})
