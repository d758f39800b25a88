"""What a key map states about a pair of architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdp_plugin.conversion.rules import Rule, reverse
from sdp_plugin.conversion.trunks import Trunk, default_settings
from sdp_plugin.errors import UserError

Rules = tuple[Rule, ...]


@dataclass(frozen=True)
class Verdict:
    """What a conversion promises about the features of both sides, built with the same strides and dilations.

    Args:
        name (str): ``exact``, ``equivalent`` or ``weights only``.
        tolerance (float | None): The largest difference allowed, relative to the largest value of the stage; None
            where the functions differ by design.
        note (str): The settings that equivalence depends on, or why the functions differ.
    """

    name: str
    tolerance: float | None
    note: str = ''


EXACT = Verdict('exact', 0.0)


def equivalent(tolerance: float, note: str) -> Verdict:
    """Equal up to the order of floating-point operations, under the settings in ``note``."""
    return Verdict('equivalent', tolerance, note)


def weights_only(note: str) -> Verdict:
    """The tensors fit, but the two classes compute different functions of them."""
    return Verdict('weights only', None, note)


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
        added_settings (dict): Settings that the target needs to compute the source's function.
        geometry (dict): Settings of the same name that a classifier may choose otherwise (strides, dilations), and
            its usual choice.
        source_geometry (dict): Settings of the source alone that bend its geometry, and the value without effect.
        ignored_settings (tuple[str, ...]): Settings of the source that do not change what it computes.
        all_stages (dict): Settings by which both sides return every stage.
        input_size (int | None): The input that verification uses, in pixels; None for the target's ``img_size``.
    """

    source: str
    target: str
    rules: Rules | Callable[[Trunk, Trunk], Rules]
    verdict: Verdict
    same_settings: tuple[str, ...] = ()
    renamed_settings: Mapping[str, str] = field(default_factory=dict)
    added_settings: Mapping[str, Any] = field(default_factory=dict)
    geometry: Mapping[str, Any] = field(default_factory=dict)
    source_geometry: Mapping[str, Any] = field(default_factory=dict)
    ignored_settings: tuple[str, ...] = ()
    all_stages: Mapping[str, Any] = field(default_factory=dict)
    input_size: int | None = 64

    @property
    def name(self) -> str:
        """The pair, for reports."""
        return f'{self.source} -> {self.target}'

    def rules_for(self, source: Trunk, target: Trunk) -> Rules:
        """The rules for these two trunks."""
        return self.rules(source, target) if callable(self.rules) else self.rules

    def target_for(self, source: Trunk) -> Trunk:
        """The target that computes the source's function, with a classifier's usual geometry.

        Raises:
            UserError: If the source uses a setting that has no counterpart.
        """
        scope, _, name = self.target.rpartition('.')
        wanted = {**self._carried_settings(source), **self.geometry, **self.added_settings}
        defaults = default_settings(scope, name)
        return Trunk(scope, name, {key: value for key, value in wanted.items() if not _same(value, defaults.get(key))})

    def check_target(self, source: Trunk, target: Trunk) -> None:
        """Check that an asked-for target has the source's architecture, apart from its geometry.

        Raises:
            UserError: Naming each setting that differs, depth among them.
        """
        actual = target.complete_settings()
        differing = [
            f'{name}: {value} in the checkpoint, {actual.get(name)} in the target'
            for name, value in {**self._carried_settings(source), **self.added_settings}.items()
            if not _same(value, actual.get(name))
        ]
        if differing:
            raise UserError(
                f'The checkpoint holds a {source.label}, and the target is a {target.label} of another architecture.',
                looked_for='the same settings, apart from ' + (', '.join(self.geometry) or 'nothing'),
                found='; '.join(differing),
                remedy='name a checkpoint of the same depth, or change the target',
            )

    def source_with_geometry_of(self, source: Trunk, target: Trunk) -> Trunk:
        """The source trunk, built with the target's strides and dilations."""
        actual = target.complete_settings()
        return source.with_settings(**{name: actual[name] for name in self.geometry}, **self.source_geometry)

    def reversed(self) -> KeyMap:
        """The way back, from the target's architecture to the source's."""
        rules = self.rules
        return KeyMap(
            source=self.target,
            target=self.source,
            rules=(lambda source, target: reverse(rules(target, source))) if callable(rules) else reverse(rules),
            verdict=self.verdict,
            same_settings=self.same_settings,
            renamed_settings={new: old for old, new in self.renamed_settings.items()},
            geometry=self.geometry,
            ignored_settings=(*self.added_settings, 'out_indices'),
            all_stages=self.all_stages,
            input_size=self.input_size,
        )

    def _carried_settings(self, source: Trunk) -> dict[str, Any]:
        settings = source.complete_settings()
        known = {*self.same_settings, *self.renamed_settings, *self.geometry, *self.source_geometry}
        refused = [
            f'{name} = {value}'
            for name, value in source.settings.items()
            if name not in known and name not in self.ignored_settings and value
        ]
        if refused:
            raise UserError(
                f'The checkpoint uses settings of {self.source} that {self.target} has no counterpart for.',
                looked_for=', '.join(sorted(known)),
                found=', '.join(refused),
                remedy='wrap the MMSegmentation backbone in the adapter instead: see README.md',
            )
        carried = {name: settings[name] for name in self.same_settings if name in settings}
        return carried | {new: settings[old] for old, new in self.renamed_settings.items() if old in settings}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
