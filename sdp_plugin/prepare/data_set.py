"""What it takes to prepare a data set, as data: parts, the published files that each is made of, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.catalogue.manifests import STATE_FOLDER, Faults, Manifest
from sdp_plugin.files import write_text_atomically
from sdp_plugin.prepare.archives import Output

NO_FAULTS = Faults()
COMPLETE, INCOMPLETE, DAMAGED, ABSENT, UNVERIFIED = 'complete', 'incomplete', 'damaged', 'absent', 'unverified'


@dataclass(frozen=True)
class Part:
    """Files that are made together, and can be made anew without the others.

    Args:
        name (str): Of the part.
        build (Callable[[Sequence[Path], Output], None]): Makes the files from the published ones, in the order of
            ``files``.
        files (tuple[tuple[Download, ...], ...]): The published files. Of each the choices: the first that is to be had
            is taken.
        after (tuple[str, ...]): Parts of the same data set that this one is made of, too.
        settings (Mapping[str, object]): What else decides the files, as plain JSON values; None where any will do.
    """

    name: str
    build: Callable[[Sequence[Path], Output], None]
    files: tuple[tuple[Download, ...], ...] = ()
    after: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A data set as it is prepared.

    Args:
        name (str): On the command line.
        title (str): In full.
        terms (str): Licence or terms of use.
        citation (str): What to cite.
        folder (str): Relative to the root: there is something of the data set if this is there.
        parts (tuple[Part, ...]): In the order in which they are made.
        inspect (Callable[[Path], list[str]]): Looks at the content under a root: lines to say of it, or a UserError
            where it is not what the data card says.
    """

    name: str
    title: str
    terms: str
    citation: str
    folder: str
    parts: tuple[Part, ...]
    inspect: Callable[[Path], list[str]]

    def manifest_path(self, root: Path, part: Part) -> Path:
        """Where the manifest of a part lies."""
        return root / STATE_FOLDER / 'manifests' / f'{self.name}.{part.name}.txt'

    def about(self, root: Path, part: Part) -> dict:
        """What decides the files of a part, apart from the published ones."""
        made_of = {name: self._stamp(root, name) for name in part.after}
        return {'part': f'{self.name}.{part.name}', 'settings': dict(part.settings), 'after': made_of}

    def begin(self, root: Path) -> None:
        """Remember that what lies there is being made here, and may be replaced."""
        write_text_atomically(self._begun_path(root), '')

    def is_by_hand(self, root: Path) -> bool:
        """Whether something is there that was not made here."""
        return (root / self.folder).exists() and not self._begun_path(root).exists()

    def _begun_path(self, root: Path) -> Path:
        return root / STATE_FOLDER / 'manifests' / f'{self.name}.begun'

    def is_inspected(self, root: Path) -> bool:
        """Whether the content was found right, as it is now."""
        try:
            return self._inspected_path(root).read_text(encoding='utf-8') == self._stamps(root)
        except OSError:
            return False

    def inspect_once(self, root: Path) -> list[str]:
        """Inspect the content, and remember that it was found right.

        Raises:
            UserError: It is not what the data card says.
        """
        lines = self.inspect(root)
        write_text_atomically(self._inspected_path(root), self._stamps(root))
        return lines

    def _inspected_path(self, root: Path) -> Path:
        return root / STATE_FOLDER / 'manifests' / f'{self.name}.inspected'

    def _stamps(self, root: Path) -> str:
        return ' '.join(self._stamp(root, part.name) for part in self.parts)

    def _stamp(self, root: Path, name: str) -> str:
        part = next(part for part in self.parts if part.name == name)
        manifest = Manifest.read(self.manifest_path(root, part))
        return manifest.stamp if manifest else ''


@dataclass(frozen=True)
class Standing:
    """How a part stands.

    Args:
        state (str): ``complete``, ``incomplete``, ``damaged`` or ``absent``.
        faults (Faults): Missing and damaged files.
        reason (str): In words, where there is more to say.
    """

    state: str
    faults: Faults = NO_FAULTS
    reason: str = ''


def standing_of(
    data_set: DataSet, part: Part, root: Path, thorough: bool, advance: Callable[[int], None] = lambda count: None
) -> Standing:
    """How a part stands under a root: by reading every byte, or at a glance.

    Args:
        data_set (DataSet): The data set.
        part (Part): Of it.
        root (Path): The folder of all data sets.
        thorough (bool): Whether every byte is read.
        advance (Callable[[int], None]): Told how many bytes were read.
    """
    path = data_set.manifest_path(root, part)
    manifest = Manifest.read(path)
    if manifest is None:
        return Standing(ABSENT)
    manifest = _settled(path, manifest, root)
    faults = manifest.verify(root, advance) if thorough else manifest.glance(root)
    if faults.damaged:
        return Standing(DAMAGED, faults)
    if faults.missing:
        return Standing(INCOMPLETE, faults)
    about = data_set.about(root, part)
    made_of, settings = manifest.about.get('after'), manifest.about.get('settings', {})
    # A setting of None is that with which the files were made.
    if made_of != about['after'] or any(value not in (None, settings.get(key)) for key, value in part.settings.items()):
        return Standing(INCOMPLETE, reason='made with other settings, or of files that have changed since')
    return Standing(COMPLETE)


def next_manifest(path: Path) -> Path:
    """Where the manifest lies that is to replace the one at ``path`` as soon as the files are those that it lists."""
    return path.with_suffix('.next')


def _settled(path: Path, manifest: Manifest, root: Path) -> Manifest:
    """The manifest that holds, after a process was killed between replacing a file and replacing its manifest."""
    later = Manifest.read(next_manifest(path))
    return later if later and manifest.glance(root) and not later.glance(root) else manifest
