"""Chromium without a window, for tests of pages: driven by chromedriver, over HTTP alone.

The protocol is that of [WebDriver]_.

.. [WebDriver] https://www.w3.org/TR/webdriver2/.
"""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.packages import find_chromium
from testbed.processes import free_ports

_START_S = 30.0
_OPTIONS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-dev-shm-usage",
    "hide-scrollbars",
)


class Page:
    """One page of a browser."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Go to an address; return when the page is loaded."""
        _ask(f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """Run JavaScript in the page, which may `return` a value."""
        return _ask(f"{self._session}/execute/sync", {"script": script, "args": []})

    def wait_for(self, condition: str, limit_s: float = 30.0) -> None:
        """Return when a JavaScript expression is true.

        Raises:
            TimeoutError: it is not within the limit; has the text of the page.
        """
        deadline = time.monotonic() + limit_s
        while not self.run(f"return Boolean({condition})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition}: {self.run('return document.body.innerText')}")
            time.sleep(0.2)

    def errors(self) -> list[str]:
        """Return the messages of the console since the last call that are errors."""
        entries = _ask(f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def shoot(self, path: Path) -> None:
        """Write a PNG file of what the window shows."""
        path.write_bytes(base64.b64decode(_ask(f"{self._session}/screenshot")))


@contextmanager
def browser(width: int = 1280, height: int = 1000) -> Iterator[Page]:
    """Start a browser; yield its page.

    Raises:
        Unavailable: there is none, and it could not be unpacked.
    """
    programs = find_chromium()
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        environment = programs.environment({"PATH": "/usr/bin:/bin", "HOME": profile})
        driver = subprocess.Popen(
            [programs.path("chromedriver"), f"--port={port}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(address)
            own = f"user-data-dir={profile}", f"window-size={width},{height}"
            options = [f"--{option}" for option in (*_OPTIONS, *own)]
            wanted = {
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {
                    "binary": str(programs.path("chromium")),
                    "args": options,
                },
            }
            made = _ask(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
            session = f"{address}/session/{made['sessionId']}"
            try:
                yield Page(session)
            finally:
                _ask(session, method="DELETE")
        finally:
            driver.terminate()
            driver.wait()


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            _ask(f"{address}/status")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _ask(url: str, content: Any = None, method: str | None = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode(errors="replace")) from error
