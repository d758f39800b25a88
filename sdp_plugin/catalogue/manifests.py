"""What lies on disk after a preparation: size and SHA-256 of each file, so that what is missing or damaged is found.

``tools/prepare_data.py`` writes one manifest for each part of a data set into ``<root>/.prepare_data/manifests``. It is
text: a line of JSON about the part, then a line for each file: SHA-256, size, path relative to the root.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sdp_plugin.errors import UserError
from sdp_plugin.files import sha256_of, write_text_atomically
from sdp_plugin.records import read_json, read_text

STATE_FOLDER = '.prepare_data'
# Asking a network file system for the size of each of 100,000 tiles takes minutes; listing their folders does not.
_MANY_FILES = 64


@dataclass(frozen=True)
class Entry:
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Faults:
    """What is wrong with the files of a manifest, by their paths relative to the root."""

    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.damaged)


@dataclass
class Manifest:
    """The files of one part of a data set.

    Args:
        about (dict): What decided their content, as plain JSON values.
        files (dict[str, Entry]): By path relative to the root, with forward slashes.
    """

    about: dict = field(default_factory=dict)
    files: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, about: str = '') -> Manifest | None:
        """The manifest in a file; None if there is none, it is damaged, or does not hold the text ``about``."""
        try:
            text = read_text(path)
            if about not in text:
                return None
            first, *lines = text.splitlines()
            files = {}
            for line in lines:
                sha256, size, name = line.split(' ', 2)
                files[name] = Entry(int(size), sha256)
            content = read_json(first.encode(), path)
        except (OSError, ValueError):
            return None
        return cls(content, files) if isinstance(content, dict) else None

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        lines = [json.dumps(self.about, sort_keys=True)]
        lines += [f'{entry.sha256} {entry.size} {name}' for name, entry in sorted(self.files.items())]
        write_text_atomically(path, '\n'.join(lines) + '\n')

    def glance(self, root: Path, under: Path | None = None) -> Faults:
        """What listing folders tells: missing files, and the sizes of those in folders of few files.

        Args:
            root (Path): The folder that the paths are relative to.
            under (Path | None): Look at files below this folder only. Defaults to None.
        """
        by_folder: dict[Path, list[str]] = {}
        for name in self.files:
            path = root / name
            if under is None or path.is_relative_to(under):
                by_folder.setdefault(path.parent, []).append(name)
        missing, damaged = [], []
        for folder, names in by_folder.items():
            there = _names_in(folder)
            absent = [name for name in names if name.rpartition('/')[2] not in there]
            missing += absent
            if len(names) <= _MANY_FILES:
                gone = set(absent)
                sizes = ((name, _size_of(root / name)) for name in names if name not in gone)
                damaged += [name for name, size in sizes if size != self.files[name].size]
        return Faults(tuple(sorted(missing)), tuple(sorted(damaged)))

    def verify(self, root: Path, advance: Callable[[int], None] = lambda count: None) -> Faults:
        """Read every byte of every file.

        Args:
            root (Path): The folder that the paths are relative to.
            advance (Callable[[int], None]): Told how many bytes were dealt with.
        """
        missing, damaged = [], []
        for name, entry in self.files.items():
            path = root / name
            size = _size_of(path)
            if size is None:
                missing.append(name)
            elif size != entry.size or not _has_digest(path, entry.sha256, advance):
                damaged.append(name)
        return Faults(tuple(missing), tuple(damaged))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    @property
    def stamp(self) -> str:
        """Another one as soon as a file is another."""
        lines = (f'{entry.sha256} {name}' for name, entry in sorted(self.files.items()))
        return hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:16]


def check_at_a_glance(folder: str | os.PathLike) -> None:
    """Hold the files below a folder against what was recorded when they were prepared; nothing if they were not.

    Names are looked at, and sizes where a folder holds few files: milliseconds.

    Args:
        folder (str | os.PathLike): A folder of data, at most three levels below the root of the preparation.

    Raises:
        UserError: A file is missing, or of another size.
    """
    folder = Path(os.path.abspath(folder))
    for root in (folder, *folder.parents[:3]):
        for path in sorted((root / STATE_FOLDER / 'manifests').glob('*.txt')):
            manifest = Manifest.read(path, about=f' {folder.relative_to(root).as_posix()}/')
            faults = manifest.glance(root, under=folder) if manifest else Faults()
            if faults:
                raise UserError(
                    f'{len(faults.missing)} files are missing and {len(faults.damaged)} damaged since the data were '
                    'prepared.',
                    looked_for='every file as tools/prepare_data.py made it',
                    found=f'not so: {root / (*faults.missing, *faults.damaged)[0]}',
                    remedy=f'python tools/prepare_data.py {path.name.partition(".")[0]} --root {root}',
                )


def _has_digest(path: Path, sha256: str, advance: Callable[[int], None]) -> bool:
    try:
        return sha256_of(path, advance) == sha256
    except OSError:  # The disk cannot read it.
        return False


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
