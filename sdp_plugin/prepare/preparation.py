"""Preparing a data set: find out what is missing or damaged, fetch what that is made of, make it, look at it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sdp_plugin.bars import Board
from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.catalogue.manifests import STATE_FOLDER, Manifest
from sdp_plugin.errors import UserError, shortened
from sdp_plugin.files import sole_use, write_json_atomically
from sdp_plugin.prepare.archives import Output
from sdp_plugin.prepare.data_set import COMPLETE, DataSet, Part, Standing, standing_of
from sdp_plugin.prepare.digests import digests_of
from sdp_plugin.prepare.transport import Patience, Transport
from sdp_plugin.records import read_json_file

# So that a disk is not filled to its last byte.
_RESERVE = 200_000_000


@dataclass(frozen=True)
class Sources:
    """Where published files come from.

    Args:
        offline (Path | None): A folder that holds them, below which they are looked for by name; nothing is downloaded.
        mirror (str | None): An address below which all of them lie by name; tried before their own addresses.
        jobs (int): Files fetched at once.
        replace (bool): Replace files that were brought into place by hand.
        keep (bool): Keep what was downloaded after it has been unpacked.
        yes (bool): Do not ask whether the terms are agreed to.
        patience (Patience): When to give an address up.
    """

    offline: Path | None = None
    mirror: str | None = None
    jobs: int = 3
    replace: bool = False
    keep: bool = False
    yes: bool = False
    patience: Patience = field(default_factory=Patience)


def prepare(data_set: DataSet, root: Path, sources: Sources, board: Board) -> bool:
    """Bring a data set into place, verified; what is in place already is left alone.

    It may be killed at any moment: called again, it goes on where it was.

    Args:
        data_set (DataSet): Which.
        root (Path): The folder of all data sets; made if missing.
        sources (Sources): Where its files come from.
        board (Board): Shown the progress.

    Returns:
        bool: Whether anything was made.

    Raises:
        UserError: The terms were not agreed to, the disk is too small, files could not be had or are not what was
            published, or the content is not what the data card says.
    """
    with sole_use(root / STATE_FOLDER / 'lock', 'preparation', 'name another --root'):
        if data_set.is_by_hand(root) and not sources.replace:
            _look_at_what_is_by_hand(data_set, root, board)
            return False
        standings = _standings(data_set, root, board)
        todo = [part for part in data_set.parts if standings[part.name].state != COMPLETE]
        if not todo and data_set.is_inspected(root):
            board.say(f'{data_set.name}: complete, every file as it was made')
            return False
        for part in todo:
            _say_standing(data_set, part, standings[part.name], board)
        store = _Store(root, sources, board)
        _check_space(todo, root, store)
        if any(part.files for part in todo):
            board.say(f'{data_set.title}\n  terms: {data_set.terms}\n  cite:  {data_set.citation}')
            if sources.offline is None and not sources.yes:
                _ask_for_agreement()
        data_set.begin(root)
        while todo:
            _make(data_set, todo, root, store, board)
            # Parts that are made of others which are not the same as before.
            todo = [part for part in data_set.parts if standing_of(data_set, part, root, False).state != COMPLETE]
        for line in data_set.inspect_once(root):
            board.say(f'{data_set.name}: {line}')
        return True


def _look_at_what_is_by_hand(data_set: DataSet, root: Path, board: Board) -> None:
    try:
        lines = data_set.inspect(root)
    except UserError as error:
        raise UserError(
            f'{root / data_set.folder} was brought into place by hand, and is not the whole data set.',
            found=error,
            remedy='move it away, or pass --replace to have its files replaced',
        ) from error
    for line in (*lines, 'brought into place by hand, so it is left alone; --replace makes it anew'):
        board.say(f'{data_set.name}: {line}')


def _standings(data_set: DataSet, root: Path, board: Board) -> dict[str, Standing]:
    manifests = (Manifest.read(data_set.manifest_path(root, part)) for part in data_set.parts)
    total = sum(manifest.size for manifest in manifests if manifest)
    with board.bar(f'{data_set.name}: verifying', total) as bar:
        return {part.name: standing_of(data_set, part, root, True, bar.advance) for part in data_set.parts}


def _say_standing(data_set: DataSet, part: Part, standing: Standing, board: Board) -> None:
    for word, names in (('missing', standing.faults.missing), ('damaged', standing.faults.damaged)):
        if names:
            board.say(f'{data_set.name}: {word}: {shortened(names, 3)}')
    if standing.reason:
        board.say(f'{data_set.name}: {part.name}: {standing.reason}')


def _ask_for_agreement() -> None:
    if not sys.stdin.isatty():
        raise UserError(
            'Nobody is there to agree to the terms.', remedy='read them above, and pass --yes if you agree to them'
        )
    if input('Do you agree to these terms? [y/N] ').strip().lower() not in ('y', 'yes'):
        raise UserError('The terms were not agreed to, so nothing was fetched.')


def _check_space(todo: Sequence[Part], root: Path, store: _Store) -> None:
    files = [choices[0] for part in todo for choices in part.files]
    needed = sum(store.still_to_fetch(download) + download.unpacked for download in files)
    free = shutil.disk_usage(root).free
    if free < needed + _RESERVE:
        raise UserError(
            'There is too little room on the disk.',
            looked_for=f'{(needed + _RESERVE) / 1e9:.1f} GB free for {root}',
            found=f'{free / 1e9:.1f} GB',
            remedy='make room, or name another folder with --root',
        )


def _make(data_set: DataSet, todo: Sequence[Part], root: Path, store: _Store, board: Board) -> None:
    """Make parts in order while the files of later ones are fetched; what can be made is, whatever cannot be had."""
    problems: list[str] = []
    failed: set[str] = set()
    with store.fetching([choices for part in todo for choices in part.files]) as arriving:
        for part in todo:
            if failed & set(part.after):
                failed.add(part.name)
                continue
            errors = [error for choices in part.files if (error := arriving[choices].exception())]
            fetched = [] if errors else [arriving[choices].result() for choices in part.files]
            try:
                if not errors:
                    _build(data_set, part, root, fetched, board)
                    store.done_with(fetched)
            except UserError as error:
                errors.append(error)
                store.distrust(fetched)
            problems += map(str, _user_errors(errors))
            failed |= {part.name} if errors else set()
    if problems:
        raise UserError('\n'.join(problems))


def _user_errors(errors: Sequence[BaseException]) -> Sequence[BaseException]:
    """The same errors; the first that is no user's mistake is raised."""
    for error in errors:
        if not isinstance(error, UserError):
            raise error
    return errors


def _build(data_set: DataSet, part: Part, root: Path, fetched: Sequence[Fetched], board: Board) -> None:
    with board.bar(f'{data_set.name}: making {part.name}', sum(file.download.unpacked for file in fetched)) as bar:
        output = Output(root, bar.advance)
        part.build([file.path for file in fetched], output)
    output.manifest.about = data_set.about(root, part)
    output.manifest.about['made of'] = {file.download.file_name: file.sha256 for file in fetched}
    output.manifest.write(data_set.manifest_path(root, part))
    board.say(
        f'{data_set.name}: {part.name}: {len(output.manifest.files):,} files, {output.manifest.size / 1e6:,.1f} MB'
    )


@dataclass(frozen=True)
class Fetched:
    """A published file on disk, verified.

    Args:
        download (Download): Which.
        path (Path): Where it lies.
        sha256 (str): Of its bytes.
    """

    download: Download
    path: Path
    sha256: str


class _Store:
    """Gets published files, from a folder or over the network, and remembers digests where none is published."""

    def __init__(self, root: Path, sources: Sources, board: Board) -> None:
        self.sources, self.board = sources, board
        self.folder = root / STATE_FOLDER / 'downloads'
        self.first_use = root / STATE_FOLDER / 'first_use.json'
        self.transport = Transport(sources.patience, board.say)

    def still_to_fetch(self, download: Download) -> int:
        """Bytes that the network has to bring, as far as is known."""
        if self.sources.offline is not None:
            return 0
        there = [self.folder / download.file_name, self.folder / f'{download.file_name}.part']
        return max(0, (download.size or 0) - max(path.stat().st_size if path.is_file() else 0 for path in there))

    @contextmanager
    def fetching(self, wanted: Sequence[tuple[Download, ...]]) -> Iterator[dict[tuple[Download, ...], Future[Fetched]]]:
        """The futures of files, several of which are fetched at once."""
        with ThreadPoolExecutor(self.sources.jobs) as pool:
            try:
                yield {choices: pool.submit(self._get, choices) for choices in dict.fromkeys(wanted)}
            except BaseException:
                self.transport.halt()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _get(self, choices: tuple[Download, ...]) -> Fetched:
        problems = []
        for download in choices:
            try:
                return self._from_folder(download) if self.sources.offline else self._from_network(download)
            except UserError as error:
                problems.append(str(error))
        raise UserError('\n'.join(problems))

    def _from_folder(self, download: Download) -> Fetched:
        folder = self.sources.offline
        places = sorted(place for place, _, names in os.walk(folder) if download.file_name in names)
        path = Path(places[0]) / download.file_name if places else None
        if path is None:
            raise UserError(
                f'{download.file_name} is missing.',
                looked_for=f'{folder.absolute()}, and the folders in it',
                remedy=f'bring it from {download.url}' + (f' ({download.size:,} bytes)' if download.size else ''),
            )
        with self.board.bar(f'verifying {download.file_name}', path.stat().st_size) as bar:
            digests = digests_of(path, download, bar.advance)
        fault = digests.fault(self._recorded(download))
        if fault:
            raise UserError(
                f'{path} is not the published file.', found=fault, remedy=f'bring it again from {download.url}'
            )
        return Fetched(download, path, digests.sha256)

    def _from_network(self, download: Download) -> Fetched:
        path = self.folder / download.file_name
        recorded = self._recorded(download)
        with self.board.bar(download.file_name, download.size) as bar:
            if path.is_file():
                # Of a run that was killed before it had unpacked it, or kept. Verified anew: months may have passed.
                path.replace(path.with_name(f'{path.name}.part'))
            digests = self.transport.fetch(download, self._addresses(download), path, bar, recorded)
        return Fetched(download, path, digests.sha256)

    def _addresses(self, download: Download) -> list[str]:
        mirror = self.sources.mirror
        first = [f'{mirror.rstrip("/")}/{download.file_name}'] if mirror else []
        return [*first, download.url, *download.mirrors]

    def _recorded(self, download: Download) -> str | None:
        return None if download.has_digest else self._records().get(download.file_name)

    def _records(self) -> dict[str, str]:
        try:
            records = read_json_file(self.first_use)
        except (OSError, ValueError):
            return {}
        return records if isinstance(records, dict) else {}

    def done_with(self, fetched: Sequence[Fetched]) -> None:
        """Record digests that nobody has published, and delete what was downloaded; what a user brought stays."""
        records = self._records()
        for file in fetched:
            if not file.download.has_digest and file.download.file_name not in records:
                records[file.download.file_name] = file.sha256
                write_json_atomically(self.first_use, records)
                self.board.say(
                    f'{file.download.file_name}: no digest is published. Its SHA-256 is {file.sha256}; it is recorded '
                    f'in {self.first_use} and checked from now on.'
                )
            if not self.sources.keep:
                self._delete(file)

    def distrust(self, fetched: Sequence[Fetched]) -> None:
        """Delete what was downloaded, could not be used, and cannot be held against a digest."""
        for file in fetched:
            if not file.download.has_digest:
                self._delete(file)

    def _delete(self, file: Fetched) -> None:
        if file.path.parent == self.folder:
            file.path.unlink(missing_ok=True)
