"""Work over the files of a data set in several processes: faults are collected, the rest is finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sdp_plugin.bars import over
from sdp_plugin.errors import UserError, concerns_all, user_error_of
from sdp_plugin.files import is_hidden
from sdp_plugin.scribbles.formats import FORMATS, FormatOptions
from sdp_plugin.scribbles.formats.index_png import read_index_png
from sdp_plugin.scribbles.formats.reading import ImageAnnotation
from sdp_plugin.scribbles.formats.scribblesup import write_scribblesup
from sdp_plugin.scribbles.rasterise import labels_nothing
from sdp_plugin.scribbles.strokes import ScribbleSet
from sdp_plugin.scribbles.synthesis import synthesise_points, synthesise_scribbles

_SYNTHESISERS = {'strokes': synthesise_scribbles, 'points': synthesise_points}


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Args:
        path (Path): The file that was read.
        result (object): What the work returned, or None.
        problem (str): The error that ended it, or nothing.
    """

    path: Path
    result: object = None
    problem: str = ''


@dataclass
class Written:
    """What was made of one file.

    Args:
        image_ids (list[str]): Images whose annotation was written.
        there_already (list[str]): Images whose annotation existed and was left alone.
        remarks (Counter[str]): What was left out or lost, and how many times.
    """

    image_ids: list[str] = field(default_factory=list)
    there_already: list[str] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)


def find_files(source: Path, suffix: str) -> list[Path]:
    """The file itself, or the files of a folder with that suffix, sorted.

    Raises:
        UserError: If there are none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f'{source} does not exist')
    files = sorted(
        path for path in source.iterdir() if path.suffix.lower() == suffix and not is_hidden(path) and path.is_file()
    )
    if not files:
        raise UserError(f'{source} holds no files of this format', looked_for=f'*{suffix}')
    return files


def work_through(work: Callable[[Path], object], paths: Sequence[Path], workers: int, title: str) -> Iterator[Outcome]:
    """Apply ``work`` to each path in ``workers`` processes, with progress on stderr, in the order of the paths.

    A :class:`UserError` of one path becomes the problem of its outcome, and the others go on.

    Raises:
        UserError: The only path cannot be used, or the disk lets nothing be written.
    """
    guarded = partial(_guarded, work)
    if min(workers, len(paths)) <= 1:
        outcomes = map(guarded, paths)
        yield from over(map(_or_its_error, outcomes) if len(paths) == 1 else outcomes, title, len(paths))
        return
    with ProcessPoolExecutor(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        outcomes = pool.map(guarded, paths, chunksize=min(8, -(-len(paths) // workers)))
        yield from over(outcomes, title, len(paths))


def _guarded(work: Callable[[Path], object], path: Path) -> Outcome:
    try:
        return Outcome(path, work(path))
    except UserError as error:
        return Outcome(path, problem=str(error))
    except (OSError, UnicodeError, ValueError) as error:
        # A name too long, or of characters that no file may have. What no other file escapes ends the work.
        if concerns_all(error):
            raise user_error_of(error) from error
        return Outcome(path, problem=f'{type(error).__name__}: {error}')


def _or_its_error(outcome: Outcome) -> Outcome:
    if outcome.problem:
        raise UserError(f'{outcome.path} cannot be used.', found=outcome.problem)
    return outcome


def convert_file(
    path: Path,
    folder: Path,
    source: str,
    target: str,
    reading: FormatOptions,
    writing: FormatOptions,
    overwrite: bool = False,
) -> Written:
    """Convert one annotation file into one file for each of its images.

    Args:
        path (Path): The file to read.
        folder (Path): The folder to write ``<image id><suffix>`` into.
        source (str): Name of the file's format in :data:`~sdp_plugin.scribbles.formats.FORMATS`.
        target (str): Name of the format to write.
        reading (FormatOptions): For reading.
        writing (FormatOptions): For writing.
        overwrite (bool): Write also where a file exists. Without it an interrupted conversion goes on.

    Raises:
        UserError: If the file cannot be read, not be written in the target format, or all of its strokes lie outside
            of their images.
    """
    written = Written()
    annotations = FORMATS[source].read(path, reading)
    _check_places(path, annotations, reading)
    for annotation in annotations:
        written.remarks.update(f'left out: {what.partition(" ")[2]}' for what in annotation.left_out)
        if not annotation.image_id or '\0' in annotation.image_id:
            raise UserError(f'{path} does not name an image', found=repr(annotation.image_id))
        out = folder / f'{annotation.image_id}{FORMATS[target].suffix}'
        if out.exists() and not overwrite:
            written.there_already.append(annotation.image_id)
            continue
        lost = FORMATS[target].write(out, annotation, writing)
        written.remarks.update(f'not carried by {target}: {_without_counts(what)}' for what in lost)
        written.image_ids.append(annotation.image_id)
    return written


def synthesise_file(
    path: Path,
    folder: Path,
    class_names: Sequence[str],
    seed: int,
    kind: str = 'strokes',
    ignore_index: int = 255,
    overwrite: bool = False,
    **settings,
) -> Written:
    """Make ScribbleSup XML from one mask.

    Args:
        path (Path): Index PNG; its file name without suffix is the image's id.
        folder (Path): The folder to write ``<image id>.xml`` into.
        class_names (Sequence[str]): Tags in the order of class indices.
        seed (int): Seed of the whole data set.
        kind (str): ``strokes`` or ``points``.
        ignore_index (int): The masks' void.
        overwrite (bool): Write also where a file exists.
        settings: Further arguments of :func:`~sdp_plugin.scribbles.synthesis.synthesise_scribbles`.

    Raises:
        UserError: If the mask cannot be read, or holds a class without a name.
    """
    out = folder / f'{path.stem}.xml'
    if out.exists() and not overwrite:
        return Written(there_already=[path.stem])
    mask = read_index_png(path, ignore_index, ignore_index)
    scribbles = _SYNTHESISERS[kind](mask, seed, path.stem, ignore_index=ignore_index, **settings)
    write_scribblesup(out, scribbles, class_names)
    remarks = Counter() if scribbles.strokes else Counter(['without any stroke: image(s)'])
    return Written(image_ids=[path.stem], remarks=remarks)


def _check_places(path: Path, annotations: Sequence[ImageAnnotation], options: FormatOptions) -> None:
    drawn = [a.drawn for a in annotations if isinstance(a.drawn, ScribbleSet) and a.drawn.strokes]
    if drawn and all(labels_nothing(scribbles, options.line_width, options.mode) for scribbles in drawn):
        strokes = [stroke.points for scribbles in drawn for stroke in scribbles.strokes]
        least, most = np.concatenate(strokes).min(axis=0), np.concatenate(strokes).max(axis=0)
        raise UserError(
            f'{path}: all strokes lie outside of the image',
            looked_for=f'strokes on {drawn[0].width} x {drawn[0].height} pixels',
            found=f'x from {least[0]:.0f} to {most[0]:.0f}, y from {least[1]:.0f} to {most[1]:.0f}',
            remedy='does the annotation belong to this image? For a tile of a slide see --offset, --scale and --tiles',
        )


def _without_counts(words: str) -> str:
    return ' '.join(word for word in words.split() if not word.isdigit())
