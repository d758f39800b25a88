"""The settings of configs as a table: what each means, which values it takes, and where it goes."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from sdp_plugin.errors import UserError


def _not_of_one(count: int) -> int:
    if count == 1:
        raise ValueError('0, or a number from 2: one image has no variance')
    return count


Count = Annotated[int, Field(ge=1, strict=True)]
FromZero = Annotated[int, Field(ge=0, strict=True)]
StatisticsImages = Annotated[int, Field(ge=0, strict=True), AfterValidator(_not_of_one)]
Positive = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
FilePath = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Size = Annotated[tuple[Count, Count], BeforeValidator(lambda size: (size, size) if isinstance(size, int) else size)]


@dataclass(frozen=True)
class Place:
    """Where a setting goes in a config: a dotted path, and what is added to a numeric value there.

    A part of the path picks a list's member by its position or by the last part of its ``type``.
    """

    path: str
    offset: int = 0


@dataclass(frozen=True)
class Setting:
    """A plain value at the top of configs.

    Args:
        means (str): What it is, for a person.
        kind (Any): Which values it takes, as pydantic validates them.
        places (tuple[Place, ...]): Where it goes; a config has at least one of them.
    """

    means: str
    kind: Any
    places: tuple[Place, ...]

    @cached_property
    def _adapter(self) -> TypeAdapter:
        return TypeAdapter(self.kind)

    @property
    def is_text(self) -> bool:
        """Whether any text is a value as it stands, brackets, commas and blanks included."""
        return any(option.get('type') == 'string' for option in self._options())

    def checked(self, name: str, value: object) -> object:
        """The value as it is used.

        Args:
            name (str): The setting's name, for the message.
            value (object): What a config or a command line gives.

        Raises:
            UserError: It is none that the setting takes.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            reasons = dict.fromkeys(item['msg'].removeprefix('Value error, ') for item in error.errors())
            raise UserError(
                f'{name}={value!r} is no value of this setting.',
                looked_for=f'{self.values} ({self.means})',
                found='; '.join(reasons),
            ) from None

    @property
    def values(self) -> str:
        """Which values it takes, in a few words."""
        return ' or '.join(dict.fromkeys(_in_words(option) for option in self._options()))

    def _options(self) -> list[dict[str, Any]]:
        schema = self._adapter.json_schema()
        return schema.get('anyOf', [schema])


def _in_words(schema: dict[str, Any]) -> str:
    """A JSON schema of one of the kinds above, in words."""
    if 'enum' in schema or 'const' in schema:
        return ', '.join(map(repr, schema.get('enum', [schema.get('const')])))
    if schema['type'] == 'array':
        items = schema.get('items') or schema['prefixItems'][0]
        number = 'two numbers' if 'prefixItems' in schema else 'numbers'
        return f'{number} from {items["minimum"]}'
    if schema['type'] in ('integer', 'number'):
        noun = 'a whole number' if schema['type'] == 'integer' else 'a number'
        least = f' from {schema["minimum"]}' if 'minimum' in schema else ''
        above = f' above {schema["exclusiveMinimum"]:g}' if 'exclusiveMinimum' in schema else ''
        below = f' below {schema["exclusiveMaximum"]}' if 'exclusiveMaximum' in schema else ''
        return f'{noun}{least}{above}{below}'
    return {'string': 'a text', 'boolean': 'True or False', 'null': 'None'}[schema['type']]


def _datasets(key: str) -> tuple[Place, ...]:
    return tuple(Place(f'{loader}_dataloader.dataset.{key}') for loader in ('train', 'val', 'test'))


def _in_pipeline(key: str, *transforms: str) -> tuple[Place, ...]:
    return tuple(Place(f'train_dataloader.dataset.pipeline.{name}.{key}') for name in transforms)


SETTINGS: dict[str, Setting] = {
    'data_root': Setting('folder of the data', FilePath, _datasets('data_root')),
    'scribbles': Setting(
        'folder of the strokes, absolute or relative to data_root',
        FilePath,
        (Place('train_dataloader.dataset.data_prefix.scribble_path'),),
    ),
    'line_width': Setting(
        'width of a stroke in pixels of the re-scaled image',
        Positive,
        _in_pipeline('line_width', 'LoadStrokes', 'LoadScribbles'),
    ),
    'decode_first': Setting(
        'decode all images once, before training', Flag, (Place('train_dataloader.dataset.decode_first'),)
    ),
    'cache_dir': Setting(
        'folder of decoded images; None is data_root',
        FilePath | None,
        (Place('train_dataloader.dataset.cache_dir'),),
    ),
    'crop_size': Setting(
        'height and width of a crop, or both in one number',
        Size,
        (
            *_in_pipeline('crop_size', 'RandomRescaledCrop', 'RandomLabelledCrop'),
            Place('model.data_preprocessor.size'),
        ),
    ),
    'output_stride': Setting(
        'stride of the trunk of a segmentor', Literal[8, 16, 32], (Place('model.backbone.output_stride'),)
    ),
    'head_dilations': Setting(
        'dilations of the branches of DeepLabV2', tuple[Count, ...], (Place('model.decode_head.dilations'),)
    ),
    'examples_per_class': Setting(
        'labelled examples of each class; None takes all',
        Count | None,
        (Place('train_dataloader.dataset.examples_per_class'),),
    ),
    'exclude': Setting(
        'file in data_root of patches that are never drawn; None excludes none',
        FilePath | None,
        (Place('train_dataloader.dataset.exclude'),),
    ),
    'normalised': Setting(
        'tiles with normalised stains, or as they were scanned',
        Flag,
        (Place('train_dataloader.dataset.normalised'),),
    ),
    'num_folds': Setting(
        'folds of the cross-validation; None takes undivided folders',
        Annotated[int, Field(ge=2, strict=True)] | None,
        _datasets('num_folds'),
    ),
    'fold': Setting('the fold to test on', FromZero, _datasets('fold')),
    'group_by': Setting('what is never split between folds', Literal['none', 'source_image'], _datasets('group_by')),
    'group_pattern': Setting(
        "regular expression whose first group is the patient or slide in a tile's path",
        Text | None,
        _datasets('group_pattern'),
    ),
    'num_classes': Setting(
        'number of classes', Count, (Place('model.head.num_classes'), Place('data_preprocessor.num_classes'))
    ),
    'input_size': Setting(
        'side of a tile in pixels',
        Count,
        (
            *_in_pipeline('scale', 'Resize'),
            *_in_pipeline('crop_size', 'RandomCrop'),
            Place('val_dataloader.dataset.pipeline.Resize.scale'),
            Place('test_dataloader.dataset.pipeline.Resize.scale'),
            Place('custom_hooks.ModelCardHook.input_size'),
        ),
    ),
    'mpp': Setting(
        'micrometres a pixel of a tile once it is scaled to input_size',
        Positive | None,
        (Place('custom_hooks.ModelCardHook.mpp'),),
    ),
    'seed': Setting(
        'seed of weights, draws and augmentation',
        Seed,
        (Place('randomness.seed'), Place('train_dataloader.dataset.seed')),
    ),
    'initialisation': Setting(
        'file that tools/convert_weights.py wrote; empty is random',
        FilePath,
        (Place('default_hooks.initialisation.checkpoint'),),
    ),
    'batch_norm_images': Setting(
        'unlabelled training images that give batch norms new statistics at first',
        StatisticsImages,
        (Place('default_hooks.initialisation.batch_norm_images'),),
    ),
    'batch_size': Setting('images an iteration', Count, (Place('train_dataloader.batch_size'),)),
    'num_workers': Setting(
        'processes that load data; 0 loads in the main process',
        FromZero,
        tuple(Place(f'{loader}_dataloader.num_workers') for loader in ('train', 'val', 'test')),
    ),
    'in_memory': Setting(
        'hold images in memory and augment whole batches',
        Flag,
        (Place('train_cfg.in_memory'), Place('test_cfg.in_memory')),
    ),
    'precision': Setting(
        'number format; auto is bfloat16 where the device computes it in hardware',
        Literal['auto', 'float32', 'bfloat16'],
        (Place('train_cfg.precision'), Place('test_cfg.precision'), Place('optim_wrapper.precision')),
    ),
    'channels_last': Setting(
        'memory order of the weights', Flag, (Place('default_hooks.prepare_model.channels_last'),)
    ),
    'compile_backbone': Setting('compile the backbone', Flag, (Place('default_hooks.prepare_model.compile_backbone'),)),
    'checkpoint_minutes': Setting(
        'minutes between two checkpoints; None goes by iterations or epochs alone',
        Positive | None,
        (Place('default_hooks.checkpoint.minutes'),),
    ),
    'test_interval': Setting(
        'iterations between two tests along a training; 0 tests at its end alone',
        FromZero,
        (Place('default_hooks.periodic_test.interval'),),
    ),
    'lr': Setting('learning rate', Positive, (Place('optim_wrapper.optimizer.lr'),)),
    'max_epochs': Setting('epochs', Count, (Place('train_cfg.max_epochs'),)),
    # PolyLR reaches zero one step before `end`; the stated schedule reaches it after the last iteration.
    'max_iters': Setting(
        'iterations', Count, (Place('train_cfg.max_iters'), Place('param_scheduler.PolyLR.end', offset=1))
    ),
}


def describe_settings() -> str:
    """All settings with their meaning and values, for ``--help``."""
    lines = ['settings (--cfg-options KEY=VALUE; which of them a config has stands at its top):']
    for name, setting in SETTINGS.items():
        text = f'{setting.means}: {setting.values}'
        lines.append(textwrap.fill(text, 118, initial_indent=f'  {name:<19}', subsequent_indent=' ' * 21))
    return '\n'.join(lines)
