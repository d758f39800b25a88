"""From a checkpoint to an initialisation: choose the key map, convert, verify, write with provenance."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.conversion.convert import Conversion, convert
from sdp_plugin.conversion.key_map import KeyMap, Verdict
from sdp_plugin.conversion.key_maps import key_map_for
from sdp_plugin.conversion.resize import resize_position_tables
from sdp_plugin.conversion.source import TRUNK_PREFIX, Source, config_in, inner_trunk, read_source
from sdp_plugin.conversion.trunks import ADAPTER, Trunk, trunk_of_model
from sdp_plugin.conversion.verify import Verification, verify
from sdp_plugin.errors import UserError

_LIBRARIES = ('sdp_plugin', 'torch', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain')


@dataclass(frozen=True)
class CarriedOver:
    """A conversion, complete.

    Args:
        source (Source): Where the weights come from.
        target (Trunk): The backbone that they are for.
        key_map (KeyMap): The pair's.
        conversion (Conversion): The tensors, without the prefix, and what happened to each.
        resized (tuple[str, ...]): The position tables that were interpolated to the target's size.
        verification (Verification | None): None where it was not asked for.
    """

    source: Source
    target: Trunk
    key_map: KeyMap
    conversion: Conversion
    resized: tuple[str, ...] = ()
    verification: Verification | None = None

    @property
    def verdict(self) -> Verdict:
        """The key map's, unless nobody knows that the source is what its tensors look like."""
        return self.source.reservation or self.key_map.verdict

    def checkpoint(self) -> dict[str, Any]:
        """The checkpoint to write: the trunk's tensors, and how they came about in ``meta['conversion']``."""
        model = {'type': 'EncoderDecoder' if self.target.is_of_segmentor else 'ImageClassifier'}
        model['backbone'] = self.target.config
        return {
            'state_dict': {TRUNK_PREFIX + name: tensor for name, tensor in self.conversion.state.items()},
            'meta': {'cfg': f'model = {model!r}\n', 'conversion': self.provenance()},
        }

    def provenance(self) -> dict[str, Any]:
        """Where every tensor comes from, as plain values."""
        conversion = self.conversion
        return {
            'source': {
                'file': self.source.path.name,
                'sha256': self.source.sha256,
                'backbone': self.source.trunk.config,
                'inside': self.source.inside,
                'layout': self.source.layout,
                'architecture': self.source.architecture,
                'wrapper': self.source.wrapper,
                'normalisation': self.source.normalisation,
                'classes': list(self.source.classes),
            },
            'target': {'backbone': self.target.config, 'label': self.target.label},
            'rule_set': self.key_map.name,
            'verdict': self.verdict.name,
            'verdict_note': self.verdict.note,
            'verified': self.verification and [stage.relative for stage in self.verification.stages],
            'geometry': self.verification and self.verification.geometry and asdict(self.verification.geometry),
            'carried': [
                [list(record.sources), list(record.targets)]
                for record in conversion.records
                if record.sources and record.targets
            ],
            'dropped': [
                [record.sources[0], record.reason] for record in (*conversion.named('drop'), *self.source.dropped)
            ],
            'filled': [
                [record.targets[0], record.reason]
                for record in (*conversion.named('zero-fill'), *conversion.named('recompute'))
                if record.targets
            ],
            'resized': list(self.resized),
            'fresh': [[record.targets[0], record.reason] for record in conversion.named('fresh')],
            'versions': {name: str(import_module(name).__version__) for name in _LIBRARIES},
        }


def carry_over(
    checkpoint: str | os.PathLike,
    *,
    config: str | os.PathLike | None = None,
    target_config: str | os.PathLike | None = None,
    trusted: bool = False,
    verified: bool = True,
    architecture: str | None = None,
) -> CarriedOver:
    """Convert the trunk of a checkpoint.

    Args:
        checkpoint: Of a segmentor or a classifier.
        config: The config that it was trained with; by default the one in the checkpoint.
        target_config: The config of the model that the weights are for; by default a classifier whose backbone has
            the source's architecture and the usual strides.
        trusted: Whether code in the checkpoint may run.
        verified: Whether to compare the features of both sides.
        architecture: What the network of a checkpoint without a config is called, such as ``resnet50``.

    Raises:
        UserError: If anything in the conversion is not exactly accounted for, or the features differ by more than the
            key map promises.
    """
    source = read_source(checkpoint, config, trusted, architecture)
    wanted = trunk_of_model(config_in(target_config)) if target_config else None
    if wanted is None or wanted.kind not in (source.trunk.kind, ADAPTER):
        source = inner_trunk(source)
    key_map = key_map_for(source.trunk, wanted)
    target = wanted or key_map.target_for(source.trunk)
    key_map.check_target(source.trunk, target)
    built = target.build().state_dict()
    state, resized = resize_position_tables(source.state, key_map.all_position_tables, built)
    rules = key_map.rules_for(source.trunk, target)
    conversion = convert(state, rules, built, f'{source.trunk.label} -> {target.label}')
    carried = CarriedOver(source, target, key_map, conversion, resized)
    if not verified:
        return carried
    return replace(carried, verification=verify(key_map, source.trunk, state, target, conversion))


def check_can_write(path: str | os.PathLike) -> None:
    """Check that ``path`` is free.

    Raises:
        UserError: If there is a file already.
    """
    if Path(path).exists():
        raise UserError(
            'The output exists already and is not overwritten.',
            found=path,
            remedy='choose another name, or remove it first',
        )


def write(carried: CarriedOver, path: str | os.PathLike) -> None:
    """Write the converted checkpoint, all of it or nothing.

    Raises:
        UserError: If there is a file already.
    """
    check_can_write(path)
    save_checkpoint(carried.checkpoint(), path)
