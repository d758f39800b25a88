"""Proof that a conversion kept the function: both trunks run on the same input, stage by stage.

Weights as trained can hide a mistake: batch-norm statistics that are all alike, or a residual branch that still ends
in zeros, make two swapped tensors indistinguishable. So the same random noise is added on both sides first, to the
source's tensors directly and to the target's through the rules, which are linear. A difference then shows whether the
rules are wrong or the tensors were changed after they were applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sdp_plugin.conversion.convert import Conversion, convert
from sdp_plugin.conversion.key_map import KeyMap, Verdict
from sdp_plugin.conversion.rules import Rule
from sdp_plugin.conversion.trunks import Trunk, features
from sdp_plugin.errors import UserError

_SEED = 20220103
_BATCH = 2
_NORM_NOISE = 0.1


@dataclass(frozen=True)
class StageDifference:
    """How far the two sides are apart in one feature map.

    Args:
        shape (tuple[int, ...]): Of the source's feature map, (N, C, H, W).
        largest (float): The largest absolute difference; 0 means bit-identical.
        relative (float): The same, divided by the largest absolute value of the source's feature map.
    """

    shape: tuple[int, ...]
    largest: float
    relative: float


@dataclass(frozen=True)
class Verification:
    """What the comparison found.

    Args:
        verdict (Verdict): What the key map promises.
        stages (tuple[StageDifference, ...]): Both sides built with the target's strides and dilations.
        geometry_change (float | None): By how much the pooled features of the last stage change, in the Euclidean
            norm relative to the source as trained, because the target's strides and dilations differ; None if they
            are the same.
    """

    verdict: Verdict
    stages: tuple[StageDifference, ...]
    geometry_change: float | None


def verify(
    key_map: KeyMap,
    source: Trunk,
    source_state: Mapping[str, Tensor],
    target: Trunk,
    conversion: Conversion,
) -> Verification:
    """Compare the source's features with the target's.

    Args:
        key_map: The pair's.
        source: The trunk as it was trained.
        source_state: Its tensors.
        target: The trunk that the tensors were converted for.
        conversion: The converted tensors.

    Raises:
        UserError: If the difference is larger than the key map promises.
    """
    source_module = key_map.source_with_geometry_of(source, target).with_settings(**key_map.all_stages).build()
    target_module = target.with_settings(**key_map.all_stages).build()
    rules = key_map.rules_for(source, target)
    generator = torch.Generator().manual_seed(_SEED)
    noise = {name: _noise(name, tensor, generator) for name, tensor in source_state.items()}
    _load(source_module, {name: tensor + noise[name] for name, tensor in source_state.items()})
    _load(target_module, _with_noise(conversion, noise, rules, target_module))

    size = key_map.input_size or target.complete_settings()['img_size']
    inputs = torch.randn(_BATCH, _channels(target), size, size, generator=generator)
    stages = _differences(features(source_module, inputs), features(target_module, inputs))
    _check(key_map, stages)
    return Verification(key_map.verdict, stages, _geometry_change(key_map, source, source_state, target, inputs))


def _noise(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    if not tensor.is_floating_point():
        return torch.zeros_like(tensor)
    if name.endswith('running_var'):
        return torch.rand(tensor.shape, generator=generator)
    scale = _NORM_NOISE if tensor.dim() < 2 else 0.5 * max(tensor[0].numel(), 1) ** -0.5
    return scale * torch.randn(tensor.shape, generator=generator)


def _with_noise(
    conversion: Conversion, noise: Mapping[str, Tensor], rules: Sequence[Rule], module: nn.Module
) -> dict[str, Tensor]:
    built = module.state_dict()
    carried = conversion.carried
    converted = convert(noise, rules, built).state
    return {
        name: conversion.state.get(name, value) + (converted[name] if name in carried else 0)
        for name, value in built.items()
    }


def _load(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    own = module.state_dict()
    if own.keys() != state.keys():
        raise UserError(
            'The tensors do not fit the backbone that the config describes.',
            looked_for=f'{len(own)} tensors',
            found=f'missing: {", ".join(sorted(own.keys() - state.keys())[:6]) or "none"}; '
            f'unexpected: {", ".join(sorted(state.keys() - own.keys())[:6]) or "none"}',
            remedy='name the config that the checkpoint was trained with (--config)',
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _channels(trunk: Trunk) -> int:
    return trunk.complete_settings().get('in_channels', 3)


def _differences(source: Sequence[Tensor], target: Sequence[Tensor]) -> tuple[StageDifference, ...]:
    shapes = [tuple(feature.shape) for feature in source], [tuple(feature.shape) for feature in target]
    if shapes[0] != shapes[1]:
        raise UserError(
            'The source and the target return feature maps of different shapes.',
            looked_for=shapes[0],
            found=shapes[1],
            remedy='use a target of the same architecture, or the adapter',
        )
    return tuple(_difference(one, other) for one, other in zip(source, target, strict=True))


def _difference(source: Tensor, target: Tensor) -> StageDifference:
    if not bool(source.isfinite().all()):
        raise UserError(
            'The source trunk returns features that are not finite, so nothing can be verified.',
            looked_for='finite features',
            found='infinity or NaN',
            remedy='check the checkpoint; --no-verify converts it all the same',
        )
    largest = float((source - target).abs().max())
    return StageDifference(tuple(source.shape), largest, largest / max(float(source.abs().max()), 1e-30))


def _check(key_map: KeyMap, stages: Sequence[StageDifference]) -> None:
    tolerance = key_map.verdict.tolerance
    if tolerance is None or all(stage.relative <= tolerance for stage in stages):
        return
    raise UserError(
        f'The converted trunk computes another function than the source ({key_map.name}).',
        looked_for=f'a relative difference of at most {tolerance:g} in every stage',
        found=', '.join(f'stage {index}: {stage.relative:.2g}' for index, stage in enumerate(stages, 1)),
        remedy='do not use the result; the key map is wrong for these settings',
    )


def _geometry_change(
    key_map: KeyMap, source: Trunk, source_state: Mapping[str, Tensor], target: Trunk, inputs: Tensor
) -> float | None:
    as_target = key_map.source_with_geometry_of(source, target)
    before, after = as_target.complete_settings(), source.complete_settings()
    names = (*key_map.geometry, *key_map.source_geometry)
    if all(_as_list(before.get(name)) == _as_list(after.get(name)) for name in names):
        return None
    pooled = []
    for trunk in (source, as_target):
        module = trunk.with_settings(**key_map.all_stages).build()
        _load(module, source_state)
        pooled.append(features(module, inputs)[-1].mean(dim=(2, 3)))
    return float((pooled[1] - pooled[0]).norm() / pooled[0].norm().clamp(min=1e-30))


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, (list, tuple)) else value
