"""The files that a config inherits from by ``_base_``, read without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from sdp_plugin.errors import UserError


def files_of(path: Path, above: tuple[Path, ...] = ()) -> Iterator[tuple[Path, ast.Module]]:
    """A config file and those that it inherits from, itself first.

    Args:
        path (Path): The config file; nothing comes of one that is missing, or no Python.
        above (tuple[Path, ...]): The files that lead to it. Defaults to none.

    Yields:
        tuple[Path, ast.Module]: Each file and what stands in it.

    Raises:
        UserError: A file inherits from itself.
        SyntaxError: A file is no Python.
    """
    above = (*above, path.resolve())
    if above[-1] in above[:-1]:
        raise UserError(
            'The _base_ of a config goes round in a circle.',
            found=' -> '.join(map(str, above[above.index(above[-1]) :])),
            remedy=f'name another _base_ in {above[-2]}, or none',
        )
    if path.suffix != '.py' or not path.is_file():
        return
    tree = ast.parse(path.read_text(encoding='utf-8'))
    yield path, tree
    for statement in tree.body:
        if '_base_' in assigned(statement) and isinstance(statement.value, ast.Constant | ast.List | ast.Tuple):
            parts = getattr(statement.value, 'elts', [statement.value])
            # What is computed is left to mmengine.
            for base in (part.value for part in parts if isinstance(part, ast.Constant)):
                yield from files_of(path.parent / str(base), above)


def assigned(statement: ast.stmt) -> list[str]:
    """The names that a statement of a config gives a value."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def check_bases(path: Path) -> None:
    """Raise UserError if a config inherits from itself, which mmengine follows until Python's stack is full."""
    for _ in files_of(path):
        pass
