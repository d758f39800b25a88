"""Label Studio's JSON export with brush masks in its run-length encoding.

https://labelstud.io/tags/brushlabels. The encoding packs RGBA pixels bit by bit, after rle-pack of the thi.ng
libraries: the number of values in 32 bits, their size in 5, four sizes of run lengths in 4 each; then, for each run, a
bit for "repeated", two that choose the size of its length, the length, and one value or as many as it is long.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sdp_plugin.errors import UserError
from sdp_plugin.records import Record, as_record
from sdp_plugin.scribbles.formats.reading import (
    MAX_PIXELS,
    ImageAnnotation,
    class_index_of,
    read_json,
    stem,
    whole_number,
)
from sdp_plugin.scribbles.formats.scribblesup import TAG_ALIASES


class _Value(Record):
    format: str | None = None
    brushlabels: list[str] | None = None
    rle: list[Annotated[int, Field(ge=0, le=255)]] | None = None


class _Region(Record):
    type: str | None = None
    original_width: Annotated[int, Field(ge=1)] | None = None
    original_height: Annotated[int, Field(ge=1)] | None = None
    value: _Value | None = None


class _Annotation(Record):
    was_cancelled: bool | None = None
    result: list[_Region] | None = None


class _Task(Record):
    id: int | str | None = None
    data: dict[str, Any] = {}
    annotations: list[_Annotation]


_UNLABELLED = 255
# The brush's soft edge counts from half opacity on.
_LEAST_ALPHA = 128


def read_label_studio(
    path: str | os.PathLike, class_names: Sequence[str], unknown_tag: str = 'error'
) -> list[ImageAnnotation]:
    """Read the brush strokes of a Label Studio export in the format "JSON" (not "JSON-MIN").

    Args:
        path (str | os.PathLike): The export of a project.
        class_names (Sequence[str]): Brush labels in the order of class indices.
        unknown_tag (str): ``error``, or ``skip`` to leave out strokes of other labels.

    Returns:
        list[ImageAnnotation]: A uint8 mask, 255 where nothing was painted, for each annotated task. Later brush
        regions lie over earlier ones. Of several annotations of a task the first counts. Cancelled ones do not.
        Other than brush regions are left out and counted.

    Raises:
        UserError: Naming the file, if it is no such export, a run-length code is damaged or does not fit the size of
            the image, or a label is unknown.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(task, dict) and 'annotations' in task for task in content):
        raise UserError(
            f'{path} is no Label Studio export',
            looked_for='a list of tasks with "annotations"',
            remedy='export the project as "JSON"',
        )
    tasks = as_record(list[_Task], content, path)
    classes = {name: index for index, name in enumerate(class_names)}
    annotations = (_read_task(path, number, task, classes, unknown_tag) for number, task in enumerate(tasks))
    return [annotation for annotation in annotations if annotation is not None]


def _read_task(
    path: Path, number: int, task: _Task, classes: dict[str, int], unknown_tag: str
) -> ImageAnnotation | None:
    done = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    regions = [region for annotation in done[:1] for region in annotation.result or ()]
    left_out = Counter({'further annotation(s) of the task': len(done) - 1} if len(done) > 1 else {})
    mask = None
    for region in regions:
        value = region.value
        if value is None or not value.brushlabels or value.format != 'rle':
            left_out[f'{region.type} region(s)'] += 1
            continue
        class_index = class_index_of(path, value.brushlabels[0], classes, unknown_tag, TAG_ALIASES)
        if class_index is None:
            left_out['stroke(s) of unknown class'] += 1
            continue
        width = whole_number(path, f'width of the image of task {number}', region.original_width)
        height = whole_number(path, f'height of the image of task {number}', region.original_height)
        if mask is None:
            mask = _empty_mask(path, number, width, height)
        if mask.shape != (height, width):
            raise UserError(f'{path}: the regions of task {number} are of different image sizes')
        alpha = _decode(path, number, value.rle or [], (height, width, 4))[..., 3]
        mask[alpha >= _LEAST_ALPHA] = class_index
    if mask is None:
        return None
    return ImageAnnotation(
        _image_id(task, number), mask, tuple(f'{count} {kind}' for kind, count in sorted(left_out.items()))
    )


def _empty_mask(path: Path, number: int, width: int, height: int) -> np.ndarray:
    if width * height > MAX_PIXELS:
        raise UserError(f'{path}: the image of task {number} has an impossible size', found=f'{width} x {height}')
    return np.full((height, width), _UNLABELLED, np.uint8)


def _image_id(task: _Task, number: int) -> str:
    data = task.data
    # The key is the user's choice; Label Studio puts "<8 hex digits>-" before uploaded files' names, which stays.
    names = [str(value) for value in data.values() if isinstance(value, str)]
    return stem(str(data.get('image') or (names[0] if names else f'task_{number if task.id is None else task.id}')))


def _decode(path: Path, number: int, code: list[int], shape: tuple[int, int, int]) -> np.ndarray:
    size = int(np.prod(shape))
    try:
        bits = np.unpackbits(np.array(code, dtype=np.uint8))
        return _unpack(bits, size).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f'{path}: a brush region of task {number} is damaged, or not of the image', found=error
        ) from None


def _unpack(bits: np.ndarray, size: int) -> np.ndarray:
    text = (bits + ord('0')).tobytes()
    position = 0

    def take(count: int) -> int:
        nonlocal position
        chunk = text[position : position + count]
        if len(chunk) < count:
            raise ValueError('the code ends too early')
        position += count
        return int(chunk, 2)

    values = take(32)
    if values != size:
        raise ValueError(f'{values} values instead of {size}')
    word = take(5) + 1
    if word != 8:
        raise ValueError(f'values of {word} bits instead of 8')
    length_sizes = [take(4) + 1 for _ in range(4)]
    out = np.empty(size, np.uint8)
    done = 0
    while done < size:
        repeated = take(1)
        end = done + take(length_sizes[take(2)]) + 1
        if end > size:
            raise ValueError('a run leaves the image')
        if repeated:
            out[done:end] = take(word)
        else:
            literal = bits[position : position + word * (end - done)]
            position += word * (end - done)
            out[done:end] = np.packbits(literal)
        done = end
    return out
