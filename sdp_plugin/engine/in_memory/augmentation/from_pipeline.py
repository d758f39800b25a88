"""What a pipeline of transforms does to an image at random, as plain values.

The config's own pipeline stays the single source of truth. It is built, so that each transform checks and normalises
its own arguments, and read from the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mmcv.transforms import BaseTransform, CenterCrop, LoadImageFromFile, RandomFlip, Resize
from mmengine.registry import DefaultScope
from mmpretrain.datasets.transforms import ColorJitter, PackInputs, ResizeEdge
from mmpretrain.datasets.transforms import RandomCrop as MMPretrainRandomCrop
from mmpretrain.registry import TRANSFORMS
from mmseg.datasets.transforms import RandomRotate

from sdp_plugin.datasets.transforms.loading_image import LoadImage
from sdp_plugin.datasets.transforms.loading_patch import LoadPatch
from sdp_plugin.datasets.transforms.random_crop import RandomCrop
from sdp_plugin.errors import UserError

Range = tuple[float, float]
Colour = tuple[float, float, float]

ONCE_PER_IMAGE = 0
STAGES: dict[type[BaseTransform], int] = {
    LoadPatch: ONCE_PER_IMAGE,
    LoadImage: ONCE_PER_IMAGE,
    LoadImageFromFile: ONCE_PER_IMAGE,
    Resize: ONCE_PER_IMAGE,
    ResizeEdge: ONCE_PER_IMAGE,
    CenterCrop: ONCE_PER_IMAGE,
    RandomCrop: 1,
    MMPretrainRandomCrop: 1,
    RandomFlip: 2,
    RandomRotate: 3,
    ColorJitter: 4,
    PackInputs: 5,
}
REMEDY = 'use the reference loop, EpochBasedTrainLoop: it runs every pipeline'


@dataclass(frozen=True)
class AugmentationSettings:
    """A random crop, flip, rotation and colour jitter, in this order. What is None or of probability 0 is left out.

    Attributes:
        crop_size (tuple[int, int], optional): Height and width of the crop, in pixels; None crops nothing.
        padding (tuple[int, int, int, int]): Pixels added on the left, top, right and bottom before the crop.
        padding_mode (str): ``'constant'``, ``'edge'``, ``'reflect'`` or ``'symmetric'``, as in :func:`mmcv.impad`.
        padding_colour (tuple[float, float, float]): Blue, green and red of constant padding, 0 to 255.
        flips (tuple[tuple[str, float], ...]): Directions (``'horizontal'``, ``'vertical'``, ``'diagonal'``) and the
            probability of each.
        rotation_probability (float): Share of the images that are rotated about their centre.
        rotation_degrees (tuple[float, float]): Smallest and largest angle, clockwise.
        rotation_colour (tuple[float, float, float]): Blue, green and red of the corners that a rotation uncovers.
        brightness (tuple[float, float], optional): Smallest and largest factor.
        contrast (tuple[float, float], optional): Smallest and largest factor.
        saturation (tuple[float, float], optional): Smallest and largest factor.
        hue (tuple[float, float], optional): Smallest and largest shift, in turns of the colour wheel, -0.5 to 0.5.
    """

    crop_size: tuple[int, int] | None = None
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    padding_mode: str = 'constant'
    padding_colour: Colour = (0.0, 0.0, 0.0)
    flips: tuple[tuple[str, float], ...] = ()
    rotation_probability: float = 0.0
    rotation_degrees: Range = (0.0, 0.0)
    rotation_colour: Colour = (0.0, 0.0, 0.0)
    brightness: Range | None = None
    contrast: Range | None = None
    saturation: Range | None = None
    hue: Range | None = None

    @property
    def is_identity(self) -> bool:
        """Whether images stay as they are."""
        return self == AugmentationSettings()

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that an image of ``height`` x ``width`` pixels is augmented to."""
        return self.crop_size or (height, width)


def settings_from_pipeline(pipeline: Sequence[dict]) -> tuple[list[dict], AugmentationSettings]:
    """Divide a config's pipeline into what is done once an image and what is drawn anew in every epoch.

    Args:
        pipeline (Sequence[dict]): Configs of the transforms: loading and resizing, then at most one each of
            ``RandomCrop``, ``RandomFlip``, ``mmseg.RandomRotate`` and ``ColorJitter``, in this order, then
            ``PackInputs``. A test pipeline has none of the four.

    Returns:
        tuple[list[dict], AugmentationSettings]: The configs of the loading and resizing, and the random rest.

    Raises:
        UserError: If a transform, an argument or the order of the transforms is not understood.
    """
    loading: list[dict] = []
    values: dict[str, Any] = {}
    previous = ONCE_PER_IMAGE
    for config in pipeline:
        transform = _build(config)
        stage = STAGES.get(type(transform))
        if stage is None:
            raise UserError(
                f'The in-memory loop does not know the transform {config["type"]!r}.',
                looked_for=', '.join(dict.fromkeys(kind.__name__ for kind in STAGES)),
                remedy=REMEDY,
            )
        if stage < previous or stage == previous != ONCE_PER_IMAGE:
            raise UserError(
                'The in-memory loop does not know this order of transforms.',
                looked_for='loading and resizing, RandomCrop, RandomFlip, RandomRotate, ColorJitter, PackInputs',
                found=', '.join(str(each['type']) for each in pipeline),
                remedy=REMEDY,
            )
        if stage == ONCE_PER_IMAGE:
            loading.append(config)
        else:
            values.update(READERS[type(transform)](transform))
        previous = stage
    return loading, AugmentationSettings(**values)


def _build(config: dict) -> BaseTransform:
    try:
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return TRANSFORMS.build(config)
    except UserError:
        raise
    # A transform refuses its arguments in many ways, and a registry an unknown name with a KeyError.
    except Exception as error:
        raise UserError(
            f'The transform {config.get("type")!r} cannot be built.', found=f'{type(error).__name__}: {error}'
        ) from error


def _read_mmpretrain_crop(crop: MMPretrainRandomCrop) -> dict[str, Any]:
    _require(crop, pad_if_needed=False)
    # Whatever its padding_mode says: see sdp_plugin.RandomCrop.
    return {**_read_crop(crop), 'padding_mode': 'constant', 'padding_colour': _colour(crop.pad_val)}


def _read_crop(crop: RandomCrop | MMPretrainRandomCrop) -> dict[str, Any]:
    padding = crop.padding or 0
    sides = (padding,) * 4 if isinstance(padding, int) else tuple(padding) * (4 // len(padding))
    return dict(crop_size=tuple(crop.crop_size), padding=sides, padding_mode=crop.padding_mode)


def _read_flip(flip: RandomFlip) -> dict[str, Any]:
    directions = [flip.direction] if isinstance(flip.direction, str) else list(flip.direction)
    shares = flip.prob if isinstance(flip.prob, list) else [flip.prob / len(directions)] * len(directions)
    return dict(flips=tuple(zip(directions, shares, strict=True)))


def _read_rotation(rotation: RandomRotate) -> dict[str, Any]:
    _require(rotation, center=None, auto_bound=False)
    return dict(
        rotation_probability=float(rotation.prob),
        rotation_degrees=(float(min(rotation.degree)), float(max(rotation.degree))),
        rotation_colour=_colour(rotation.pal_val),
    )


def _read_jitter(jitter: ColorJitter) -> dict[str, Any]:
    _require(jitter, backend='pillow')
    ranges = {name: getattr(jitter, name) for name in ('brightness', 'contrast', 'saturation', 'hue')}
    return {name: value and (float(value[0]), float(value[1])) for name, value in ranges.items()}


READERS: dict[type[BaseTransform], Callable[[Any], dict[str, Any]]] = {
    RandomCrop: _read_crop,
    MMPretrainRandomCrop: _read_mmpretrain_crop,
    RandomFlip: _read_flip,
    RandomRotate: _read_rotation,
    ColorJitter: _read_jitter,
    PackInputs: lambda pack: {},
}


def _require(transform: BaseTransform, **understood: object) -> None:
    for name, value in understood.items():
        found = getattr(transform, name)
        if found != value:
            raise UserError(
                f'The in-memory loop does not know {type(transform).__name__}({name}={found!r}).',
                looked_for=f'{name}={value!r}',
                remedy=REMEDY,
            )


def _colour(value: float | Sequence[float]) -> Colour:
    # OpenCV takes a number for the first channel's value, and black for the others.
    colour = (value,) if isinstance(value, (int, float)) else tuple(value)
    return (*map(float, colour), 0.0, 0.0)[:3]
