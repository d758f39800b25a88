"""The files of a data set and what a config asks of them, without torch: what every data set says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from sdp_plugin.catalogue.manifests import check_at_a_glance
from sdp_plugin.errors import UserError


@dataclass(frozen=True)
class Collection(ABC):
    """The files of one data set, and the part of them that a config asks for.

    A subclass is a frozen dataclass. Its fields are those arguments of the OpenMMLab data set that say which data are
    meant; names and defaults are said here alone. Nonsense is refused at construction, before a file is looked at.

    Args:
        data_root (str): The folder of the data. Defaults to ``''``.
    """

    READ_BY: ClassVar[tuple[str, ...]]
    """The fields that :meth:`read` depends on; all others choose from what was read."""

    LABELS: ClassVar[str | None] = None
    """What an image's label is, for metrics: ``'a class'``, ``'classes'`` or ``'a mask'``; None is unknown."""

    data_root: str = ''

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """What the config of an OpenMMLab data set asks for.

        Args:
            config (Mapping[str, Any]): The data set's arguments, among them others than those of this class.

        Raises:
            UserError: A value is none that its argument can have.
        """
        return cls(**{field.name: config[field.name] for field in fields(cls) if field.name in config})

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _hashable(getattr(self, field.name)))
        check_text('data_root', self.data_root)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes by index; None where only the OpenMMLab data set knows them.

        Raises:
            UserError: The files should tell, and are not there.
        """
        return None

    def whole(self) -> Self:
        """The same files, with nothing chosen from them."""
        return type(self)(**{name: getattr(self, name) for name in self.READ_BY})

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that hold these files alone, to be held against what ``tools/prepare_data.py`` recorded of them."""
        return (Path(self.data_root).expanduser(),)

    def read(self) -> Any:
        """Look at all files.

        Returns:
            Any: What was found, for :meth:`content` and :meth:`check`.

        Raises:
            UserError: Files are missing, damaged, may not be read, or are not this data set's; files that were prepared
                are missing or of another size.
        """
        with self.accessing():
            for folder in self.folders:
                check_at_a_glance(folder)
            return self.look()

    @abstractmethod
    def look(self) -> Any:
        """What :meth:`read` does; errors of the operating system are its to report."""

    @abstractmethod
    def content(self, found: Any) -> Iterable[object]:
        """What tells these files from others wherever they lie: arrays, or values with a stable text.

        Args:
            found (Any): What :meth:`read` returned.

        Raises:
            UserError: A file cannot be read.
        """

    def check(self, found: Any) -> None:  # noqa: B027 (most collections have nothing to choose)
        """Check that what is asked for can be chosen.

        Args:
            found (Any): What :meth:`read` returned.

        Raises:
            UserError: It cannot.
        """

    def read_some(self, found: Any, count: int) -> None:  # noqa: B027 (nobody knows how to read others' files)
        """Read some of the images that are asked for, evenly spread, so that a broken one is found early.

        Args:
            found (Any): What :meth:`read` returned.
            count (int): How many at most.

        Raises:
            UserError: One cannot be read.
        """

    @contextmanager
    def accessing(self) -> Iterator[None]:
        """Turn errors of the operating system into one that says which file is in the way.

        Raises:
            UserError: The block raised an ``OSError``.
        """
        try:
            yield
        except OSError as error:
            raise UserError(
                'The data cannot be read.',
                looked_for=f'files below {self.data_root} that may be read',
                found=error,
                remedy='check the permissions, and that the disk is there',
            ) from error

    def positions(self, found: Any) -> np.ndarray | None:
        """Where in what was found the chosen part is; None where two parts of the same files may share images."""
        return None


def check_text(name: str, value: object) -> None:
    """Refuse what is no text: no path, no name.

    Raises:
        UserError: It is none, or holds NUL.
    """
    if not isinstance(value, str) or '\0' in value:
        raise UserError(f'{name} has a value that it cannot have.', looked_for='a text', found=repr(value))


def evenly(number: int, count: int) -> np.ndarray:
    """Up to ``count`` positions from 0 to ``number - 1``, evenly spread, int64."""
    return np.unique(np.linspace(0, number - 1, min(number, count)).astype(np.int64))


def existing_folder(path: str | Path, holds: str) -> Path:
    """``path`` as a Path, ``~`` expanded, if it is a folder.

    Args:
        path (str | Path): The folder.
        holds (str): What it should hold, for the message.

    Raises:
        UserError: There is no such folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(
            'The data folder is missing.',
            looked_for=f'{folder.absolute()} with {holds}',
            found='a file' if folder.exists() else 'nothing',
            remedy='set data_root to where they lie; tools/prepare_data.py fetches public data (docs/data.md)',
        )
    return folder


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((key, _hashable(member)) for key, member in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return str(value) if isinstance(value, Path) else value
