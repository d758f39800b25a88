"""Reading archives member by member, and writing files that are listed with their digests."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sdp_plugin.catalogue.manifests import Entry, Manifest
from sdp_plugin.errors import UserError
from sdp_plugin.files import sha256_of

_BLOCK = 1 << 20
_FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError)


def each_member(path: Path, visit: Callable[[str, IO[bytes]], None]) -> None:
    """Show each file of a zip, tar or gzipped tar to ``visit``: its name in the archive, and its content to be read.

    Names are to be matched, never joined to a folder: an archive may hold any.

    Raises:
        UserError: It is no such archive, or damaged.
    """
    with _damage_named(path):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        with archive.open(info) as content:
                            visit(info.filename, content)
            return
        with tarfile.open(path, 'r|*') as archive:
            for info in archive:
                if info.isfile():
                    visit(info.name, archive.extractfile(info))


@contextmanager
def gunzipped(path: Path) -> Iterator[IO[bytes]]:
    """The content of a gzipped file, to be read in blocks.

    Raises:
        UserError: It is no gzipped file, or damaged.
    """
    with _damage_named(path), gzip.open(path) as content:
        yield content


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise UserError(
            f'{path} is damaged, or no archive',
            found=f'{type(error).__name__}: {error}',
            remedy='delete it and fetch it again',
        ) from error


class Output:
    """Files below one root, each written whole or not at all, and listed in a manifest.

    Only one process writes at a time, so a temporary file has one name: what a killed process left of it is
    overwritten by the next, and never adds up.

    Args:
        root (Path): Of all paths.
        advance (Callable[[int], None]): Told how many bytes are done.
    """

    def __init__(self, root: Path, advance: Callable[[int], None] = lambda count: None) -> None:
        self.root = root
        self.manifest = Manifest()
        self._advance = advance

    def copy(self, name: str, content: IO[bytes]) -> None:
        """Write what ``content`` holds to ``name``, relative to the root.

        Raises:
            UserError: It cannot be written.
        """
        digest, size = hashlib.sha256(), 0
        with self.replacing(name) as temporary, _room(temporary), temporary.open('wb') as file:
            while block := content.read(_BLOCK):
                with _room(temporary):
                    file.write(block)
                digest.update(block)
                size += len(block)
                self._advance(len(block))
        self.manifest.files[name] = Entry(size, digest.hexdigest())

    def write(self, name: str, data: bytes) -> None:
        """Write ``data`` to ``name``, relative to the root.

        Raises:
            UserError: It cannot be written.
        """
        self.copy(name, io.BytesIO(data))

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """A temporary path that becomes ``name`` when the block ends without an exception; it is not listed yet."""
        path = self.root / name
        temporary = path.with_name(f'.{path.name}.partial')
        with _room(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def add(self, name: str, path: Path) -> None:
        """List the content of ``path`` as that of ``name``.

        Raises:
            UserError: It cannot be read.
        """
        with _room(path):
            self.manifest.files[name] = Entry(path.stat().st_size, sha256_of(path, self._advance))


@contextmanager
def _room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f'{path} cannot be written', found=error.strerror, remedy='make room, then go on') from error
