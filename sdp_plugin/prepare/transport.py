"""Fetching published files over HTTP: resumed where they broke off, tried again, verified while they stream.

``requests`` does the transport (redirects, proxies and certificates as its documentation says: ``HTTPS_PROXY``,
``NO_PROXY``, ``REQUESTS_CA_BUNDLE``). What it lacks is here: going on from a part of a file, deciding what is worth
another try and when, telling an error page from data, and a final name for verified bytes only.
"""

from __future__ import annotations

import email.utils
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from sdp_plugin import __version__
from sdp_plugin.bars import Bar
from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.digests import Digests, digests_of

_BLOCK = 1 << 16
# Responses after which the same request may succeed: a timeout, too many requests, a server out of order.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_PAGE_STARTS = (b'<!doctype html', b'<html', b'<?xml', b'<head')


@dataclass(frozen=True)
class Patience:
    """When to give up, in seconds.

    Args:
        connect (float): Wait so long for a connection.
        stall (float): Wait so long for the next byte.
        tries (int): Give an address up after so many failures in a row without a single new byte.
        first_wait (float): Before the second try; doubled before each further one, and drawn evenly from zero up to
            that, so that many clients do not come back at once.
        longest_wait (float): No wait is longer, also where a server asks for it.
    """

    connect: float = 20
    stall: float = 60
    tries: int = 6
    first_wait: float = 1
    longest_wait: float = 120

    def wait(self, failures: int) -> float:
        """Seconds before the try after so many failures."""
        return random.uniform(0, min(self.longest_wait, self.first_wait * 2**failures))


class Interrupted(Exception):
    """Another thread ended the work."""


class _Fault(Exception):
    """Why a try failed.

    Args:
        reason (str): In words.
        passing (bool): Whether another try at the same address may help.
        wait (float | None): How long the server asked to wait, in seconds.
        worthless (bool): Whether the bytes so far are wrong and have to go.
    """

    def __init__(self, reason: str, passing: bool = False, wait: float | None = None, worthless: bool = False) -> None:
        super().__init__(reason)
        self.passing, self.wait, self.worthless = passing, wait, worthless


class Transport:
    """Fetches files into one folder; may be used from several threads at once.

    Args:
        patience (Patience): When to give up.
        say (Callable[[str], None]): Told what happens that is not as planned.
    """

    def __init__(self, patience: Patience | None = None, say: Callable[[str], None] = print) -> None:
        self.patience = patience or Patience()
        self.say = say
        self.stop = threading.Event()
        self._open: set[requests.Response] = set()

    def halt(self) -> None:
        """End all fetching, also where a thread waits for bytes that do not come."""
        self.stop.set()
        for response in tuple(self._open):
            # urllib3 has it from 2.3 on; before, a stalled thread ends when its patience does.
            getattr(response.raw, 'shutdown', lambda: None)()

    def fetch(
        self, download: Download, addresses: Sequence[str], path: Path, bar: Bar, recorded: str | None = None
    ) -> Digests:
        """Fetch a file; it has its name only when it is whole and verified.

        Until then it is ``<name>.part``, from which another call goes on, also in another process.

        Args:
            download (Download): What is published of it.
            addresses (Sequence[str]): Tried in this order.
            path (Path): Where to.
            bar (Bar): Shown the progress.
            recorded (str | None): SHA-256 that was recorded at the first use, where no digest is published.

        Returns:
            Digests: Of the file.

        Raises:
            UserError: No address gave the file. The message says what each one gave.
            Interrupted: ``stop`` was set.
        """
        part = path.with_name(f'{path.name}.part')
        path.parent.mkdir(parents=True, exist_ok=True)
        if not download.has_digest and recorded is None:
            # Nothing would show that the rest comes from another version than the beginning.
            part.unlink(missing_ok=True)
        reasons = []
        for address in addresses:
            reason, digests = self._fetch_from(download, address, part, bar, recorded)
            if digests is not None:
                part.replace(path)
                return digests
            self.say(f'{download.file_name}: {address}: {reason}')
            reasons.append(f'{address}: {reason}')
        raise UserError(
            f'{download.file_name} could not be fetched.',
            looked_for=' or '.join(addresses),
            found='\n              '.join(reasons),
            remedy='try again later (it goes on where it was), name a mirror with --mirror URL, or bring the file '
            'by other means and name its folder with --offline DIR',
        )

    def _fetch_from(
        self, download: Download, address: str, part: Path, bar: Bar, recorded: str | None
    ) -> tuple[str, Digests | None]:
        """What the address gave last, in words, and the digests of the verified part, if it came to that."""
        failures, wrong = 0, 0
        while True:
            before = _size_of(part)
            try:
                return '', self._try(download, address, part, bar, recorded)
            except _Fault as fault:
                reason, problem = str(fault), fault
            if problem.worthless:
                part.unlink(missing_ok=True)
                wrong += 1
            failures = 0 if _size_of(part) > before and not problem.worthless else failures + 1
            # Wrong bytes may be due to a part of another version, or to a fault on the way: once more, from the start.
            if failures >= self.patience.tries or wrong > 1 or not (problem.passing or problem.worthless):
                return reason, None
            wait = self.patience.wait(failures) if problem.wait is None else problem.wait
            wait = min(wait, self.patience.longest_wait)
            self.say(f'{download.file_name}: {reason}; again in {wait:.1f} s')
            if self.stop.wait(wait):
                raise Interrupted

    def _try(self, download: Download, address: str, part: Path, bar: Bar, recorded: str | None) -> Digests:
        if download.size is not None and _size_of(part) > download.size:
            part.unlink()
        digests = Digests(download)
        if part.is_file():
            bar.restart(total=download.size)
            digests = digests_of(part, download, bar.advance)
        if not digests.count or digests.count != download.size:
            with self._answer(address, digests.count) as response:
                self._open.add(response)
                try:
                    digests = self._take(download, response, part, digests, bar)
                finally:
                    self._open.discard(response)
        if download.git_blob and download.size is None:
            # A blob's id begins with its size, which is known for sure only now.
            digests = digests_of(part, download)
        fault = digests.fault(recorded)
        if fault:
            raise _Fault(fault, worthless=True)
        return digests

    def _answer(self, address: str, there: int) -> requests.Response:
        """The server's answer to a request for what is missing; nothing of its body is read."""
        headers = {'User-Agent': f'sdp_plugin/{__version__}', 'Accept-Encoding': 'identity'}
        if there:
            headers['Range'] = f'bytes={there}-'
        try:
            timeouts = (self.patience.connect, self.patience.stall)
            response = requests.get(address, headers=headers, stream=True, timeout=timeouts)
        except requests.exceptions.SSLError as error:
            raise _Fault(f'the certificate is not trusted ({_last_words(error)})') from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise _Fault('this is no address') from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Fault(f'no connection ({_last_words(error)})', passing=True) from error
        fault = _fault_of(response, there)
        if fault is not None:
            response.close()
            raise fault
        return response

    def _take(self, download: Download, response: requests.Response, part: Path, digests: Digests, bar: Bar) -> Digests:
        """Append an answer to the part, or begin it anew where the server sends all of it."""
        total = _total_of(response)
        if response.status_code != 206:
            digests = Digests(download)
        begin, announced = digests.count, download.size if total is None else total
        bar.restart(begin, announced)
        blocks = response.raw.stream(_BLOCK, decode_content=False)
        try:
            block = next(blocks, b'')
            if not begin and block.lstrip()[:20].lower().startswith(_PAGE_STARTS):
                raise _page(response)
            if download.size is not None and announced != download.size:
                raise _Fault(f'another file: {announced:,} bytes instead of {download.size:,}')
            with part.open('ab' if begin else 'wb') as file:
                while block:
                    if self.stop.is_set():
                        raise Interrupted
                    _write(file, block, part)
                    digests.update(block)
                    bar.advance(len(block))
                    block = next(blocks, b'')
        except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
            raise _Fault(f'broke off after {digests.count:,} bytes ({_last_words(error)})', passing=True) from error
        if announced is not None and digests.count < announced:
            raise _Fault(f'broke off after {digests.count:,} of {announced:,} bytes', passing=True)
        return digests


def _fault_of(response: requests.Response, there: int) -> _Fault | None:
    """What is wrong with an answer by its status and headers."""
    status = response.status_code
    if status == 416:
        return _Fault('has no more bytes than the part that is there, which is not the whole file', worthless=True)
    if status not in (200, 206):
        words = f'answered {status} {response.reason or ""}'.rstrip()
        return _Fault(words, passing=status in _PASSING, wait=_asked_wait(response) if status in _PASSING else None)
    if 'html' in response.headers.get('Content-Type', '').lower():
        return _page(response)
    if status == 206 and not response.headers.get('Content-Range', '').startswith(f'bytes {there}-'):
        return _Fault('sent another range than was asked for', worthless=True)
    return None


def _page(response: requests.Response) -> _Fault:
    return _Fault(
        f'a web page came instead of data, from {response.url} (a log-in, an error or a list of files: open it in a '
        'browser)'
    )


def _total_of(response: requests.Response) -> int | None:
    """The size of the whole file as the server announces it."""
    if response.status_code == 206:
        text = response.headers.get('Content-Range', '').rpartition('/')[2]
    else:
        text = response.headers.get('Content-Length', '')
    return int(text) if text.isdecimal() else None


def _asked_wait(response: requests.Response) -> float | None:
    """Seconds to wait by ``Retry-After``, which holds seconds or a date."""
    text = response.headers.get('Retry-After', '').strip()
    if text.isdecimal():
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - time.time())


def _write(file, block: bytes, part: Path) -> None:
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise UserError(f'{part} cannot be written', found=error.strerror, remedy='make room, then go on') from error


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _last_words(error: BaseException) -> str:
    """What lies behind a chain of exceptions, in a few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    words = str(error) or type(error).__name__
    return words if len(words) < 160 else f'{words[:157]}...'
