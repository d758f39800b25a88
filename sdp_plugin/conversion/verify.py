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
from sdp_plugin.conversion.key_map import KeyMap, Verdict, same
from sdp_plugin.conversion.rules import DropZeros, Recompute, Rule, match
from sdp_plugin.conversion.trunks import ADAPTER, Trunk, features
from sdp_plugin.errors import UserError, shortened

_SEED = 20220103
_BATCH = 2
_ROUNDING = 1e-10
_VECTOR_NOISE = 0.1
_MATRIX_NOISE = 0.5
_GEOMETRY = ('strides', 'dilations', 'contract_dilation', 'multi_grid', 'output_stride')


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
class GeometryChange:
    """The last stage of the source as trained beside that of the target as it will be used, both in float64.

    Differences are Euclidean norms, relative to the features that they begin from.

    Args:
        pooled (float): Of the pooled features, from the source to the target: what other strides do to a classifier.
        every (int): Every how many-th position of the denser map is a position of the coarser one; 1 if both are alike.
        sampled (float | None): At those positions, from the coarser side to the denser: rounding, if the denser trunk
            is the coarser one dilated (à trous). None if the maps have no such positions.
    """

    pooled: float
    every: int
    sampled: float | None

    @property
    def is_atrous(self) -> bool:
        """Whether both sides compute the same function, one of them at more positions."""
        return self.sampled is not None and self.sampled < _ROUNDING


@dataclass(frozen=True)
class Verification:
    """What the comparison found.

    Args:
        verdict (Verdict): What the key map promises.
        stages (tuple[StageDifference, ...]): Both sides built with the target's strides and dilations.
        geometry (GeometryChange | None): What the target's strides and dilations do; None if they are as trained.
    """

    verdict: Verdict
    stages: tuple[StageDifference, ...]
    geometry: GeometryChange | None


def verify(
    key_map: KeyMap, source: Trunk, source_state: Mapping[str, Tensor], target: Trunk, conversion: Conversion
) -> Verification:
    """Compare the source's features with the target's.

    Args:
        key_map: The pair's.
        source: The trunk as it was trained.
        source_state: Its tensors, position tables at the target's size.
        target: The trunk that the tensors were converted for.
        conversion: The converted tensors.

    Raises:
        UserError: If the difference is larger than the key map promises.
    """
    sides = key_map.comparable(source, target)
    modules = [side.build() for side in sides]
    rules = key_map.rules_for(*sides)
    generator = torch.Generator().manual_seed(_SEED)

    # With every stage returned, either side can have norms that neither the checkpoint nor the target has.
    whole_source = _completed(modules[0], _without_recomputed(source_state, rules))
    noise = {name: _noise(name, tensor, rules, generator) for name, tensor in whole_source.items()}
    built = modules[1].state_dict()
    of_source, of_noise = convert(whole_source, rules, built), convert(noise, rules, built)
    target_state = {**built, **of_source.state, **conversion.state}
    _fill(modules[0], {name: tensor + noise[name] for name, tensor in whole_source.items()})
    _fill(
        modules[1],
        {
            name: tensor + of_noise.state[name] if name in of_noise.carried else tensor
            for name, tensor in target_state.items()
        },
    )

    height, width = key_map.input_size_for(source, target)
    inputs = torch.randn(_BATCH, _channels(source), height, width, generator=generator)
    outputs = [features(_network(side, module), inputs) for side, module in zip(sides, modules, strict=True)]
    if key_map.verdict.tolerance is None:
        outputs = [[feature.mean(dim=(2, 3), keepdim=True) for feature in side[-1:]] for side in outputs]
    stages = _differences(*outputs)
    _check(key_map, stages)
    geometry = None
    if any(map(_differ_in_geometry, sides, (source, target))):
        states = whole_source, target_state
        geometry = _geometry_change(key_map, [*zip((source, target), sides, states, strict=True)], inputs)
    return Verification(key_map.verdict, stages, geometry)


def _network(trunk: Trunk, module: nn.Module) -> nn.Module:
    return module.trunk if trunk.kind == ADAPTER else module


def _noise(name: str, tensor: Tensor, rules: Sequence[Rule], generator: torch.Generator) -> Tensor:
    if not tensor.is_floating_point() or _must_stay_zero(name, rules):
        return torch.zeros_like(tensor)
    if name.endswith('running_var'):
        return torch.rand(tensor.shape, generator=generator)
    scale = _VECTOR_NOISE if tensor.dim() < 2 else _MATRIX_NOISE * max(tensor[0].numel(), 1) ** -0.5
    return scale * torch.randn(tensor.shape, generator=generator)


def _must_stay_zero(name: str, rules: Sequence[Rule]) -> bool:
    return any(isinstance(rule, DropZeros) and match(rule.source, name) is not None for rule in rules)


def _without_recomputed(state: Mapping[str, Tensor], rules: Sequence[Rule]) -> dict[str, Tensor]:
    computed = [rule for rule in rules if isinstance(rule, Recompute)]
    return {name: tensor for name, tensor in state.items() if not any(rule.fills(name) for rule in computed)}


def _completed(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    own = module.state_dict()
    unexpected = [name for name in state if name not in own]
    if unexpected:
        raise UserError(
            'The checkpoint has tensors that the backbone in its config does not have.',
            looked_for=f'the {len(own)} tensors of the backbone',
            found=shortened(unexpected),
            remedy='name the config that the checkpoint was trained with (--config)',
        )
    return {name: state.get(name, tensor).clone() for name, tensor in own.items()}


def _fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
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


def _differ_in_geometry(compared: Trunk, used: Trunk) -> bool:
    ours, theirs = compared.complete_settings(), used.complete_settings()
    return any(not same(ours.get(name), theirs.get(name)) for name in _GEOMETRY)


def _geometry_change(
    key_map: KeyMap, sides: Sequence[tuple[Trunk, Trunk, Mapping[str, Tensor]]], inputs: Tensor
) -> GeometryChange | None:
    maps = []
    for trunk, compared, state in sides:
        settings = compared.complete_settings()
        used = trunk.with_settings(**{name: settings[name] for name in ('out_indices',) if name in settings})
        module = used.build()
        _fill(module, state)
        maps.append(features(_network(used, module).double(), inputs.double())[-1])
    coarse, dense = sorted(maps, key=lambda one: one.shape[-1])
    if key_map.verdict.tolerance is None or coarse.shape[1] != dense.shape[1]:
        return None
    every = round(dense.shape[-1] / coarse.shape[-1])
    at_positions = dense[..., ::every, ::every]
    return GeometryChange(
        pooled=_relative(*(one.mean(dim=(2, 3)) for one in maps[::-1])),
        every=every,
        sampled=_relative(at_positions, coarse) if at_positions.shape == coarse.shape else None,
    )


def _relative(one: Tensor, reference: Tensor) -> float:
    return float((one - reference).norm() / reference.norm().clamp(min=1e-30))
