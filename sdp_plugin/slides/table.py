"""A CSV of all tiles: where each lies in level 0, and what was predicted."""

from __future__ import annotations

import os

from sdp_plugin.files import CsvWriter, atomic_path
from sdp_plugin.slides.predictions import Predictions


def write_table(predictions: Predictions, path: str | os.PathLike) -> None:
    """Write one row a tile, in the order of rows and columns.

    ``x``, ``y``, ``width`` and ``height`` are the tile in pixels of level 0, ``cell_...`` the part of the slide that
    its prediction is for; they are the same where tiles do not overlap and do not reach over the edge. ``prob_CLASS``
    are probabilities, ``logit_CLASS`` what the network gave, in as many digits as float32 needs.
    """
    names, grid = predictions.classes.names, predictions.grid
    with atomic_path(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = CsvWriter(file)
        writer.writerow(
            ['column', 'row', 'x', 'y', 'width', 'height', 'cell_x', 'cell_y', 'cell_width', 'cell_height', 'predicted']
            + [f'prob_{name}' for name in names]
            + [f'logit_{name}' for name in names]
        )
        for indices, logits, probabilities in predictions.parts():
            for index, row_of_logits, row in zip(
                indices.tolist(), logits.tolist(), probabilities.tolist(), strict=True
            ):
                tile, cell = grid.tile(index), grid.cell(index)
                writer.writerow(
                    [*grid.place(index), tile.x, tile.y, tile.width, tile.height]
                    + [cell.x, cell.y, cell.width, cell.height, names[row.index(max(row))]]
                    + [f'{value:.6f}' for value in row]
                    + [f'{value:.9g}' for value in row_of_logits]
                )
