"""``--cfg-options``: from words to values, and whether a config takes them."""

from __future__ import annotations

import argparse
import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, DictAction

from sdp_plugin.errors import UserError
from sdp_plugin.settings.schema import SETTINGS

# What every registry takes beside the arguments of the class.
_OF_REGISTRIES = ('type', '_scope_', '_delete_', 'init_cfg')
_ROOTS = (
    *('MODELS', 'DATASETS', 'TRANSFORMS', 'HOOKS', 'OPTIMIZERS', 'OPTIM_WRAPPERS', 'PARAM_SCHEDULERS', 'LOOPS'),
    *('METRICS', 'DATA_SAMPLERS', 'FUNCTIONS', 'VISUALIZERS', 'VISBACKENDS', 'EVALUATOR', 'LOG_PROCESSORS'),
)


class OptionsAction(DictAction):
    """``KEY=VALUE ...`` as a dict; the value of a setting that is a text stays as it was written.

    mmengine's own action takes blanks out of every value, and brackets and commas for lists.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Sequence[str], *_: object
    ) -> None:
        """Add the values to the namespace's; a word that is no KEY=VALUE ends the program with status 2."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for word in values:
            key, equals, value = word.partition('=')
            if not equals or not key:
                parser.error(f'{self.option_strings[0]} takes KEY=VALUE, and found {word!r}')
            try:
                options[key] = value_of(key, value)
            except (AssertionError, RecursionError):
                parser.error(f'{self.option_strings[0]}: brackets do not match in {word!r}')
        setattr(namespace, self.dest, options)


def value_of(key: str, text: str) -> Any:
    """What ``KEY=TEXT`` means.

    Args:
        key (str): A setting, or a dotted path.
        text (str): As the command line has it.

    Raises:
        AssertionError: Brackets do not match.
    """
    setting = SETTINGS.get(key.rpartition('.')[2])
    if setting is not None and setting.is_text:
        return None if text == 'None' and 'None' in setting.values else text
    return DictAction._parse_iterable(text)


def check_option(cfg: Config, key: str, parent: object, last: str, value: object) -> None:
    """Check the last part of a dotted override: that there is such a value, and that it may be this.

    Args:
        cfg (Config): The config.
        key (str): The whole path, for messages.
        parent (object): What holds the last part.
        last (str): The last part.
        value (object): What is to be there.

    Raises:
        UserError: The class that is built from ``parent`` takes no such argument, or the value is of another kind than
            the one that is there.
    """
    if not isinstance(parent, Mapping | Config):
        return
    if last in parent:
        _check_kind(key, parent[last], value)
    elif parent.get('type'):
        _check_argument(cfg, key, parent, last)
    elif close := difflib.get_close_matches(last, list(parent), n=3, cutoff=0.85):
        raise UserError(
            f'--cfg-options names {key!r}, but there is no {last!r} there.',
            looked_for=f'one of {", ".join(map(str, parent))}, or a name that none of these is taken for',
            remedy=f'did you mean {" or ".join(close)}?',
        )


def _check_kind(key: str, there: object, value: object) -> None:
    kinds = {_kind(there), _kind(value)}
    if kinds == {'a list'}:
        _check_members(key, there, value)
    # A size may be one number or several, and None stands for a default.
    if len(kinds) == 1 or 'None' in kinds or kinds == {'a number', 'a list'}:
        return
    raise UserError(
        f'--cfg-options gives {key!r} a value of another kind than the config has there.',
        looked_for=f'{_kind(there)}, such as {there!r}',
        found=f'{_kind(value)}, {value!r}',
    )


def _check_members(key: str, there: Sequence[object], value: Sequence[object]) -> None:
    kinds = {_kind(member) for member in there}
    wrong = next((member for member in value if _kind(member) not in kinds), None)
    if len(kinds) != 1 or wrong is None:
        return
    is_of_groups = kinds == {'a group of values'}
    raise UserError(
        f'--cfg-options gives {key!r} a list with a member of another kind than the config has there.',
        looked_for=f'{kinds.pop()}, such as {there[0]!r}',
        found=f'{_kind(wrong)}, {wrong!r}',
        remedy='write such a list into a config of yours, with this one as its _base_' if is_of_groups else '',
    )


def _kind(value: object) -> str:
    if value is None:
        return 'None'
    if isinstance(value, bool):
        return 'True or False'
    names = {(int, float): 'a number', str: 'a text', Mapping: 'a group of values', (list, tuple): 'a list'}
    return next((name for kinds, name in names.items() if isinstance(value, kinds)), type(value).__name__)


def _check_argument(cfg: Config, key: str, parent: Mapping[str, Any], last: str) -> None:
    taken, takes_any = _arguments_of(parent['type'], cfg.get('default_scope') or 'mmengine')
    # What a class hands on to nobody knows whom is refused only where it looks like a slip of the pen.
    close = difflib.get_close_matches(last, [*taken, *parent], n=3, cutoff=0.85 if takes_any else 0.5)
    if last in taken or last in _OF_REGISTRIES or (takes_any and not close):
        return
    raise UserError(
        f'--cfg-options names {key!r}, but {parent["type"]} takes no {last!r}.',
        looked_for=f'one of {", ".join(sorted(taken))}',
        remedy=f'did you mean {" or ".join(dict.fromkeys(close))}?' if close else '',
    )


def _arguments_of(kind: object, scope: str) -> tuple[set[str], bool]:
    """The names of the arguments of a registered class, its parents' included, and whether it takes any others."""
    found = _registered(kind, scope) if isinstance(kind, str) else kind
    names: set[str] = set()
    if not callable(found):
        return names, True
    for owner in found.__mro__ if inspect.isclass(found) else (found,):
        if owner is object or (inspect.isclass(owner) and not {'__init__', '__signature__'} & set(vars(owner))):
            continue
        parameters = inspect.signature(owner).parameters.values()
        names |= {item.name for item in parameters if item.kind not in (item.VAR_KEYWORD, item.VAR_POSITIONAL)}
        if all(item.kind is not item.VAR_KEYWORD for item in parameters):
            return names, False
    return names, True


def _registered(kind: str, scope: str) -> object | None:
    # Importing the libraries takes seconds, so only for a key that the config does not have.
    from mmengine import registry

    for name in _ROOTS:
        with getattr(registry, name).switch_scope_and_registry(scope) as scoped:
            found = scoped.get(kind)
        if found is not None:
            return found
    return None
