"""Loading strokes as strokes, to be drawn when the size of the crop is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sdp_plugin.bars import Bar
from sdp_plugin.datasets.transforms.loading_scribbles import LoadScribbles
from sdp_plugin.registry import TRANSFORMS
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import Segments, rasterise_window, segments_of, without_idle_points
from sdp_plugin.scribbles.strokes import ScribbleSet


@dataclass(frozen=True)
class StrokesToDraw:
    """Strokes and how to draw them."""

    scribbles: ScribbleSet
    line_width: float
    mode: str
    ignore_index: int

    def draw(self, size: tuple[int, int], window: tuple[int, int, int, int]) -> np.ndarray:
        """Labels of a window (top, left, height, width) of the image re-scaled to ``size`` (height, width)."""
        return rasterise_window(
            self.scribbles, size, window, self.line_width, self.mode, self.ignore_index, self._segments
        )

    @cached_property
    def _segments(self) -> Segments:
        return segments_of(without_idle_points(self.scribbles))


@TRANSFORMS.register_module()
class LoadStrokes(LoadScribbles):
    """Load the strokes of an image without drawing them; :class:`RandomRescaledCrop` draws them in its crop.

    A file is parsed once a process. Index PNGs hold no strokes: they are loaded as ``gt_seg_map``, as by
    :class:`LoadScribbles`.

    Required Keys:

    - scribble_path (str): A ScribbleSup ``.xml`` or an index ``.png``.
    - img_shape (tuple[int, int]): Height and width of the image as stored.

    Added Keys:

    - strokes (StrokesToDraw); or, of an index PNG, gt_seg_map

    Modified Keys:

    - seg_fields (list[str]): ``gt_seg_map`` is appended, of an index PNG.

    Args:
        **kwargs: Of :class:`LoadScribbles`.

    Raises:
        UserError: As :class:`LoadScribbles`.
    """

    PATH_KEY = 'scribble_path'

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._parsed: dict[str, StrokesToDraw] = {}

    def transform(self, results: dict) -> dict:
        """Add the strokes to ``results``."""
        path = results['scribble_path']
        if Path(path).suffix.lower() != '.xml':
            return super().transform(results)
        strokes = self._strokes_of(path)
        annotated = strokes.scribbles.height, strokes.scribbles.width
        self._check_size(Path(path), annotated, tuple(results['img_shape'][:2]))
        results['strokes'] = strokes
        return results

    def read_first(self, paths: Sequence[str], report: Callable[[str], None] | None = None) -> None:
        """Parse files before the first one is asked for, so that workers forked afterwards need not.

        Args:
            paths (Sequence[str]): The files.
            report (Callable[[str], None] | None): Is told how far it is, if it takes long.

        Raises:
            UserError: For any fault in a file, naming it.
        """
        progress = Bar('reading scribbles', len(paths), report)
        for path in paths:
            if Path(path).suffix.lower() == '.xml':
                self._strokes_of(path)
            progress.advance()

    def _strokes_of(self, path: str) -> StrokesToDraw:
        if path not in self._parsed:
            scribbles = read_scribblesup(Path(path), self.class_names, self.unknown_tag)
            self._parsed[path] = StrokesToDraw(scribbles, self.line_width, self.mode, self.ignore_index)
        return self._parsed[path]
