"""Keep the trunk of a segmentor or classifier at chosen iterations of its training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.registry import HOOKS

FOLDER = 'trunks'


@HOOKS.register_module()
class KeepTrunksHook(Hook):
    """Write ``trunks/iter_N.pth`` into the work directory: the backbone's tensors and the config, no optimiser.

    ``tools/convert_weights.py`` takes such a file as it takes a checkpoint. What a resumed training has behind it is
    not written again.

    Args:
        iterations (Sequence[int]): Numbers of iterations done, from 1.
    """

    # Before a checkpoint of the same iteration: what a resumed training does not repeat is then written.
    priority = 'LOW'

    def __init__(self, iterations: Sequence[int] = ()) -> None:
        self.iterations = frozenset(iterations)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Write the trunk where its iteration has come."""
        if runner.iter + 1 not in self.iterations or runner.rank:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        tensors = {f'backbone.{name}': tensor.cpu() for name, tensor in model.backbone.state_dict().items()}
        meta = {'cfg': runner.cfg.pretty_text, 'iter': runner.iter + 1}
        save_checkpoint(
            {'state_dict': tensors, 'meta': meta}, Path(runner.work_dir) / FOLDER / f'iter_{runner.iter + 1}.pth'
        )


def kept_trunks(work_dir: str | Path) -> dict[int, Path]:
    """The trunks that a training has kept, by iteration."""
    named = {path: re.fullmatch(r'iter_(\d+)\.pth', path.name) for path in (Path(work_dir) / FOLDER).glob('*.pth')}
    return dict(sorted((int(name[1]), path) for path, name in named.items() if name))
