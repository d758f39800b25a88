"""Re-scaling only what the crop will show."""

from __future__ import annotations

import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from sdp_plugin.datasets import arguments
from sdp_plugin.datasets.transforms.geometry import RandomLabelledCrop, RandomRescale
from sdp_plugin.datasets.transforms.loading_strokes import StrokesToDraw
from sdp_plugin.registry import TRANSFORMS

# How far, in pixels of the stored image, the sampling grid of a part may be off that of the whole image.
_GRID_TOLERANCE = 1 / 128

Window = tuple[int, int, int, int]


@TRANSFORMS.register_module()
class RandomRescaledCrop(BaseTransform):
    """:class:`RandomRescale`, :class:`RandomLabelledCrop` and ``RandomFlip`` in one, over the window alone.

    The ratio, the window and the flip are drawn as by those three transforms, in their order: with the same random
    state the same crop results. Masks are equal to theirs in every pixel, and images up to the rounding of
    :func:`rescaled_window`. Strokes are drawn after re-scaling, with the full line width, in the window only; labels
    that :class:`LoadScribbles` draws on the re-scaled image are equal in every pixel.

    Required Keys:

    - img
    - strokes (optional): of :class:`LoadStrokes`
    - seg_fields (optional), and the masks it names

    Modified Keys:

    - img (uint8, of the crop's size, contiguous)
    - img_shape
    - seg_fields
    - the masks named in seg_fields

    Added Keys:

    - gt_seg_map (uint8, of the crop's size), where there are strokes
    - scale_factor (tuple[float, float])
    - flip (bool), flip_direction (str | None)

    Args:
        crop_size (int | tuple[int, int]): Height and width of the window, in pixels.
        ratio_range (tuple[float, float]): Of :class:`RandomRescale`. Defaults to (0.5, 1.5).
        flip_prob (float): Of ``RandomFlip``, horizontally. Defaults to 0.5.
        min_labelled (int): Of :class:`RandomLabelledCrop`. Defaults to 1.
        max_tries (int): Of :class:`RandomLabelledCrop`. Defaults to 10.
        pad_val (tuple[int, int, int]): Of :class:`RandomLabelledCrop`. Defaults to (104, 116, 124).
        ignore_index (int): Of :class:`RandomLabelledCrop`. Defaults to 255.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        ratio_range: tuple[float, float] = (0.5, 1.5),
        flip_prob: float = 0.5,
        min_labelled: int = 1,
        max_tries: int = 10,
        pad_val: tuple[int, int, int] = (104, 116, 124),
        ignore_index: int = 255,
    ) -> None:
        self.rescale = RandomRescale(ratio_range)
        self.crop = RandomLabelledCrop(crop_size, min_labelled, max_tries, pad_val, ignore_index)
        self.flip_prob = arguments.number('flip_prob', flip_prob, 0, 1)

    def transform(self, results: dict) -> dict:
        """Draw the parameters and make the crop."""
        image = results['img']
        height, width = image.shape[:2]
        scaled = self.rescale.draw_size(height, width)
        labels = _Labels(results, scaled, self.crop.crop_size, self.crop.ignore_index)
        top, left = self.crop.draw_window(labels.padded_shape, labels.of_window, labels.of_image)
        # What RandomFlip's np.random.choice comes down to, without its checks.
        direction = 'horizontal' if np.random.random_sample() < self.flip_prob else None
        window = (top, left, *self.crop.crop_size)
        results['img'] = _flipped(_padded(rescaled_window, image, scaled, window, self.crop.pad_val), direction)
        for key, label in labels.all_of_window(window).items():
            results[key] = _flipped(label, direction)
        results['seg_fields'] = labels.keys
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = (scaled[0] / width, scaled[1] / height)
        results['flip'], results['flip_direction'] = direction is not None, direction
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.rescale}, {self.crop}, flip_prob={self.flip_prob})'


class _Labels:
    """The labels of a re-scaled image, made window by window."""

    def __init__(self, results: dict, scaled: tuple[int, int], crop_size: tuple[int, int], ignore_index: int) -> None:
        self.scaled = scaled
        self.crop_size = crop_size
        self.ignore_index = ignore_index
        self.strokes: StrokesToDraw | None = results.pop('strokes', None)
        self.masks: dict[str, np.ndarray] = {key: results[key] for key in results.get('seg_fields', [])}
        self.keys = list(self.masks) if self.strokes is None else ['gt_seg_map', *self.masks]
        self.padded_shape = (max(scaled[1], crop_size[0]), max(scaled[0], crop_size[1]))
        self._drawn_at: tuple[int, int] | None = None
        self._drawn: np.ndarray | None = None

    def of_window(self, top: int, left: int) -> np.ndarray:
        self._drawn_at, self._drawn = (top, left), self._make('gt_seg_map', (top, left, *self.crop_size))
        return self._drawn

    def of_image(self) -> np.ndarray:
        return self._make('gt_seg_map', (0, 0, *self.padded_shape))

    def all_of_window(self, window: Window) -> dict[str, np.ndarray]:
        made = {'gt_seg_map': self._drawn} if self._drawn_at == window[:2] else {}
        return {key: made[key] if key in made else self._make(key, window) for key in self.keys}

    def _make(self, key: str, window: Window) -> np.ndarray:
        if key in self.masks:
            return _padded(rescaled_mask_window, self.masks[key], self.scaled, window, self.ignore_index)
        return _padded(self._draw, None, self.scaled, window, self.ignore_index)

    def _draw(self, _: None, scaled: tuple[int, int], window: Window) -> np.ndarray:
        return self.strokes.draw(scaled[::-1], window)


def rescaled_window(image: np.ndarray, scaled: tuple[int, int], window: Window) -> np.ndarray:
    """A window of the image re-scaled bilinearly: as cut from ``cv2.resize(image, scaled)``.

    Only a part of the image somewhat larger than the window is re-scaled. It begins where the sampling grid of the
    whole image falls on a stored pixel to 1/128 of a pixel, so a value differs from the whole image's by at most 1/128
    of the difference between neighbouring pixels in each direction, and by rounding. A window at the image's left or
    upper border is exact there.

    Args:
        image (np.ndarray): uint8, shape (H, W, 3) or (H, W).
        scaled (tuple[int, int]): Width and height of the re-scaled image.
        window (Window): Top, left, height and width, inside the re-scaled image.

    Returns:
        np.ndarray: uint8, shape (height, width, 3) or (height, width); a view of the re-scaled part.
    """
    top, left, height, width = window
    first_row, end_row, above = _part_to_rescale(top, height, image.shape[0], scaled[1])
    first_column, end_column, beside = _part_to_rescale(left, width, image.shape[1], scaled[0])
    part = image[first_row:end_row, first_column:end_column]
    factors = scaled[0] / image.shape[1], scaled[1] / image.shape[0]
    size = tuple(round(length * factor) for length, factor in zip(part.shape[1::-1], factors, strict=True))
    # OpenCV rounds the size that factors lead to, and copies where it is that of the part, whatever the factors.
    if part.shape[:2] == image.shape[:2] or size == part.shape[1::-1]:
        return cv2.resize(image, scaled)[top : top + height, left : left + width]
    rescaled = cv2.resize(part, None, fx=factors[0], fy=factors[1])
    return rescaled[above : above + height, beside : beside + width]


def _part_to_rescale(start: int, length: int, stored: int, scaled: int) -> tuple[int, int, int]:
    """Along one axis: the first and the end of the stored pixels to re-scale, and where the window begins in them."""
    step = stored / scaled
    # The window's first pixel must not be interpolated across the part's own border.
    begin = max(start - math.ceil(0.5 / step), 0)
    candidates = np.arange(begin, 0, -1)
    places = candidates * step
    on_grid = np.abs(places - np.rint(places)) <= _GRID_TOLERANCE
    begin = int(candidates[on_grid.argmax()]) if on_grid.any() else 0
    end = min(stored, math.ceil((start + length + 0.5) * step) + 2)
    return round(begin * step), end, start - begin


def rescaled_mask_window(mask: np.ndarray, scaled: tuple[int, int], window: Window) -> np.ndarray:
    """A window of the mask re-scaled to the nearest pixel: exactly as cut from ``cv2.resize(mask, scaled)``.

    Args:
        mask (np.ndarray): uint8, shape (H, W).
        scaled (tuple[int, int]): Width and height of the re-scaled mask.
        window (Window): Top, left, height and width, inside the re-scaled mask.

    Returns:
        np.ndarray: uint8, shape (height, width); a view.
    """
    top, left, height, width = window
    stored = mask.shape[0]
    # OpenCV takes row floor(y / factor). The columns are OpenCV's own, of the rows that the window shows.
    rows = (np.arange(top, top + height) * (1 / (scaled[1] / stored))).astype(np.intp)
    shown = mask[np.minimum(rows, stored - 1)]
    return cv2.resize(shown, (scaled[0], height), interpolation=cv2.INTER_NEAREST)[:, left : left + width]


def _padded(make, stored: object, scaled: tuple[int, int], window: Window, fill: int | tuple[int, ...]) -> np.ndarray:
    """``make`` the window's part inside the image; what reaches beyond its lower and right border is filled."""
    top, left, height, width = window
    inside = (top, left, min(height, scaled[1] - top), min(width, scaled[0] - left))
    made = make(stored, scaled, inside)
    if inside == window:
        return np.ascontiguousarray(made)
    return cv2.copyMakeBorder(made, 0, height - inside[2], 0, width - inside[3], cv2.BORDER_CONSTANT, value=fill)


def _flipped(array: np.ndarray, direction: str | None) -> np.ndarray:
    return array if direction is None else cv2.flip(array, 1)
