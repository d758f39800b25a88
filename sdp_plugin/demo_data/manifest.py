"""Generated folders that say what they were generated with, and that exist whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sdp_plugin.errors import UserError
from sdp_plugin.files import naming
from sdp_plugin.records import read_json_file

MANIFEST_NAME = 'miniature.json'


def ensure_folder(folder: Path, parameters: dict, write: Callable[[Path], None]) -> bool:
    """Make a generated folder, unless the very same one is there already.

    It is written under a name of its own and renamed when complete, its manifest included, so that neither an
    interrupted run nor two runs at once leave a folder of that name with half the content. A folder generated with
    other parameters is replaced. A killed process leaves a hidden ``.<name>.partial.*`` folder, which may be deleted.

    Args:
        folder (Path): The folder.
        parameters (dict): All that decides its content, as plain JSON values.
        write (Callable[[Path], None]): Writes the content into an existing empty folder.

    Returns:
        bool: Whether it was written; False if it was there.

    Raises:
        UserError: If a folder of that name was not generated, or holds files that were added later.
    """
    if _is_there(folder, parameters):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.partial.', dir=folder.parent))
    try:
        content = partial / folder.name
        with naming(folder):
            content.mkdir()
            write(content)
            manifest = {'generated': True, 'parameters': parameters, 'files': _count_files(content)}
            (content / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')
        # Another run may have been faster.
        if _is_there(folder, parameters):
            return False
        if folder.exists():
            os.replace(folder, partial / 'outdated')
        os.replace(content, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def _is_there(folder: Path, parameters: dict) -> bool:
    if not folder.exists():
        return False
    manifest = _read_manifest(folder)
    extra = _count_files(folder) - manifest['files']
    if extra > 0:
        raise UserError(
            f'{folder} was generated, but {extra} files were added to it, and replacing it would lose them',
            remedy='move the folder away, or choose another output folder',
        )
    return extra == 0 and manifest['parameters'] == parameters


def _count_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob('*') if path != folder / MANIFEST_NAME)


def _read_manifest(folder: Path) -> dict:
    try:
        manifest = read_json_file(folder / MANIFEST_NAME)
        if not isinstance(manifest['parameters'], dict) or not isinstance(manifest['files'], int):
            raise TypeError('parameters or files are of the wrong type')
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{folder} exists and was not generated: it is left alone',
            looked_for=folder / MANIFEST_NAME,
            found=type(error).__name__,
            remedy='choose another output folder; real data is never overwritten',
        ) from None
    return manifest
