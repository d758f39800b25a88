"""What a set of scribbles labels, and how right it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from sdp_plugin.errors import UserError, shortened
from sdp_plugin.scribbles.formats import FORMATS, FormatOptions
from sdp_plugin.scribbles.formats.index_png import read_index_png
from sdp_plugin.scribbles.formats.reading import ImageAnnotation
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.scribbles.strokes import ScribbleSet

_CLASSES = 256
_UNLABELLED = 255


@dataclass(frozen=True)
class Counts:
    """Counts of one class or of all, over one image or many.

    Args:
        images (int): Images with at least one labelled pixel of it.
        strokes (int): Strokes; 0 for raster annotations.
        length (float): Their length, in pixels of the annotated images.
        labelled (int): Labelled pixels.
        right (int): Labelled pixels that agree with the mask.
        void (int): Labelled pixels in the mask's void.
        compared (int): Labelled pixels of images that have a mask.
    """

    images: int = 0
    strokes: int = 0
    length: float = 0.0
    labelled: int = 0
    right: int = 0
    void: int = 0
    compared: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    @property
    def agreement(self) -> float | None:
        """Share of the labelled pixels that agree with the mask or fall into void; None without a mask."""
        return (self.right + self.void) / self.compared if self.compared else None


@dataclass(frozen=True)
class ImageStatistics:
    """Statistics of one image.

    Args:
        image_id (str): Its name.
        labelled_share (float): Labelled pixels over all pixels.
        classes (dict[int, Counts]): By class index; classes without a stroke are missing.
        has_mask (bool): Whether it was compared with a mask.
    """

    image_id: str
    labelled_share: float
    classes: dict[int, Counts]
    has_mask: bool = False


def image_statistics(
    annotation: ImageAnnotation,
    truth: np.ndarray | None = None,
    line_width: float = 3,
    mode: str = 'distance',
    size_mismatch: str = 'error',
    void: int = 255,
) -> ImageStatistics:
    """Measure the annotation of one image.

    Args:
        annotation (ImageAnnotation): Strokes, or a mask of drawn pixels.
        truth (np.ndarray | None): uint8 mask of shape (H, W) to compare with.
        line_width (float): For drawing strokes.
        mode (str): For drawing strokes.
        size_mismatch (str): ``error``, or ``rescale`` to draw strokes at the size of ``truth``.
        void (int): Value of ``truth`` where nothing is known.

    Raises:
        UserError: If the sizes differ, unless strokes may be rescaled.
    """
    drawn = annotation.drawn
    strokes = drawn.strokes if isinstance(drawn, ScribbleSet) else ()
    size = truth.shape if truth is not None and size_mismatch == 'rescale' else None
    labels = rasterise(drawn, line_width, mode, size=size) if isinstance(drawn, ScribbleSet) else drawn
    if truth is not None and truth.shape != labels.shape:
        raise UserError(
            f'the mask of {annotation.image_id} is of another size than its scribbles',
            looked_for=f'{labels.shape[1]} x {labels.shape[0]} (width x height)',
            found=f'{truth.shape[1]} x {truth.shape[0]}',
            remedy='if the masks were resized after annotation, ask for strokes to be rescaled',
        )
    is_labelled = labels != _UNLABELLED
    labelled = _per_class(labels[is_labelled])
    right = void_pixels = np.zeros(_CLASSES, int)
    if truth is not None:
        right = _per_class(labels[is_labelled & (labels == truth)])
        void_pixels = _per_class(labels[is_labelled & (truth == void)])
    present = set(np.flatnonzero(labelled).tolist()) | {stroke.class_index for stroke in strokes}
    classes = {}
    for index in sorted(present):
        own = [stroke for stroke in strokes if stroke.class_index == index]
        classes[index] = Counts(
            images=int(labelled[index] > 0),
            strokes=len(own),
            length=sum(stroke.length for stroke in own),
            labelled=int(labelled[index]),
            right=int(right[index]),
            void=int(void_pixels[index]),
            compared=0 if truth is None else int(labelled[index]),
        )
    return ImageStatistics(annotation.image_id, float(is_labelled.mean()), classes, truth is not None)


def _per_class(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels, minlength=_CLASSES)


def file_statistics(
    path: Path,
    source: str,
    options: FormatOptions,
    masks: Path | None = None,
    size_mismatch: str = 'error',
    void: int = 255,
) -> list[ImageStatistics]:
    """Measure the images of one annotation file, against ``masks/<image id>.png`` where such a file exists."""
    statistics = []
    for annotation in FORMATS[source].read(path, options):
        mask = masks / f'{annotation.image_id}.png' if masks else None
        truth = read_index_png(mask, void, void) if mask and mask.exists() else None
        statistics.append(image_statistics(annotation, truth, options.line_width, options.mode, size_mismatch, void))
    return statistics


def summarise(statistics: Sequence[ImageStatistics], class_names: Sequence[str]) -> dict:
    """All images together, ready for JSON.

    Returns:
        dict: ``images``, ``images_without_stroke`` (their ids), ``images_without_mask`` (their ids, where others were
        compared with a mask), ``labelled_share`` (mean over images, in 0..1), ``total`` and ``classes`` (by name) with
        the fields of :class:`Counts`, ``mean_length`` in pixels and ``agreement`` in 0..1 or None.
    """
    per_class: dict[int, Counts] = {}
    for image in statistics:
        for index, counts in image.classes.items():
            per_class[index] = per_class.get(index, Counts()) + counts
    unlabelled = [image.image_id for image in statistics if not any(c.labelled for c in image.classes.values())]
    unmasked = [image.image_id for image in statistics if not image.has_mask]
    total = sum(per_class.values(), Counts())
    return {
        'images': len(statistics),
        'images_without_stroke': unlabelled,
        'images_without_mask': unmasked if len(unmasked) < len(statistics) else [],
        'labelled_share': float(np.mean([image.labelled_share for image in statistics])) if statistics else 0.0,
        'total': _as_dict(total) | {'images': len(statistics) - len(unlabelled)},
        'classes': {_name(index, class_names): _as_dict(per_class[index]) for index in sorted(per_class)},
    }


def _as_dict(counts: Counts) -> dict:
    values = {f.name: getattr(counts, f.name) for f in fields(Counts)}
    mean_length = counts.length / counts.strokes if counts.strokes else None
    return values | {'mean_length': mean_length, 'agreement': counts.agreement}


def _name(index: int, class_names: Sequence[str]) -> str:
    return class_names[index] if index < len(class_names) else f'class {index}'


def table(summary: dict) -> str:
    """The summary as text: a line a class."""
    lines = [f'{"class":<14}{"images":>8}{"strokes":>9}{"length":>9}{"share %":>9}{"right %":>9}']
    unmasked = summary['images_without_mask']
    labelled = max(summary['total']['labelled'], 1)
    for name, counts in [*summary['classes'].items(), ('all', summary['total'])]:
        length = '-' if counts['mean_length'] is None else f'{counts["mean_length"]:.0f}'
        agreement = '-' if counts['agreement'] is None else f'{100 * counts["agreement"]:.1f}'
        share = 100 * counts['labelled'] / labelled
        lines.append(f'{name:<14}{counts["images"]:>8}{counts["strokes"]:>9}{length:>9}{share:>9.1f}{agreement:>9}')
    lines += [
        '',
        f'{summary["images"]} images, {100 * summary["labelled_share"]:.2f} % of the pixels labelled on average',
        f'{len(summary["images_without_stroke"])} images without any stroke',
        *([f'{len(unmasked)} images without a mask to compare with: {shortened(unmasked)}'] if unmasked else []),
        'length: mean of a stroke, in pixels of its image; share: of all labelled pixels; right: agreeing with the '
        'mask or in its void',
    ]
    return '\n'.join(lines)
