"""A real HTTP server on the loopback that serves files, with faults switched on."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b'<!DOCTYPE html>\n<html><body>Please log in</body></html>\n'


@dataclass
class Faults:
    """What goes wrong, in the order of the requests for one path; when the list is used up, nothing does.

    Words: ``cut N`` (the connection ends after N bytes), ``stall N`` (nothing more after N bytes), ``429``, ``503``,
    ``404`` and the like, ``429 for N`` (with Retry-After), ``no range``, ``other range``, ``page`` (HTML, 200),
    ``hidden page`` (HTML called data), ``flip`` (a wrong byte), ``short`` (a shorter file),
    ``chunked`` (no length announced), ``redirect``, ``none``.
    """

    plan: list[str] = field(default_factory=list)

    def next(self) -> str:
        return self.plan.pop(0) if self.plan else 'none'


@dataclass
class FaultyServer:
    """The server.

    Args:
        files (dict[str, bytes]): By path without leading slash.
        faults (dict[str, Faults]): By path.
        every (str): A fault of all requests.
    """

    files: dict[str, bytes]
    faults: dict[str, Faults] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    url: str = ''
    delay: float = 0.0
    released: threading.Event = field(default_factory=threading.Event)

    def fail(self, path: str, *plan: str) -> None:
        self.faults[path] = Faults(list(plan))

    def address(self, path: str) -> str:
        return f'{self.url}/{path}'


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            # A proxy is asked for whole addresses.
            path = self.path.removeprefix(server.url).split('://')[-1] if '://' in self.path else self.path
            path = path.split('?')[0].lstrip('/')
            server.requests.append((path, self.headers.get('Range', '')))
            fault = server.faults[path].next() if path in server.faults else 'none'
            if path not in server.files:
                fault = '404'
            word, _, argument = fault.partition(' ')
            if word.isdigit():
                return self._status(int(word), argument.removeprefix('for '))
            if word == 'redirect':
                self.send_response(302)
                self.send_header('Location', f'/{path}')
                self.send_header('Content-Length', '0')
                self.end_headers()
                return None
            if fault in ('page', 'hidden page'):
                return self._send(PAGE, 200, {'Content-Type': 'text/html' if word == 'page' else 'application/zip'})
            return self._data(path, fault, word, argument)

        def _status(self, status: int, wait: str) -> None:
            self._send(b'', status, {'Retry-After': wait} if wait else {})

        def _data(self, path: str, fault: str, word: str, argument: str) -> None:
            data = server.files[path]
            if fault == 'flip':
                data = data[:-1] + bytes([data[-1] ^ 1])
            if fault == 'short':
                data = data[:-7]
            asked = self.headers.get('Range', '')
            headers, status, begin = {'Content-Type': 'application/octet-stream'}, 200, 0
            if asked and fault != 'no range':
                begin = int(asked.removeprefix('bytes=').rstrip('-'))
                if begin >= len(data):
                    return self._send(b'', 416, {'Content-Range': f'bytes */{len(data)}'})
                status, shift = 206, 3 if fault == 'other range' else 0
                headers['Content-Range'] = f'bytes {begin + shift}-{len(data) - 1}/{len(data)}'
            if word in ('cut', 'stall'):
                return self._broken(data[begin:], status, headers, word, int(argument))
            return self._send(data[begin:], status, headers, chunked=fault == 'chunked')

        def _broken(self, data: bytes, status: int, headers: dict, word: str, count: int) -> None:
            self._begin(status, {**headers, 'Content-Length': str(len(data))})
            self._write(data[:count])
            if word == 'stall':
                server.released.wait(30)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _send(self, data: bytes, status: int, headers: dict, chunked: bool = False) -> None:
            if chunked:
                self._begin(status, {**headers, 'Transfer-Encoding': 'chunked'})
                self.wfile.write(b'%x\r\n%s\r\n0\r\n\r\n' % (len(data), data) if data else b'0\r\n\r\n')
                return
            self._begin(status, {**headers, 'Content-Length': str(len(data))})
            self._write(data)

        def _begin(self, status: int, headers: dict) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _write(self, data: bytes) -> None:
            step = len(data) if not server.delay else 1 << 14
            for start in range(0, len(data), max(step, 1)):
                if server.delay:
                    time.sleep(server.delay)
                self.wfile.write(data[start : start + step])
                server.sent[self.path] += min(step, len(data) - start)

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *args: object) -> None:
        """Clients that go away are what these tests are about."""


@contextmanager
def faulty_server(files: dict[str, bytes]) -> Iterator[FaultyServer]:
    """A server of these files on a free port, until the block ends."""
    server = FaultyServer(dict(files))
    http = _Quiet(('127.0.0.1', 0), _handler(server))
    server.url = f'http://127.0.0.1:{http.server_port}'
    thread = threading.Thread(target=http.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join()
