"""What a key map states about a pair of architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdp_plugin.conversion.resize import PositionTable
from sdp_plugin.conversion.rules import Rule, reverse
from sdp_plugin.conversion.trunks import Trunk, default_settings
from sdp_plugin.errors import UserError

Rules = tuple[Rule, ...]

LAST_STAGE = object()
"""In ``KeyMap.choices``: the last of the source's stages, one for each of its ``depths``."""

AS_TRAINED = object()
"""In ``KeyMap.geometry``: a classifier usually keeps the source's value."""


@dataclass(frozen=True)
class Verdict:
    """What a conversion promises about the features of both sides, built with the same strides and dilations.

    Args:
        name (str): ``exact``, ``equivalent``, ``weights only``, or ``exact on condition``, where a file does not say
            what it holds.
        tolerance (float | None): The largest difference allowed, relative to the largest value of the stage; None
            where the functions differ by design.
        note (str): What equivalence or the condition depends on, or why the functions differ.
    """

    name: str
    tolerance: float | None
    note: str = ''


EXACT = Verdict('exact', 0.0)


def equivalent(tolerance: float, note: str) -> Verdict:
    """Equal up to the order of floating-point operations."""
    return Verdict('equivalent', tolerance, note)


def weights_only(note: str) -> Verdict:
    """The tensors fit, but the two classes compute different functions of them."""
    return Verdict('weights only', None, note)


def _nothing(_: object) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class KeyMap:
    """How a source architecture's tensors and settings become a target's.

    Args:
        source (str): The source's class with its scope, such as ``mmseg.ResNet``.
        target (str): The target's class with its scope.
        rules: In order of precedence, or a function of both trunks that returns them.
        verdict (Verdict): What is promised.
        same_settings (tuple[str, ...]): Settings of the same name and meaning on both sides, which must agree.
        renamed_settings (dict[str, str]): The same, for names that differ: source's to target's.
        derived_settings: Further settings of the target, as a function of all of the source's.
        geometry (dict): Settings of the same name that a classifier may choose otherwise (strides, window and image
            sizes), and its usual choice.
        source_geometry (dict): Settings of the source alone that bend its geometry, and the value without effect.
        choices (dict): Settings of the target alone that a classifier is free to choose, and its usual choice.
        ignored_settings (tuple[str, ...]): Settings of the source that do not change what it computes from an image.
        stages: The settings by which both sides return every stage, as a function of the source.
        target_stages (dict): Settings of the target alone for the same.
        position_tables (tuple[PositionTable, ...]): Tensors that are resized with the geometry.
        input_size (int | None): The input that verification uses, in pixels; None for the target's ``img_size``.
        way_there (KeyMap | None): Where this is a way back, the key map that it reverses.
    """

    source: str
    target: str
    rules: Rules | Callable[[Trunk, Trunk], Rules]
    verdict: Verdict
    same_settings: tuple[str, ...] = ()
    renamed_settings: Mapping[str, str] = field(default_factory=dict)
    derived_settings: Callable[[Mapping[str, Any]], dict[str, Any]] = _nothing
    geometry: Mapping[str, Any] = field(default_factory=dict)
    source_geometry: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    ignored_settings: tuple[str, ...] = ()
    stages: Callable[[Trunk], dict[str, Any]] = _nothing
    target_stages: Mapping[str, Any] = field(default_factory=dict)
    position_tables: tuple[PositionTable, ...] = ()
    input_size: int | None = 64
    way_there: KeyMap | None = None

    @property
    def name(self) -> str:
        """The pair, for reports."""
        return f'{self.source} -> {self.target}'

    @property
    def all_position_tables(self) -> tuple[PositionTable, ...]:
        """The position tables of either direction; their names are the same on both sides."""
        return self.way_there.position_tables if self.way_there else self.position_tables

    def rules_for(self, source: Trunk, target: Trunk) -> Rules:
        """The rules for these two trunks."""
        return self.rules(source, target) if callable(self.rules) else self.rules

    def target_for(self, source: Trunk) -> Trunk:
        """The target that computes the source's function, with a classifier's usual geometry.

        Raises:
            UserError: If the source uses a setting that has no counterpart.
        """
        scope, _, name = self.target.rpartition('.')
        trained = source.complete_settings()
        geometry = {key: trained[key] if usual is AS_TRAINED else usual for key, usual in self.geometry.items()}
        choices = {
            key: (len(trained['depths']) - 1,) if usual is LAST_STAGE else usual for key, usual in self.choices.items()
        }
        wanted = {**self._carried_settings(source), **geometry, **choices}
        defaults = default_settings(scope, name)
        settings = {key: value for key, value in wanted.items() if not same(value, defaults.get(key))}
        return Trunk(scope, name, settings, source.is_of_file)

    def check_target(self, source: Trunk, target: Trunk) -> None:
        """Check that an asked-for target has the source's architecture, apart from its geometry.

        Raises:
            UserError: Naming each setting that differs, depth among them.
        """
        if self.way_there:
            differing = [(name, ours, theirs) for name, theirs, ours in self.way_there.differing(target, source)]
        else:
            differing = self.differing(source, target)
        if differing:
            raise UserError(
                f'The checkpoint holds a {source.label}, the target is a {target.label} of another architecture.',
                looked_for='the same settings, apart from strides, dilations and sizes',
                found='; '.join(
                    f'{name}: {ours} in the checkpoint, {theirs} in the target' for name, ours, theirs in differing
                ),
                remedy='name a checkpoint of the same depth, or change the target',
            )

    def differing(self, source: Trunk, target: Trunk) -> list[tuple[str, Any, Any]]:
        """The settings that make another architecture: the name, the value that the source asks for, the target's."""
        actual = target.complete_settings()
        return [
            (name, value, actual.get(name))
            for name, value in self._carried_settings(source).items()
            if not same(value, actual.get(name))
        ]

    def comparable(self, source: Trunk, target: Trunk) -> tuple[Trunk, Trunk]:
        """Both sides with one geometry, returning every stage.

        It is the classifier's, whose classes know fewer kinds of dilation. On the way back to another window or image
        size it is the segmentor's, since the tables have been resized to that.
        """
        if not self.way_there:
            return self._comparable(source, target, target)
        way = self.way_there
        return way._comparable(target, source, target if way.position_tables else source)[::-1]

    def _comparable(self, source: Trunk, target: Trunk, decisive: Trunk) -> tuple[Trunk, Trunk]:
        actual = decisive.complete_settings()
        geometry = {name: actual[name] for name in self.geometry}
        stages = self.stages(source)
        return (
            source.with_settings(**geometry, **self.source_geometry, **stages),
            target.with_settings(**geometry, **stages, **self.target_stages),
        )

    def input_size_for(self, source: Trunk, target: Trunk) -> tuple[int, int]:
        """Height and width of the input that verification uses."""
        classifier = source if self.way_there else target
        size = self.input_size or classifier.complete_settings()['img_size']
        return (size, size) if isinstance(size, int) else tuple(size)

    def reversed(self) -> KeyMap:
        """The way back, from the target's architecture to the source's."""
        rules = self.rules
        return KeyMap(
            source=self.target,
            target=self.source,
            rules=(lambda source, target: reverse(rules(target, source))) if callable(rules) else reverse(rules),
            verdict=self.verdict,
            input_size=self.input_size,
            way_there=self,
        )

    def _carried_settings(self, source: Trunk) -> dict[str, Any]:
        settings = source.complete_settings()
        defaults = default_settings(source.scope, source.name)
        derived = self.derived_settings(_Watched(settings, used := set()))
        known = {*self.same_settings, *self.renamed_settings, *self.geometry, *self.source_geometry, *used}
        refused = [
            f'{name} = {value}'
            for name, value in source.settings.items()
            if name not in known and name not in self.ignored_settings and not same(value, defaults.get(name))
        ]
        if refused:
            raise UserError(
                f'The checkpoint uses settings of {self.source} that {self.target} has no counterpart for.',
                looked_for=', '.join(sorted(known)),
                found=', '.join(refused),
                remedy='run the MMSegmentation backbone itself in the classifier: a --target config whose backbone is '
                "dict(type='sdp_plugin.SegmentationBackbone', backbone=dict(...))",
            )
        carried = {name: settings[name] for name in self.same_settings if name in settings}
        carried |= {new: settings[old] for old, new in self.renamed_settings.items() if old in settings}
        return carried | derived


class _Watched(Mapping):
    """Settings that remember which of them were read."""

    def __init__(self, settings: Mapping[str, Any], used: set[str]) -> None:
        self._settings, self._used = settings, used

    def __getitem__(self, name: str) -> Any:
        self._used.add(name)
        return self._settings[name]

    def __iter__(self):
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a config mean the same: lists are tuples, and what is frozen in training is no matter."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = {*one, *other} - {'requires_grad'}
        return all(name in one and name in other and same(one[name], other[name]) for name in names)
    return one == other
