"""A classifier on many slides: one folder of results a slide, resumable, and a bad slide stops no other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from sdp_plugin.bars import Board, over
from sdp_plugin.errors import UserError
from sdp_plugin.files import CsvWriter, atomic_path, write_json_atomically
from sdp_plugin.records import read_json_file
from sdp_plugin.slides.classes import SlideClasses, outlines_file_of
from sdp_plugin.slides.contact_sheet import write_contact_sheet
from sdp_plugin.slides.geojson import write_detections, write_outlines
from sdp_plugin.slides.heatmap import overlay, write_overlay, write_pyramid
from sdp_plugin.slides.inference import LogitsFile, classify, read_tile
from sdp_plugin.slides.model import SlideModel
from sdp_plugin.slides.predictions import Predictions
from sdp_plugin.slides.reading import Slide, open_slide
from sdp_plugin.slides.summary import summarise
from sdp_plugin.slides.table import write_table
from sdp_plugin.slides.tiling import TileGrid, cells_on, make_grid
from sdp_plugin.slides.tissue import drawn_areas, find_tissue

LONGEST_OVERVIEW = 2048
COARSER_IS_SAID = Fraction(11, 10)
"""A slide that is coarser than the model by more than this is named: its tiles are enlarged."""

LOGITS_FILE, SETTINGS_FILE, SUMMARY_FILE = '.logits.f32', '.settings.json', 'summary.json'
ALL_SLIDES_FILE = 'slides.csv'


@dataclass(frozen=True)
class SlideOptions:
    """How slides are looked at.

    Args:
        slide_mpp (float | None): Micrometres a pixel of level 0, instead of what the files say.
        stride (int | None): Distance of neighbouring tiles in pixels of a tile; None is a tile's side.
        tissue (Path | None): A GeoJSON of the areas to classify; None finds tissue.
        least_tissue (float): Covered part from which on a cell is classified.
        batch_size (int): Tiles at once.
        readers (int): Threads that read.
        shown (int): Tiles in each block of the contact sheet.
        overwrite (bool): Whether results of other settings are replaced.
    """

    slide_mpp: float | None = None
    stride: int | None = None
    tissue: Path | None = None
    least_tissue: float = 0.25
    batch_size: int = 64
    readers: int = 2
    shown: int = 12
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a slide: its summary, or the problem that ended it."""

    slide: Path
    summary: dict | None = None
    problem: str = ''


def predict_slides(
    paths: Sequence[Path],
    model: SlideModel,
    classes: SlideClasses,
    out: Path,
    options: SlideOptions = SlideOptions(),
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Classify slides one after the other, each into the folder of its name, and list them in one table.

    Args:
        paths (Sequence[Path]): The slides.
        model (SlideModel): The classifier.
        classes (SlideClasses): Its classes.
        out (Path): The folder of the folders.
        options (SlideOptions): How.
        say (Callable[[str], None]): Is told a line for each slide.

    Returns:
        list[Outcome]: In the order of the slides.

    Raises:
        UserError: If two slides have one name, or the only slide cannot be used.
    """
    names = [path.stem for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            'Two slides would have one folder of results.',
            found=', '.join(str(path) for path in paths if path.stem in twice),
            remedy='give each an --out of its own',
        )
    outcomes = []
    for number, path in enumerate(paths, start=1):
        title = f'{path.name} ({number} of {len(paths)})'
        try:
            summary = predict_slide(path, model, classes, out / path.stem, options, title, say)
            outcomes.append(Outcome(path, summary))
        except UserError as error:
            if len(paths) == 1:
                raise
            outcomes.append(Outcome(path, problem=' '.join(str(error).split())))
            say(f'{title}: left out: {outcomes[-1].problem}')
    _write_list(outcomes, classes, out / ALL_SLIDES_FILE)
    return outcomes


def predict_slide(
    path: Path,
    model: SlideModel,
    classes: SlideClasses,
    folder: Path,
    options: SlideOptions,
    title: str = '',
    say: Callable[[str], None] = print,
) -> dict:
    """Classify one slide and write all of its results; an interrupted one goes on where it was.

    Returns:
        dict: The summary.

    Raises:
        UserError: If it cannot be read, its resolution is unknown, it shows no tissue, or the folder holds results of
            other settings.
    """
    with open_slide(path, options.slide_mpp) as slide:
        grid = make_grid(slide, model.input_size, model.mpp, options.stride)
        _say_if_coarser(slide, model, title, say)
        scale = max(1, -(-max(slide.width, slide.height) // LONGEST_OVERVIEW))
        picture = slide.overview(scale, lambda blocks: over(blocks, f'{title}, overview'))
        indices = _chosen_cells(slide, grid, picture, scale, options)
        fingerprint = slide.fingerprint()
        _claim(folder, _settings(model, classes, options, fingerprint, grid, indices), options.overwrite)
        file = LogitsFile(folder / LOGITS_FILE, len(indices), len(classes.names), options.batch_size)
        done = file.done()
        if done:
            say(f'{title}: {done:,} of {len(indices):,} tiles are there already')
        with Board() as board, board.bar(title, len(indices), done) as bar:
            logits = classify(slide, grid, indices, model.network, model.input_size, file, options.readers, bar.advance)
        mpp = tuple(float(value) for value in slide.mpp)
        predictions = Predictions(path, fingerprint, mpp, grid, indices, logits, classes)
        summary = _write_results(predictions, slide, model, picture, scale, folder, options.shown)
    target = summary['target']
    say(
        f'{title}: {len(indices):,} tiles, {summary["classified_mm2"]:.3f} mm2, of them {target["mm2"]:.3f} mm2 '
        f'({target["percent"]:.1f} %) {target["class"]} >= {target["threshold"]:g}: {folder}'
    )
    return summary


def _chosen_cells(slide: Slide, grid: TileGrid, picture: np.ndarray, scale: int, options: SlideOptions) -> np.ndarray:
    if options.tissue is None:
        mask = find_tissue(picture, scale * float(slide.mpp[0]))
        if not mask.any():
            raise UserError(
                f'{slide.path} shows no tissue.',
                looked_for='colour, in pieces of a size',
                remedy='draw the areas to classify in QuPath and give their GeoJSON with --tissue',
            )
    else:
        mask = drawn_areas(options.tissue, picture.shape[:2], scale)
    indices = cells_on(mask, scale, grid, options.least_tissue)
    if not len(indices):
        raise UserError(
            f'No tile of {slide.path} holds enough tissue.',
            looked_for=f'{options.least_tissue:.0%} of its cell',
            remedy='lower --min-tissue or --stride',
        )
    return indices


def _say_if_coarser(slide: Slide, model: SlideModel, title: str, say: Callable[[str], None]) -> None:
    times = max(slide.mpp) / Fraction(str(model.mpp))
    if times > COARSER_IS_SAID:
        say(f'{title}: note: the slide is {float(times):.2f} times coarser than what the model was trained on')


def _settings(
    model: SlideModel,
    classes: SlideClasses,
    options: SlideOptions,
    fingerprint: str,
    grid: TileGrid,
    indices: np.ndarray,
) -> dict:
    """All that logits depend on."""
    return {
        'model': model.identity,
        'classes': list(classes.names),
        'slide': fingerprint,
        'side': list(grid.side),
        'step': list(grid.step),
        'tiles': hashlib.sha256(indices.astype('<i8').tobytes()).hexdigest(),
        'batch_size': options.batch_size,
    }


def _claim(folder: Path, settings: dict, overwrite: bool) -> None:
    """Make sure that what lies in the folder is of these settings, or begin it."""
    path = folder / SETTINGS_FILE
    there = _read_settings(path)
    if there == settings:
        return
    if there is not None and not overwrite:
        raise UserError(
            f'{folder} holds results of other settings.',
            found='another ' + ', '.join(key for key in settings if there.get(key) != settings[key]),
            remedy='name another --out, or replace them with --overwrite',
        )
    (folder / LOGITS_FILE).unlink(missing_ok=True)
    # Of other classes than the one that is outlined now, nothing would take the place of what was outlined before.
    for name in (there or {}).get('classes') or ():
        (folder / outlines_file_of(str(name))).unlink(missing_ok=True)
    write_json_atomically(path, settings)


def _read_settings(path: Path) -> dict | None:
    if not path.is_file():
        return None
    try:
        there = read_json_file(path)
    except (OSError, ValueError):
        return {}
    return there if isinstance(there, dict) else {}


def _write_results(
    predictions: Predictions,
    slide: Slide,
    model: SlideModel,
    picture: np.ndarray,
    scale: int,
    folder: Path,
    shown: int,
) -> dict:
    write_table(predictions, folder / 'tiles.csv')
    write_detections(predictions, folder / 'tiles.geojson')
    write_outlines(predictions, folder / predictions.classes.outlines_file)
    write_overlay(predictions, picture, scale, folder / 'heatmap.png')
    write_pyramid(predictions, folder / 'heatmap.ome.tif')
    write_contact_sheet(
        predictions,
        lambda index: read_tile(slide, predictions.grid, index, model.input_size),
        overlay(predictions, picture, scale),
        folder / 'contact_sheet.html',
        shown,
        model.activation,
    )
    summary = {**summarise(predictions), 'overlay_scale': scale}
    write_json_atomically(folder / SUMMARY_FILE, summary)
    return summary


def _write_list(outcomes: Sequence[Outcome], classes: SlideClasses, path: Path) -> None:
    with atomic_path(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = CsvWriter(file)
        target = f'{classes.target_name} >= {classes.threshold:g}'
        writer.writerow(
            ['slide', 'tiles', 'classified_mm2', f'{target}, mm2', f'{target}, percent']
            + [f'{name}, {unit}' for name in classes.names for unit in ('mm2', 'percent')]
            + ['problem']
        )
        for outcome in outcomes:
            writer.writerow([str(outcome.slide), *_numbers(outcome.summary, classes), outcome.problem])


def _numbers(summary: dict | None, classes: SlideClasses) -> list:
    if summary is None:
        return [''] * (4 + 2 * len(classes.names))
    areas = [summary['target'], *(summary['classes'][name] for name in classes.names)]
    return [summary['tiles'], summary['classified_mm2'], *(area[unit] for area in areas for unit in ('mm2', 'percent'))]
