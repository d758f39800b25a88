"""A classifier on tiles: a folder of images or an HDF5 file, a table and a contact sheet of what was predicted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sdp_plugin.apis.predict import Classifier
from sdp_plugin.bars import over
from sdp_plugin.catalogue.tile_folder import IMAGE_SUFFIXES, is_tile
from sdp_plugin.datasets.transforms.loading_image import LoadImage
from sdp_plugin.datasets.transforms.loading_patch import LoadPatch
from sdp_plugin.errors import UserError, shortened
from sdp_plugin.files import CsvWriter, atomic_path
from sdp_plugin.hdf5 import images_of, open_file
from sdp_plugin.visualization.figures import TileBlock, save_contact_sheet

HDF5_SUFFIXES = ('.h5', '.hdf5')
PREDICTIONS_FILE = 'predictions.csv'
CONTACT_SHEET_FILE = 'contact_sheet.png'


@dataclass(frozen=True)
class TileSource:
    """Named tiles, read one by one.

    Args:
        names (tuple[str, ...]): What the tiles are called in the output: paths relative to a folder, or positions.
        records (tuple[dict, ...]): What ``load`` needs of each.
        load (LoadImage | LoadPatch): The transform that reads a tile.
    """

    names: tuple[str, ...]
    records: tuple[dict, ...]
    load: LoadImage | LoadPatch

    def read(self, position: int) -> np.ndarray:
        """The tile at a position: BGR, uint8, shape (H, W, 3)."""
        return self.load.transform(dict(self.records[position]))['img']


def are_tiles(path: str | Path) -> bool:
    """Whether :func:`open_tiles` is for this path: a folder or an HDF5 file."""
    return Path(path).is_dir() or Path(path).suffix.lower() in HDF5_SUFFIXES


def open_tiles(path: str | Path, array: str = 'x', out: str | os.PathLike | None = None) -> TileSource:
    """Find the tiles in a folder, its subfolders included, or in an HDF5 file.

    Args:
        path (str | Path): The folder, or a file with an array of RGB images.
        array (str): Name of the array in an HDF5 file: uint8, shape (N, H, W, 3). Defaults to ``'x'``.
        out (str | os.PathLike | None): The folder of the results, whose pictures are no tiles: it is passed over.

    Raises:
        UserError: If there is nothing at the path, or no tile in it, or it is also the folder of the results.
    """
    path = Path(path)
    if path.is_dir():
        results = None if out is None else Path(out).resolve()
        if path.resolve() == results:
            raise UserError(
                'The results would lie among the tiles, and be taken for tiles the next time.',
                found=path,
                remedy='name another --out; a folder below that of the tiles is passed over',
            )
        files = sorted(_tiles_below(path, results))
        if not files:
            raise UserError('The folder holds no tiles.', looked_for=', '.join(IMAGE_SUFFIXES), found=path)
        # A name that is not UTF-8 is shown with its bytes.
        names = tuple(file.relative_to(path).as_posix().encode(errors='backslashreplace').decode() for file in files)
        return TileSource(names, tuple(dict(img_path=str(file)) for file in files), LoadImage())
    if path.is_file() and path.suffix.lower() in HDF5_SUFFIXES:
        count = _count_patches(path, array)
        names = tuple(str(index) for index in range(count))
        return TileSource(names, tuple(dict(h5_path=str(path), h5_index=i) for i in range(count)), LoadPatch(array))
    raise UserError(
        'There are no tiles to classify.',
        looked_for=f'a folder of images, or a file ending in {" or ".join(HDF5_SUFFIXES)}',
        found=f'{path} ({"a file" if path.is_file() else "nothing"})',
    )


def _tiles_below(root: Path, without: Path | None) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        # os.walk would pass the folder over, and its tiles would be missing from the table without a word.
        raise UserError(
            'A folder of tiles cannot be read.',
            looked_for=error.filename,
            found=error.strerror,
            remedy='get access to it, or move it out of the folder of tiles',
        ) from error

    for folder, below, names in os.walk(root, onerror=refuse):
        below[:] = [name for name in below if Path(folder, name).resolve() != without]
        yield from (Path(folder, name) for name in names if is_tile(name))


def _count_patches(path: Path, array: str) -> int:
    with open_file(path) as file:
        return len(images_of(file, array))


def predict(classifier: Classifier, tiles: TileSource, batch_size: int = 64) -> np.ndarray:
    """Classify all tiles, with progress on the terminal. Tiles of another size are scaled to the classifier's.

    Tiles that cannot be read are named on stderr, and do not keep the others from being classified.

    Returns:
        np.ndarray: Probabilities, float32, shape (N, C); NaN in the rows of tiles that cannot be read.

    Raises:
        UserError: None of them can be read, or the network gives what are no numbers.
    """
    starts = range(0, len(tiles.names), batch_size)
    scaled = 0
    probabilities = np.full((len(tiles.names), len(classifier.classes)), np.nan, np.float32)
    problems: dict[int, UserError] = {}
    for start in over(starts, f'classifying {len(tiles.names)} tiles'):
        batch = {}
        for position in range(start, min(start + batch_size, len(tiles.names))):
            try:
                batch[position] = tiles.read(position)
            except UserError as error:
                problems[position] = error
        scaled += sum(tile.shape[:2] != classifier.input_size for tile in batch.values())
        if batch:
            fitting = [_fit(tile, classifier.input_size) for tile in batch.values()]
            scores = classifier.probabilities(fitting)
            finite = np.isfinite(scores).all(axis=1)
            if not finite.all():
                # An empty row stands for a tile that cannot be read.
                raise UserError(
                    'The scores of the network are not finite (NaN or infinity).',
                    found=shortened([tiles.names[p] for p, fine in zip(batch, finite, strict=True) if not fine]),
                    remedy='take another checkpoint: the weights of this one are damaged, or diverged in training',
                )
            probabilities[list(batch)] = scores
    if len(problems) == len(tiles.names):
        raise next(iter(problems.values()))
    if scaled:
        height, width = classifier.input_size
        print(f'note: {scaled} of {len(tiles.names)} tiles were scaled to the {width} x {height} pixels of training')
    if problems:
        print(f'{len(problems)} of {len(tiles.names)} tiles cannot be read:', file=sys.stderr)
    for position, error in problems.items():
        print(f'- {tiles.names[position]}: {error}', file=sys.stderr)
    return probabilities


def first_tiles(tiles: TileSource, classifier: Classifier, count: int) -> list[np.ndarray]:
    """The first tiles, scaled to the classifier's size: BGR, uint8, shape (H, W, 3) each."""
    return [_fit(tiles.read(position), classifier.input_size) for position in range(min(count, len(tiles.names)))]


def _fit(tile: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    # Bilinear, as the test pipelines of our configs scale.
    return tile if tile.shape[:2] == size else cv2.resize(tile, size[::-1], interpolation=cv2.INTER_LINEAR)


def write_predictions(
    out: str | os.PathLike, tiles: TileSource, classes: tuple[str, ...], probabilities: np.ndarray, shown: int = 16
) -> tuple[Path, Path]:
    """Write a CSV of all probabilities and a contact sheet of the most and the least certain tiles.

    Args:
        out (str | os.PathLike): Folder for both.
        tiles (TileSource): The tiles.
        classes (tuple[str, ...]): Class names.
        probabilities (np.ndarray): Shape (N, C); NaN for tiles that could not be read, whose rows stay empty.
        shown (int): Tiles in each half of the sheet. Defaults to 16.

    Returns:
        tuple[Path, Path]: The CSV and the contact sheet.
    """
    table, sheet = Path(out) / PREDICTIONS_FILE, Path(out) / CONTACT_SHEET_FILE
    with atomic_path(table) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = CsvWriter(file)
        writer.writerow(['tile', 'predicted', 'probability', *classes])
        writer.writerows(_rows(tiles, classes, probabilities))
    certainty = probabilities.max(axis=1)
    by_certainty = np.argsort(-certainty, kind='stable')[: np.isfinite(certainty).sum()]
    # With few tiles neither half shows what the other shows.
    shown = min(shown, (len(by_certainty) + 1) // 2)
    blocks = [
        _block(f'Most certain ({shown} of {len(by_certainty)})', by_certainty[:shown], tiles, classes, probabilities),
        _block('Least certain', by_certainty[shown:][::-1][:shown], tiles, classes, probabilities),
    ]
    save_contact_sheet([block for block in blocks if block.tiles], sheet)
    return table, sheet


def _rows(tiles: TileSource, classes: tuple[str, ...], probabilities: np.ndarray) -> Iterator[list[str]]:
    for name, row in zip(tiles.names, probabilities, strict=True):
        if np.isnan(row).all():
            yield [name, *[''] * (2 + len(classes))]
            continue
        best = int(row.argmax())
        yield [name, classes[best], f'{row[best]:.6f}', *(f'{value:.6f}' for value in row)]


def _block(
    title: str, positions: np.ndarray, tiles: TileSource, classes: tuple[str, ...], probabilities: np.ndarray
) -> TileBlock:
    images = [cv2.cvtColor(tiles.read(int(i)), cv2.COLOR_BGR2RGB) for i in positions]
    captions = [f'{classes[probabilities[i].argmax()]}\n{probabilities[i].max():.3f}' for i in positions]
    return TileBlock(title, images, captions)
