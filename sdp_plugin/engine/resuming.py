"""Whether a training that is to be gone on with is the one that a checkpoint is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sdp_plugin.checkpoints.reading import config_of, load_checkpoint, parse_config_text
from sdp_plugin.errors import UserError, shortened

TRAINS = (
    'model',
    'data_preprocessor',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'auto_scale_lr',
    'randomness',
    'default_hooks.initialisation',
)
"""What of a config decides which weights a training ends with, as dotted paths. Of everything else, such as where to
log and what to test on, a resumed training may differ."""

MAY_DIFFER = {
    'train_cfg.max_*': 'the length of the training',
    'train_cfg.val_*': 'when to validate',
    'param_scheduler.*.end': 'the length of the training; the schedule itself goes on as the checkpoint has it',
    'train_dataloader.num_workers': 'how fast images are loaded',
    'train_dataloader.persistent_workers': 'how fast images are loaded',
    'train_dataloader.pin_memory': 'how fast images are loaded',
    'train_dataloader.prefetch_factor': 'how fast images are loaded',
    'train_dataloader.dataset.data_root': 'a place',
    'train_dataloader.dataset.data_prefix*': 'a place',
    'train_dataloader.dataset.cache_dir': 'a place',
    'train_dataloader.dataset.decode_first': 'how fast images are loaded',
    'train_cfg.compile': 'how fast it computes',
    'train_cfg.cuda_graphs': 'how fast it computes',
}
"""Of these, a resumed training may differ all the same, and says so. `*` is anything."""

_MISSING = 'nothing'
_SHOWN = 5


def check_same_training(cfg: Config, checkpoint: str | Path) -> list[str]:
    """Compare a config with that of the checkpoint which it is to go on from.

    Args:
        cfg (Config): The config of the training to go on with.
        checkpoint (str | Path): A checkpoint that a training wrote.

    Returns:
        list[str]: Words for what differs and may.

    Raises:
        UserError: If they differ in anything else, or the checkpoint cannot be read or carries no config.
    """
    loaded = load_checkpoint(checkpoint)
    _check_length(cfg, loaded.get('meta') or {}, checkpoint)
    before = config_of(loaded).to_dict()
    try:
        now = parse_config_text(cfg.pretty_text)
    except (SyntaxError, ValueError):
        return ['This config holds more than plain values and is not compared with that of the checkpoint']
    differences = {
        path: f'{path}: {old} in the checkpoint, {new} now'
        for path, (old, new) in _differences(_flat(before), _flat(now)).items()
        if any(path == part or path.startswith(f'{part}.') for part in TRAINS)
    }
    allowed = [path for path in differences if any(fnmatchcase(path, pattern) for pattern in MAY_DIFFER)]
    refused = [line for path, line in differences.items() if path not in allowed]
    if refused:
        raise UserError(
            'The training to go on with is another one than this config describes.',
            looked_for=f'the config that wrote {checkpoint}',
            found=shortened(refused, _SHOWN, '; '),
            remedy='--resume with the options of before, or give another --work-dir to start anew',
        )
    return [f'Resumed with another value of {differences[path]}' for path in allowed]


def _check_length(cfg: Config, meta: Mapping[str, Any], checkpoint: str | Path) -> None:
    for length, done in (('max_epochs', 'epoch'), ('max_iters', 'iter')):
        wanted = (cfg.get('train_cfg') or {}).get(length)
        if isinstance(wanted, int) and isinstance(meta.get(done), int) and meta[done] > wanted:
            raise UserError(
                'The training has gone on for longer already than this config asks for.',
                looked_for=f'{length}={meta[done]} or more',
                found=f'{length}={wanted}; {checkpoint} is of {done} {meta[done]}',
                remedy='give another --work-dir to train anew, or test an earlier checkpoint',
            )


def _flat(value: object, path: str = '') -> Iterator[tuple[str, object]]:
    """The leaves of nested mappings and sequences by dotted path."""
    if isinstance(value, Mapping) and value:
        children = value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(v, Mapping) for v in value):
        children = enumerate(value)
    else:
        yield path, list(value) if isinstance(value, tuple) else value
        return
    for key, child in children:
        yield from _flat(child, f'{path}.{key}' if path else str(key))


def _differences(
    before: Iterator[tuple[str, object]], now: Iterator[tuple[str, object]]
) -> dict[str, tuple[object, object]]:
    before, now = dict(before), dict(now)
    paths = [*before, *(path for path in now if path not in before)]
    pairs = {path: (before.get(path, _MISSING), now.get(path, _MISSING)) for path in paths}
    return {path: (old, new) for path, (old, new) in pairs.items() if repr(old) != repr(new) and old != new}
