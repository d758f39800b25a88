"""From a grid config to its cells: what is trained, from what, on what, with which seed, and whether it can be.

Planning imports no torch and reads each config once, so that hundreds of trainings are planned in a second or two.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Formatter
from typing import Any

from mmengine.config import Config

from sdp_plugin.catalogue import data_checks
from sdp_plugin.catalogue.foundation_models import foundation_model
from sdp_plugin.errors import UserError
from sdp_plugin.grid.config import check_known, check_metric, load_grid
from sdp_plugin.grid.identity import (
    DIVISION,
    DRAW,
    cell_id,
    digest,
    features_part,
    file_digest,
    loaders_without,
    training_digest,
    versions,
)
from sdp_plugin.grid.records import (
    FEATURE_FILE,
    FEATURES,
    FINETUNING,
    INITIALISATION,
    PRETRAINING,
    PROBE,
    Cell,
    Plan,
    trunk_at,
)
from sdp_plugin.settings import change_settings, load_config
from sdp_plugin.shipped import CONFIGS, config_path

TRUNKS_SETTING = 'default_hooks.trunks.iterations'
FEATURES_VERSION, PROBE_VERSION = 1, 1
"""Counted up when what computes features or probes gives other numbers than before."""


def plan_grid(path: str | Path, options: Mapping[str, Any] | None = None) -> Plan:
    """Plan all trainings of a grid config.

    Args:
        path (str | Path): The grid config.
        options (Mapping[str, Any], optional): Overrides by dotted key, as ``--cfg-options`` parses them.

    Returns:
        Plan: The trainings.

    Raises:
        UserError: What :func:`load_grid` raises; a config that is missing or does not take the options; or a
            checkpoint that is missing.
    """
    grid, file = load_grid(path, options), config_path(path).resolve()
    return replace(_Planner(grid, file.parent).plan(), config=str(file), options=dict(options or {}))


def command_of(plan: Plan, work_dir: Path) -> str:
    """What starts or continues a grid, as people type it."""
    config = Path(plan.config or 'GRID_CONFIG')
    if config.is_relative_to(Path.cwd()):
        config = config.relative_to(Path.cwd())
    options = [f'{key}={_as_typed(value)}' for key, value in plan.options.items()]
    command = ['python', 'tools/run_grid.py', str(config), '--work-dir', str(work_dir)]
    return shlex.join([*command, *(['--cfg-options', *options] if options else [])])


def _as_typed(value: Any) -> str:
    """A value as mmengine's ``DictAction`` reads it."""
    return f'[{",".join(map(_as_typed, value))}]' if isinstance(value, list | tuple) else str(value)


# --- Cells -------------------------------------------------------------------------------------------------------


class _Planner:
    """Plans one grid.

    Args:
        grid (Mapping[str, Any]): As :func:`load_grid` gives it.
        folder (Path): Folder of the grid config, which paths of configs may be relative to.
    """

    def __init__(self, grid: Mapping[str, Any], folder: Path) -> None:
        self.grid = grid
        self.folder = folder
        self.versions = versions()
        self.configs: dict[str, Config] = {}
        self.images: dict[str, int] = {}
        self.absent: dict[str, None] = {}
        self.pretrainings: dict[str, Cell] = {}
        self.features: dict[str, Cell] = {}

    def plan(self) -> Plan:
        finetunings = [cell for name in self.grid['variants'] for cell in self._finetunings(name)]
        probes = [cell for name in self.grid['variants'] for cell in self._probes(name)]
        cells = [*self.pretrainings.values(), *finetunings, *self.features.values(), *probes]
        return Plan(self.grid, cells, self.images, list(self.absent))

    def _finetunings(self, variant_name: str) -> Iterator[Cell]:
        variant = self.grid['variants'][variant_name]
        starts = self._starts(variant_name, FINETUNING)
        for dataset_name in variant['datasets'] or self.grid['datasets']:
            dataset = self.grid['datasets'][dataset_name]
            for examples_per_class in dataset['examples_per_class']:
                for draw in _draws(dataset):
                    drawn = self._drawn(variant_name, dataset_name, examples_per_class, draw)
                    for name, start in starts.items():
                        yield self._finetuning(drawn, draw, name, start)

    def _probes(self, variant_name: str) -> Iterator[Cell]:
        variant = self.grid['variants'][variant_name]
        datasets = {name: self.grid['datasets'][name] for name in variant['datasets'] or self.grid['datasets']}
        datasets = {name: dataset for name, dataset in datasets.items() if dataset['probes']}
        starts = self._starts(variant_name, PROBE) if datasets else {}
        for name, dataset in datasets.items():
            draws = _draws(dataset | dict(repeats=dataset['probes']['repeats']))
            features = {start: self._features(variant_name, name, start, starts[start]) for start in starts}
            for examples_per_class in dataset['probes']['examples_per_class']:
                drawn = self._drawn_for_probes(variant_name, name, examples_per_class, draws)
                for classifier in dataset['probes']['classifiers']:
                    for start in starts:
                        yield self._probe(drawn, classifier, start, features[start])

    def _starts(self, variant_name: str, kind: str) -> dict[str, _Start]:
        """What the initialisations of a variant begin with that are for cells of this kind."""
        names = self.grid['variants'][variant_name]['initialisations'] or self.grid['initialisations']
        wanted = [name for name in names if kind in self.grid['initialisations'][name]['kinds']]
        return {name: self._start(name, variant_name, kind) for name in wanted}

    def _start(self, name: str, variant_name: str, kind: str) -> _Start:
        """What an initialisation begins with, with the pre-training that it needs among the cells."""
        start, part = self._weights(name, variant_name), self.grid['initialisations'][name]
        if part['frozen'] and kind == FINETUNING:
            # A probe's network is frozen anyhow.
            backbone = start.options['model.backbone'] | dict(frozen=True)
            start = replace(
                start, digest=f'{start.digest}, frozen', options=start.options | {'model.backbone': backbone}
            )
        count = part['batch_norm_images']
        if not count:
            return start
        options = {**start.options, 'batch_norm_images': count}
        return replace(start, digest=f'{start.digest}, batch norm of {count}', options=options)

    def _weights(self, name: str, variant_name: str) -> _Start:
        initialisation = self.grid['initialisations'][name]
        if initialisation['pretraining'] is not None:
            pretraining, iteration = (
                self._pretraining(initialisation['pretraining'], variant_name),
                initialisation['iteration'],
            )
            if iteration is None:
                return _Start(needs=pretraining.id, digest=pretraining.id)
            return _Start(pretraining.id, trunk_at(iteration), digest=f'{pretraining.id} at {iteration}')
        if initialisation['checkpoint'] is None:
            return _Start()
        checkpoint = _filled_in(initialisation['checkpoint'], self.grid['variants'][variant_name]['values'])
        path = Path(checkpoint).expanduser()
        if initialisation['card'] is not None and path.exists():
            return _foundation_model(initialisation['card'], path)
        if not path.is_file():
            raise UserError(
                f'The checkpoint of the initialisation {name!r} is missing.',
                looked_for=path,
                remedy='name the file of the weights, or one that tools/convert_weights.py wrote',
            )
        return _Start(checkpoint=str(path.resolve()), digest=file_digest(path))

    def _pretraining(self, name: str, variant_name: str) -> Cell:
        pretraining, variant = self.grid['pretrainings'][name], self.grid['variants'][variant_name]
        config = self._config_name(pretraining['config'], variant['values'])
        options = self.grid['pretrain_options'] | pretraining['options'] | variant['pretrain_options']
        iterations = self._iterations_of(name)
        if iterations:
            options |= {TRUNKS_SETTING: iterations}
        cfg = self._load(config, options, f'the pre-training {name!r}')
        _check_iterations(name, iterations, (cfg.get('train_cfg') or {}).get('max_iters'))
        identity = cell_id(self._digest(cfg), None)
        if identity not in self.pretrainings:
            # One pre-training serves all variants in which it is the same.
            title = _in_variant(variant_name, f'pre-training {name}')
            self.pretrainings[identity] = Cell(
                id=identity,
                kind=PRETRAINING,
                title=title,
                config=config,
                options=options,
                variant=variant_name,
                group=title,
                obstacle=data_checks.obstacle(cfg),
            )
            self._note_images(identity, images_seen(cfg))
        return self.pretrainings[identity]

    def _iterations_of(self, name: str) -> list[int]:
        """The iterations before its last of which a pre-training keeps the trunk."""
        found = {part['iteration'] for part in self.grid['initialisations'].values() if part['pretraining'] == name}
        return sorted(found - {None})

    def _drawn(self, variant_name: str, dataset_name: str, examples_per_class: int | None, draw: _Draw) -> _Drawn:
        """What the cells of all initialisations have in common."""
        dataset, variant = self.grid['datasets'][dataset_name], self.grid['variants'][variant_name]
        config = self._config_name(dataset['config'], variant['values'])
        options = self.grid['finetune_options'] | dataset['options'] | variant['finetune_options']
        given = dict(examples_per_class=examples_per_class, seed=draw.seed)
        if draw.fold is not None:
            options |= dict(num_folds=dataset['folds'])
            given |= dict(fold=draw.fold)
        cfg = _with_given(self._load(config, options, f'the data set {dataset_name!r}'), given, dataset_name)
        check_metric(self.grid, cfg, dataset_name)
        size = 'all' if examples_per_class is None else examples_per_class
        values = dict(
            config=config,
            options=options | given,
            variant=variant_name,
            dataset=dataset_name,
            examples_per_class=examples_per_class,
            group=_in_variant(variant_name, f'{dataset_name} {size}'),
            obstacle=data_checks.obstacle(cfg),
        )
        return _Drawn(values, self._digest(cfg), images_seen(cfg), cfg)

    def _finetuning(self, drawn: _Drawn, draw: _Draw, initialisation: str, start: _Start) -> Cell:
        cell = Cell(
            id=cell_id(drawn.digest, start.digest),
            kind=FINETUNING,
            title=f'{drawn.values["group"]}, {initialisation}, {draw}',
            needs=start.needs,
            takes=start.takes,
            checkpoint=start.checkpoint,
            initialisation=initialisation,
            repeat=draw.repeat,
            fold=draw.fold,
            seed=draw.seed,
            **drawn.values | dict(options=drawn.values['options'] | start.options),
        )
        self._note_images(cell.id, drawn.images)
        return cell

    def _features(self, variant_name: str, dataset_name: str, name: str, start: _Start) -> Cell:
        """The features of all images of a data set, which all sizes, draws and classifiers share."""
        drawn = self._drawn(variant_name, dataset_name, None, _draws(self.grid['datasets'][dataset_name])[0])
        parts = [FEATURES, FEATURES_VERSION, self._digest(Config(features_part(drawn.config))), start.digest]
        if drawn.config.get('batch_norm_images') or start.options.get('batch_norm_images'):
            # Images of the first fold's training part, which another division of the same tiles does not share.
            parts += _division(drawn.config.train_dataloader.dataset)
        identity = digest(parts)
        if identity not in self.features:
            title = _in_variant(variant_name, f'features of {dataset_name}')
            self.features[identity] = Cell(
                **drawn.values | dict(group=title, options=drawn.values['options'] | start.options),
                id=identity,
                kind=FEATURES,
                title=f'{title}, {name}',
                needs=start.needs,
                takes=start.takes,
                checkpoint=start.checkpoint,
                initialisation=name,
            )
        return self.features[identity]

    def _drawn_for_probes(
        self, variant_name: str, dataset_name: str, examples_per_class: int | None, draws: Sequence[_Draw]
    ) -> _Drawn:
        """What the probes of all classifiers and initialisations have in common.

        Draws that cannot be drawn are left out, as of fine-tunings those cells cannot be run.
        """
        # Whether examples suffice depends on the fold, not on the seed.
        by_fold = {draw.fold: draw for draw in reversed(draws)}
        by_fold = {
            fold: self._drawn(variant_name, dataset_name, examples_per_class, draw) for fold, draw in by_fold.items()
        }
        drawable = [draw for draw in draws if not by_fold[draw.fold].values['obstacle']]
        first = by_fold[drawable[0].fold if drawable else draws[0].fold]
        division = loaders_without(first.config, ('pipeline', *DRAW))
        values = dict(first.values) | dict(
            draws=tuple((draw.repeat, draw.fold, draw.seed) for draw in drawable or draws)
        )
        return _Drawn(values, self._digest(Config(division)), None, first.config)

    def _probe(self, drawn: _Drawn, classifier: str, initialisation: str, features: Cell) -> Cell:
        group = f'{drawn.values["group"]}, {classifier}'
        return Cell(
            **drawn.values | dict(group=group),
            id=digest([PROBE, PROBE_VERSION, classifier, drawn.digest, drawn.values['draws'], features.id]),
            kind=PROBE,
            title=f'{group}, {initialisation}, {len(drawn.values["draws"])} draws',
            needs=features.id,
            takes=FEATURE_FILE,
            initialisation=initialisation,
            method=classifier,
        )

    def _config_name(self, template: str, values: Mapping[str, Any]) -> str:
        name = _filled_in(template, values)
        if (CONFIGS / name).is_file():
            return name
        if (self.folder / name).is_file():
            return str((self.folder / name).resolve())
        try:
            return str(config_path(name))
        except UserError as error:
            raise UserError(f'The grid names the config {name!r}.\n{error}') from error

    def _load(self, config: str, options: Mapping[str, Any], what: str) -> Config:
        key = digest([config, options])
        if key not in self.configs:
            try:
                self.configs[key] = load_config(CONFIGS / config, dict(options))
            except UserError as error:
                raise UserError(f"The grid's options do not fit the config of {what}.\n{error}") from error
        return self.configs[key]

    def _digest(self, cfg: Config) -> str:
        datasets = _datasets_of(cfg)
        data = [data_checks.fingerprint(dataset) for dataset in datasets]
        for dataset, fingerprint in zip(datasets, data, strict=True):
            if fingerprint == data_checks.ABSENT:
                self.absent[str(dataset.get('data_root'))] = None
        is_known = not {data_checks.ABSENT, data_checks.UNKNOWN} & set(data)
        # What a training loads before it begins counts by its content, as initialisations do.
        start = Path(cfg.get('load_from') or '')
        if start.is_file():
            data.append(file_digest(start))
        return training_digest(
            cfg.to_dict(), work=self.grid['work'], data=data if is_known else None, versions=self.versions
        )

    def _note_images(self, identity: str, images: int | None) -> None:
        if images is not None:
            self.images[identity] = images


@dataclass(frozen=True)
class _Start:
    """The initialisation of a cell: a pre-training, a checkpoint, or neither, and its part of the id."""

    needs: str | None = None
    takes: str = INITIALISATION
    checkpoint: str | None = None
    digest: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _foundation_model(name: str, path: Path) -> _Start:
    """A foundation model from a file that is one of it."""
    # Only here, as it imports torch.
    from sdp_plugin.checkpoints.weight_files import files_of_weights
    from sdp_plugin.models.backbones.timm_backbone import check_file

    settings = foundation_model(name).settings()
    backbone = {key: value for key, value in settings['model.backbone'].items() if key not in ('type', '_delete_')}
    check_file(path, **backbone)
    identity = digest([settings, *map(file_digest, files_of_weights(path))])
    return _Start(checkpoint=str(path.resolve()), digest=identity, options=settings)


@dataclass(frozen=True)
class _Draw:
    """Which examples are drawn, and with which seed; the same for all initialisations."""

    repeat: int
    fold: int | None
    seed: int

    def __str__(self) -> str:
        if self.fold is None:
            return f'repeat {self.repeat}'
        return f'fold {self.fold}' if self.repeat == 0 else f'fold {self.fold} of repeat {self.repeat}'


@dataclass(frozen=True)
class _Drawn:
    """Cells before they have an initialisation: their values, their part of the id, and the images that they see."""

    values: Mapping[str, Any]
    digest: str
    images: int | None
    config: Config


def _in_variant(variant_name: str, what: str) -> str:
    return f'{variant_name}: {what}' if variant_name else what


def _draws(dataset: Mapping[str, Any]) -> list[_Draw]:
    folds = dataset['folds']
    if folds is None:
        return [_Draw(repeat, None, repeat) for repeat in range(dataset['repeats'])]
    return [_Draw(repeat, fold, repeat * folds + fold) for repeat in range(dataset['repeats']) for fold in range(folds)]


def _with_given(cfg: Config, given: Mapping[str, Any], dataset_name: str) -> Config:
    missing = [name for name in given if name not in cfg]
    if missing:
        raise UserError(
            f'The config of the data set {dataset_name!r} has no setting {missing[0]!r}, which the grid gives it.',
            looked_for=', '.join(given),
            found=cfg.filename,
        )
    return change_settings(cfg, given)


def _filled_in(template: str, values: Mapping[str, Any]) -> str:
    for _, name, _, _ in Formatter().parse(template):
        if name is not None:
            check_known(name, values, f'a value that the variant gives for {template!r}')
    return template.format_map(values)


def _check_iterations(pretraining: str, iterations: Sequence[int], length: int | None) -> None:
    """Raise UserError unless a pre-training comes to all iterations of which a trunk is wanted, where one can tell."""
    if iterations and length is not None and max(iterations) > length:
        raise UserError(
            f'An initialisation is to come from iteration {max(iterations)} of the pre-training {pretraining!r}, which '
            f'has no such iteration.',
            looked_for=f'an iteration from 1 to {length}, its max_iters',
            remedy='give the initialisation another iteration, or the pre-training more of them',
        )


def _datasets_of(cfg: Config) -> list[Mapping[str, Any]]:
    """What a config trains and tests on."""
    loaders = [cfg.get(f'{name}_dataloader') for name in ('train', 'test')]
    return [loader['dataset'] for loader in loaders if loader and 'dataset' in loader]


def _division(dataset: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """How a data set is divided, where that is not as its class does it by itself."""
    collection = data_checks.collection_of(dataset)
    usual, absent = type(collection)(), object()
    values = [(name, getattr(collection, name, absent)) for name in DIVISION]
    return [(name, value) for name, value in values if value != getattr(usual, name, absent)]


def images_seen(cfg: Config) -> int | None:
    """How many images a training sees, from its config alone; None where only the data can tell."""
    schedule, batch_size = cfg.get('train_cfg') or {}, cfg.get('batch_size')
    if 'max_iters' in schedule and batch_size:
        return schedule['max_iters'] * batch_size
    factors = (schedule.get('max_epochs'), cfg.get('examples_per_class'), cfg.get('num_classes'))
    return math.prod(factors) if all(factors) else None
