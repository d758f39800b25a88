"""A grid config: what stands in it, and the checks that need nothing but it."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from mmengine.config import Config
from mmengine.config import ConfigDict as MMConfigDict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from sdp_plugin.catalogue.foundation_models import foundation_model
from sdp_plugin.errors import UserError
from sdp_plugin.grid.records import FINE_TUNING, FINETUNING, PROBE
from sdp_plugin.probes.classifiers import CLASSIFIERS
from sdp_plugin.settings.inheritance import assigned, files_of
from sdp_plugin.settings.loading import read_config
from sdp_plugin.settings.schema import SETTINGS, StatisticsImages
from sdp_plugin.shipped import config_path
from sdp_plugin.statistics.published import PUBLISHED

DEFAULT_WORK = 'sdp_plugin.grid.train_cells:train_cells'
LARGEST = 100_000
"""How many trainings and draws of probes a grid may plan; the largest of ours has some 18,000."""
PROBED_DRAWS = 100
"""How often probes are repeated where a grid does not say it and there are no folds."""

METHODS = (FINE_TUNING, *CLASSIFIERS)
"""What makes a classifier of a network."""

# Settings of a fine-tuning that the grid gives each cell.
GIVEN = {
    'seed': 'repeats',
    'fold': 'folds',
    'num_folds': 'folds',
    'examples_per_class': 'examples_per_class',
    'initialisation': 'initialisations',
}
# The places that these settings, and another of an initialisation, are carried to.
GIVEN_PLACES = {place.path: name for name in (*GIVEN, 'batch_norm_images') for place in SETTINGS[name].places}
# What the evaluators of our configs report; of others nothing is known before they run.
REPORTED = {
    'Accuracy': lambda evaluator: [f'accuracy/top{k}' for k in _listed(evaluator.get('topk', 1))],
    'BalancedAccuracy': lambda evaluator: ['single-label/balanced-accuracy'],
    'AUROC': lambda evaluator: ['single-label/auroc'],
}


def _each_once(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError('each once')
    return values


def _folder_name(name: str) -> str:
    if name in ('.', '..') or not name.isprintable() or name != name.strip():
        raise ValueError('a plain name of a folder')
    return name


Options = dict[str, Any]
Sizes = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(_each_once)]
SizesOrAll = Annotated[list[PositiveInt | None], AfterValidator(_each_once)]
Margin = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True)


class Pretraining(_Part):
    config: str
    options: Options = {}


class Initialisation(_Part):
    pretraining: str | None = None
    iteration: PositiveInt | None = None
    checkpoint: str | None = None
    card: str | None = None
    frozen: bool = False
    batch_norm_images: StatisticsImages = 0
    kinds: list[Literal[FINETUNING, PROBE]] = [FINETUNING, PROBE]


class Probes(_Part):
    examples_per_class: Sizes
    classifiers: list[Literal[tuple(CLASSIFIERS)]] = ['logistic regression']
    repeats: PositiveInt | None = None


class Dataset(_Part):
    config: str
    examples_per_class: SizesOrAll = [None]
    folds: Annotated[int, Field(gt=1)] | None = None
    repeats: PositiveInt = 1
    probes: Probes | None = None
    options: Options = {}


class Variant(_Part):
    values: Options = {}
    pretrain_options: Options = {}
    finetune_options: Options = {}
    initialisations: list[str] | None = None
    datasets: list[str] | None = None


class Comparison(_Part):
    first: str
    second: str
    margin: Margin | dict[str, Margin] | None = None
    methods: Annotated[list[Literal[tuple(METHODS)]], Field(min_length=2, max_length=2)] | None = None


class Grid(_Part):
    name: Annotated[str, Field(pattern=r'^[^/\\\x00]+$'), AfterValidator(_folder_name)]
    initialisations: dict[str, Initialisation]
    datasets: dict[str, Dataset]
    pretrainings: dict[str, Pretraining] = {}
    variants: Annotated[dict[str, Variant], Field(min_length=1)] = {'': Variant()}
    pretrain_options: Options = {}
    finetune_options: Options = {}
    comparisons: list[Comparison] = []
    published: Literal[tuple(PUBLISHED)] | None = None
    metric: Annotated[str, Field(min_length=1)] = 'accuracy/top1'
    together: PositiveInt = 1
    keep_checkpoints: bool = False
    work: Annotated[str, Field(pattern=r'^[\w.]+:\w+$')] = DEFAULT_WORK


def load_grid(path: str | Path, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a grid config and fill in the defaults.

    Args:
        path (str | Path): The grid config. Names at its top that are no keys are variables, if it uses them.
        options (Mapping[str, Any], optional): Overrides by dotted key, as ``--cfg-options`` parses them.

    Returns:
        dict[str, Any]: All keys of :class:`Grid`, and of its parts.

    Raises:
        UserError: The file is missing or no config; a key, an initialisation, a pre-training or a data set is unknown;
            or a value is not as it must be.
    """
    path = config_path(path)
    problem = 'The grid config cannot be read.'
    cfg = read_config(path, problem)
    variables = _variables(path, cfg)
    try:
        cfg.merge_from_dict(dict(options or {}))
    except (KeyError, TypeError) as error:
        raise UserError(problem, found=f'{path}: {type(error).__name__}: {error}') from error
    for name in {key.split('.')[0] for key in options or {}} & variables:
        raise UserError(
            f'{name!r} is a variable of the grid config: its value has been used before it could be overridden.',
            remedy='override the keys in which it is used',
        )
    values = {key: value for key, value in _plain(cfg).items() if key not in variables}
    try:
        grid = Grid.model_validate(values).model_dump()
    except ValidationError as error:
        raise _user_error(error, values, path) from error
    for part in grid['datasets'].values():
        if part['probes'] is not None:
            part['probes']['repeats'] = part['probes']['repeats'] or (1 if part['folds'] else PROBED_DRAWS)
    _check_names(grid, path)
    _check_size(grid)
    return grid


def check_known(name: object, known: Iterable[str], what: str, remedy: str = '') -> None:
    """Raise UserError unless a name is among those that are known."""
    if name not in known:
        raise _unknown(name, list(known), what, remedy)


def check_metric(grid: Mapping[str, Any], cfg: Mapping[str, Any], dataset: str) -> None:
    """Raise UserError if the evaluators of a data set's config are known not to report the grid's metric."""
    evaluators = _listed(cfg.get('test_evaluator') or [])
    types = [str(evaluator.get('type')).split('.')[-1] for evaluator in evaluators]
    if not types or not set(types) <= set(REPORTED):
        return
    reported = [name for kind, evaluator in zip(types, evaluators, strict=True) for name in REPORTED[kind](evaluator)]
    check_known(grid['metric'], reported, f'a metric that the test on {dataset} reports')


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def _plain(value: Any) -> Any:
    """Dicts of mmengine as dicts, tuples as lists."""
    if isinstance(value, Config):
        value = value._cfg_dict
    if isinstance(value, MMConfigDict | dict):
        return {key: _plain(member) for key, member in dict.items(value)}
    return [_plain(member) for member in value] if isinstance(value, list | tuple) else value


# --- The files of a config ---------------------------------------------------------------------------------------


def _variables(path: Path, names: Iterable[str]) -> set[str]:
    """The names that are no keys and that the files use; a misspelt key is used nowhere."""
    used: set[str] = set()
    for file, tree in files_of(path):
        loaded = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
        used |= {node.id for node in loaded} | set(re.findall(r'_base_\.(\w+)', file.read_text(encoding='utf-8')))
    return (set(names) - set(Grid.model_fields)) & used


def _origin(path: Path, key: str) -> str:
    """Which file sets a key, in words; ``''`` if it is the grid's own."""
    for file, tree in files_of(path):
        if any(key in assigned(statement) for statement in tree.body):
            return '' if file == path else f'{key} come from {file}; give {path.name} its own, or {key} = []'
    return ''


# --- Checks ------------------------------------------------------------------------------------------------------


def _check_names(grid: Mapping[str, Any], path: Path) -> None:
    initialisations, datasets = grid['initialisations'], grid['datasets']
    for name, part in initialisations.items():
        if part['pretraining'] is not None:
            check_known(part['pretraining'], grid['pretrainings'], 'a pre-training of the grid')
        if part['pretraining'] is not None and part['checkpoint'] is not None:
            raise UserError(f'The initialisation {name!r} names both a pre-training and a checkpoint.')
        if part['card'] is not None:
            _check_card(name, part)
        elif part['frozen']:
            raise UserError(
                f'The initialisation {name!r} is frozen, but has no card.',
                remedy="freeze a ResNet by finetune_options={'model.backbone.frozen_stages': 4, "
                "'model.backbone.norm_eval': True}, as configs/grids/protocol.py does",
            )
        if part['iteration'] is not None and part['pretraining'] is None:
            raise UserError(f'The initialisation {name!r} has an iteration, but no pre-training.')
    for name, part in datasets.items():
        if not part['examples_per_class'] and part['probes'] is None:
            raise UserError(
                f'datasets[{name!r}].examples_per_class of the grid is not as it must be.',
                looked_for='at least one number, or None for all, where there are no probes',
                found='[]',
            )
    for variant in grid['variants'].values():
        for name in variant['initialisations'] or ():
            check_known(name, initialisations, 'an initialisation of the grid')
        for name in variant['datasets'] or ():
            check_known(name, datasets, 'a data set of the grid')
    for comparison in grid['comparisons']:
        for side in ('first', 'second'):
            check_known(
                comparison[side], initialisations, 'an initialisation of the grid', _origin(path, 'comparisons')
            )
        # Of two methods, one initialisation is compared with itself.
        if comparison['first'] == comparison['second'] and len(set(comparison['methods'] or ())) < 2:
            raise UserError(
                f'A comparison of the grid is of {comparison["first"]!r} with itself.',
                remedy='name another initialisation as first or second, or two methods: '
                f'{_origin(path, "comparisons") or "see comparisons of the grid"}',
            )
        for name in comparison['margin'] if isinstance(comparison['margin'], Mapping) else ():
            check_known(name, datasets, 'a data set of the grid', _origin(path, 'comparisons'))
    parts = [grid, *grid['variants'].values()]
    for options in [part['finetune_options'] for part in parts] + [part['options'] for part in datasets.values()]:
        for key in (path for name, value in options.items() for path in _leaves(name, value)):
            if key in GIVEN:
                raise UserError(f'{key!r} is no option: the grid gives it to each cell.', remedy=f'see {GIVEN[key]}')
            if key in GIVEN_PLACES:
                setting = GIVEN_PLACES[key]
                raise UserError(
                    f'{key!r} is no option: it is a place of {setting!r}, which the grid gives each cell.',
                    remedy=f'see {GIVEN.get(setting, "initialisations")}',
                )


def _check_size(grid: Mapping[str, Any]) -> None:
    """Raise UserError if a grid plans more than can be meant, from its counts: to make the cells would take hours."""
    counts = {}
    for variant_name, variant in grid['variants'].items():
        starts = [grid['initialisations'][name] for name in variant['initialisations'] or grid['initialisations']]
        for name in variant['datasets'] or grid['datasets']:
            dataset = grid['datasets'][name]
            for kind, part in ((FINETUNING, dataset), (PROBE, dataset['probes'])):
                if part is not None:
                    factors = {
                        'initialisations': sum(kind in start['kinds'] for start in starts),
                        'sizes': len(part['examples_per_class']),
                        'classifiers': len(part.get('classifiers', '1')),
                        'folds': dataset['folds'] or 1,
                        'repeats': part['repeats'],
                    }
                    counts[variant_name, name, kind] = factors
    if sum(math.prod(factors.values()) for factors in counts.values()) <= LARGEST:
        return
    (_, name, kind), factors = max(counts.items(), key=lambda item: math.prod(item[1].values()))
    raise UserError(
        f'The grid plans more than {LARGEST:,} trainings and draws of probes.',
        found=f'most of them on {name!r} ({kind}): '
        + ' x '.join(f'{number:,} {what}' for what, number in factors.items() if number != 1),
        remedy='give it fewer of these, or make several grids of it',
    )


def _leaves(path: str, value: Any) -> Iterator[str]:
    """The dotted paths of an option's values; what replaces a group of values names each of them."""
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from _leaves(f'{path}.{key}', member)
    else:
        yield path


def _check_card(name: str, part: Mapping[str, Any]) -> None:
    card = foundation_model(part['card'])
    if part['checkpoint'] is None:
        raise UserError(
            f'The initialisation {name!r} has a card, but no file.',
            looked_for=f'checkpoint=PATH of the weights of {card.title}',
            remedy=f'get them from {card.source} (licence: {card.licence}); nothing is fetched for you',
        )


def _unknown(name: object, known: Sequence[str], what: str, remedy: str = '') -> UserError:
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    remedies = [f'did you mean {" or ".join(map(repr, close))}?' if close else '', remedy]
    return UserError(
        f'{name!r} is not {what}.',
        looked_for=f'one of {", ".join(map(repr, known)) or "none"}',
        remedy='; '.join(filter(None, remedies)),
    )


def _user_error(error: ValidationError, values: Mapping[str, Any], path: Path) -> UserError:
    errors = error.errors(include_url=False)
    place, kind = errors[0]['loc'], errors[0]['type']
    if kind in ('missing', 'extra_forbidden'):
        where = _where(place[:-1]) or f'the grid {path.name}'
        if kind == 'missing':
            return UserError(f'{place[-1]!r} is missing in {where}.')
        return _unknown(place[-1], list(_model_at(place[:-1]).model_fields), f'a key of {where}')
    # Of a value that may be of several types, the error that lies deepest in what stands there.
    places = [(*_resolved(first['loc'], values), first) for first in errors]
    place, found, first = max(places, key=lambda item: len(item[0]))
    if first['type'] != 'literal_error':
        return UserError(
            f'{_where(place)} of the grid is not as it must be.', looked_for=first['msg'], found=repr(found)
        )
    return _unknown(found, re.findall(r"'([^']*)'", first['ctx']['expected']), f'what {_where(place)} may be')


def _resolved(place: Sequence[str | int], values: Any) -> tuple[list[str | int], Any]:
    """The parts of a place that lead somewhere, without names of types, and the value there."""
    parts = []
    for part in place:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            continue
        parts.append(part)
    return parts, values


def _where(place: Sequence[str | int]) -> str:
    """For example ``datasets['PCam'].probes.repeats``."""
    parts = [
        f'[{part!r}]' if isinstance(part, int) or number == 1 else f'{"." if number else ""}{part}'
        for number, part in enumerate(place)
    ]
    return ''.join(parts)


def _model_at(place: Sequence[str | int]) -> type[BaseModel]:
    models = {'pretrainings': Pretraining, 'initialisations': Initialisation, 'variants': Variant}
    models |= {'datasets': Probes if 'probes' in place[2:] else Dataset, 'comparisons': Comparison}
    return models[place[0]] if place else Grid
