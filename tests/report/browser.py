"""A headless Chromium, driven through chromedriver's WebDriver protocol, which is plain HTTP: no library is needed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
DRIVER = shutil.which('chromedriver')
ARGUMENTS = (
    *('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars'),
    *('--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'),
)


class Browser:
    """A context manager: one window, whose size and colour scheme can be set, and what it logs."""

    def __enter__(self) -> Browser:
        self.events: list[dict[str, Any]] = []
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            [DRIVER, '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in self.driver.stdout:
            if 'started successfully on port' in line:
                self.address = f'http://127.0.0.1:{line.split()[-1].rstrip(".")}'
                break
        options = {
            'binary': CHROMIUM,
            'args': [*ARGUMENTS, f'--user-data-dir={self.profile.name}'],
        }
        capabilities = {
            'browserName': 'chrome',
            'goog:chromeOptions': options,
            'goog:loggingPrefs': {'browser': 'ALL', 'performance': 'ALL'},
        }
        answer = self._ask('/session', {'capabilities': {'alwaysMatch': capabilities}})
        self.session = f'/session/{answer["sessionId"]}'
        # The page that a new window shows asks for hundreds of files of its own.
        self._ask(f'{self.session}/url', {'url': 'about:blank'})
        return self

    def __exit__(self, *_: object) -> None:
        try:
            urllib.request.urlopen(
                urllib.request.Request(self.address + self.session, method='DELETE'), timeout=30
            ).close()
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=10)
            self.driver.stdout.close()
            self.profile.cleanup()

    def open(self, path: Path, *, width: int = 1400, height: int = 900, dark: bool = False, media: str = '') -> None:
        """Show a file, once all of it is loaded. What was logged before is forgotten."""
        self.devtools(
            'Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.devtools('Emulation.setEmulatedMedia', media=media, features=[scheme])
        self.messages(), self._read_events()
        self.events = []
        self._ask(f'{self.session}/url', {'url': path.resolve().as_uri()})
        # On a busy machine chromedriver's answer can come while the page before is still shown.
        self._wait_for(self._is_loaded)

    def run(self, script: str) -> Any:
        """The value that the body of a JavaScript function returns."""
        return self._ask(f'{self.session}/execute/sync', {'script': script, 'args': []})

    def press(self, *keys: str) -> None:
        """Press and release keys, by their names in the DevTools protocol.

        Chromium drops keys until it has painted something of a page.
        """
        painted = 'return performance.getEntriesByName("first-contentful-paint").length'
        self._wait_for(lambda: self.run(painted))
        for key in keys:
            for kind in ('keyDown', 'keyUp'):
                self.devtools('Input.dispatchKeyEvent', type=kind, key=key, code=key, windowsVirtualKeyCode=9)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a PNG of the page, or of the window."""
        arguments: dict[str, Any] = {'format': 'png', 'captureBeyondViewport': whole}
        if whole:
            width, height = self.run('return [innerWidth, document.documentElement.scrollHeight]')
            arguments['clip'] = {'x': 0, 'y': 0, 'width': width, 'height': height, 'scale': 1}
        path.write_bytes(base64.b64decode(self.devtools('Page.captureScreenshot', **arguments)['data']))

    def messages(self) -> list[str]:
        """What the page wrote to the console since it was opened or this was last called, with the browser's errors."""
        return [entry['message'] for entry in self._ask(f'{self.session}/se/log', {'type': 'browser'})]

    def requests(self) -> list[str]:
        """The addresses that were asked for since a page was opened."""
        return [
            event['params']['request']['url']
            for event in self._read_events()
            if event['method'] == 'Network.requestWillBeSent'
        ]

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self._ask(f'{self.session}/goog/cdp/execute', {'cmd': command, 'params': parameters})

    def _read_events(self) -> list[dict[str, Any]]:
        """The events of the DevTools protocol since a page was opened."""
        entries = self._ask(f'{self.session}/se/log', {'type': 'performance'})
        self.events += [json.loads(entry['message'])['message'] for entry in entries]
        return self.events

    def _is_loaded(self) -> bool:
        methods = [event['method'] for event in self._read_events()]
        arrived = methods.index('Page.frameNavigated') if 'Page.frameNavigated' in methods else len(methods)
        return 'Page.frameStoppedLoading' in methods[arrived:]

    @staticmethod
    def _wait_for(happened: Callable[[], Any], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, f'waited {seconds} s for the browser'
            time.sleep(0.02)

    def _ask(self, path: str, values: dict) -> Any:
        request = urllib.request.Request(self.address + path, json.dumps(values).encode(), method='POST')
        request.add_header('Content-Type', 'application/json')
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)['value']


def main() -> None:
    """``browser.py PAGE FOLDER`` writes screenshots at three widths, light and dark."""
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        for width in (360, 800, 1400):
            for dark in (False, True):
                browser.open(page, width=width, dark=dark)
                time.sleep(0.2)
                browser.screenshot(folder / f'{width}-{"dark" if dark else "light"}.png')
        print(browser.messages(), [address[:100] for address in set(browser.requests())])


if __name__ == '__main__':
    main()
