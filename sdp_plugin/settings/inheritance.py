"""The files that a config inherits from by ``_base_``, read without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
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
    for base in _bases(path, tree):
        yield from files_of(base, above)


def _bases(path: Path, tree: ast.Module) -> Iterator[Path]:
    for statement in tree.body:
        if '_base_' in assigned(statement) and isinstance(statement.value, ast.Constant | ast.List | ast.Tuple):
            parts = getattr(statement.value, 'elts', [statement.value])
            # What is computed is left to mmengine.
            yield from (path.parent / str(part.value) for part in parts if isinstance(part, ast.Constant))


def assigned(statement: ast.stmt) -> list[str]:
    """The names that a statement of a config gives a value."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def written_above(path: Path, name: str, place: Sequence[str], nearer: Path | None = None) -> Path | None:
    """The file that writes a value at a place, while one that it inherits from gives the name its value.

    Args:
        path (Path): The config file.
        name (str): A name at the top of configs.
        place (Sequence[str]): The keys that lead to the place.
        nearer (Path | None): One that was found on the way to this file. Defaults to None.

    Returns:
        Path | None: The nearest to the config; None if there is none.
    """
    _, tree = next(files_of(path), (path, ast.Module([], [])))
    values = {target: statement.value for statement in tree.body for target in assigned(statement)}
    if name in values:
        return nearer
    nearer = nearer or (path if _writes(values, place) else None)
    return next(filter(None, (written_above(base, name, place, nearer) for base in _bases(path, tree))), None)


def _writes(values: Mapping[str, ast.expr], place: Sequence[str]) -> bool:
    node = values.get(place[0])
    for key in place[1:]:
        node = values.get(node.id) if isinstance(node, ast.Name) else node
        if isinstance(node, ast.Call):
            node = {item.arg: item.value for item in node.keywords}.get(key)
        elif isinstance(node, ast.Dict):
            node = dict(zip((getattr(at, 'value', None) for at in node.keys), node.values, strict=True)).get(key)
    # A list, and what is computed, is written with all that is in it.
    return node is not None


def check_bases(path: Path) -> None:
    """Raise UserError if a config inherits from itself, which mmengine follows until Python's stack is full."""
    for _ in files_of(path):
        pass
