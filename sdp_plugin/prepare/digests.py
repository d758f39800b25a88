"""Holding bytes against what is published of them, while they stream by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sdp_plugin.catalogue.downloads import Download

_BLOCK = 1 << 20


class Digests:
    """The digests of a file as its bytes arrive.

    Args:
        download (Download): What is published.
        size (int | None): The size that the server announced, where none is published: a git blob's id begins with it.
    """

    def __init__(self, download: Download, size: int | None = None) -> None:
        self.download = download
        self.count = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._announced = download.size if download.size is not None else size
        self._blob = hashlib.sha1(b'blob %d\0' % (self._announced or 0), usedforsecurity=False)

    def update(self, block: bytes) -> None:
        """Take in the next bytes."""
        self.count += len(block)
        self._sha256.update(block)
        if self.download.md5 and not self.download.sha256:
            self._md5.update(block)
        if self.download.git_blob:
            self._blob.update(block)

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""
        return self._sha256.hexdigest()

    def fault(self, recorded: str | None = None) -> str:
        """What does not fit, in words; empty if all does.

        Args:
            recorded (str | None): The SHA-256 that was recorded when a file without a published digest was first used.
        """
        published = self.download
        if published.size is not None and self.count != published.size:
            return f'{self.count:,} bytes instead of {published.size:,}'
        pairs = [('SHA-256', published.sha256, self.sha256), ('git blob', published.git_blob, self._blob.hexdigest())]
        if not published.sha256:
            pairs.append(('md5', published.md5, self._md5.hexdigest()))
        if not published.has_digest:
            pairs.append(('SHA-256 (recorded at first use)', recorded, self.sha256))
        wrong = [f'{name} {found} instead of {wanted}' for name, wanted, found in pairs if wanted not in (None, found)]
        return '; '.join(wrong)


def digests_of(path: Path, download: Download, advance=lambda count: None) -> Digests:
    """The digests of a file on disk.

    Args:
        path (Path): The file.
        download (Download): What is published of it.
        advance (Callable[[int], None]): Told how many bytes were read.
    """
    digests = Digests(download, path.stat().st_size)
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digests.update(block)
            advance(len(block))
    return digests
