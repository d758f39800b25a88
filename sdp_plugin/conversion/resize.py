"""Position tables for another window or image size.

Bicubic interpolation without aligned corners, as MMPretrain resizes them at load time; computed with torch, since
SciPy's ``interp2d``, which both libraries use for some, no longer exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sdp_plugin.conversion.rules import match


@dataclass(frozen=True)
class PositionTable:
    """A tensor whose rows or columns are the cells of a square grid, beside a few that are not.

    Args:
        name (str): Template of its name.
        dimension (int): Which dimension runs over the cells; the last one runs over channels or heads.
        before (int): How many entries precede the grid (a class token).
        after (int): How many follow it (BEiT's three entries for the class token).
    """

    name: str
    dimension: int
    before: int = 0
    after: int = 0

    def resized(self, table: Tensor, length: int) -> Tensor:
        """The table with ``length`` entries along its dimension."""
        cells = table.movedim(self.dimension, 0)
        end = len(cells) - self.after
        grid = cells[self.before : end]
        old, new = _side(len(grid)), _side(length - self.before - self.after)
        flat = grid.reshape(old, old, -1).permute(2, 0, 1)[None].float()
        scaled = functional.interpolate(flat, size=(new, new), mode='bicubic', align_corners=False)
        scaled = scaled[0].permute(1, 2, 0).reshape(new * new, *grid.shape[1:]).to(table.dtype)
        return torch.cat([cells[: self.before], scaled, cells[end:]]).movedim(0, self.dimension).contiguous()


def _side(cells: int) -> int:
    side = round(cells**0.5)
    return side if side * side == cells else -1


def resize_position_tables(
    state: Mapping[str, Tensor], tables: Sequence[PositionTable], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Resize the tables whose length differs from that of the same architecture at the target's size.

    Args:
        state: The source's tensors.
        tables: Which of them are position tables.
        wanted: The state dict of the source's architecture, built at the target's size.

    Returns:
        All tensors, and the names of those that were resized. A table over a grid that is not square is left as it
        is, for the conversion to refuse by its shape.
    """
    resized = dict(state)
    names = []
    for name, tensor in state.items():
        table = next((table for table in tables if match(table.name, name) is not None), None)
        if table is None or name not in wanted or tensor.shape == wanted[name].shape:
            continue
        lengths = (tensor.shape[table.dimension], wanted[name].shape[table.dimension])
        if min(_side(length - table.before - table.after) for length in lengths) < 1:
            continue
        resized[name] = table.resized(tensor, lengths[1])
        names.append(name)
    return resized, tuple(names)
