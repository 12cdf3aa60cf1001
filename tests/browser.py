"""Controls a headless Chromium of Debian through a pipe (the Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KEYS = {"Enter": ("\r", 13), "ArrowDown": ("", 40), "ArrowUp": ("", 38), "Escape": ("", 27), "Tab": ("", 9)}
SECONDS = 120.0
"""Long, so that a busy machine does not make a test fail."""


class Browser:
    """One tab. ``requests`` lists every request of its pages, and ``errors`` every error of their scripts."""

    def __init__(self, sending: int, receiving: int) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._sending, self._receiving = sending, receiving
        self._read, self._calls = b"", 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Open an address and wait for its scripts."""
        self._call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + SECONDS
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition} never held; {self.errors}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press a key on the element that has the focus."""
        text, code = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            sent = {"text": text} if text and kind == "keyDown" else {}
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **sent)

    def show(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the window's size in pixels and the light or dark colour scheme."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self) -> bytes:
        """A PNG screenshot of the window."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        session = {} if self._session is None else {"sessionId": self._session}
        message = json.dumps({"id": self._calls, "method": method, "params": parameters} | session)
        os.write(self._sending, message.encode() + b"\0")
        while True:
            reply = self._receive()
            if reply.get("id") == self._calls:
                assert "error" not in reply, (method, reply["error"])
                return reply["result"]  # type: ignore[no-any-return]
            self._note(reply)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            part = os.read(self._receiving, 1 << 16)
            assert part, "the browser ended"
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)  # type: ignore[no-any-return]

    def _note(self, event: dict[str, Any]) -> None:
        details = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(details["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(details["exceptionDetails"]))
            case "Log.entryAdded" if details["entry"]["level"] == "error":
                self.errors.append(details["entry"]["text"])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, which is ended after the block. :data:`CHROMIUM` is None if none is installed."""
    assert CHROMIUM is not None
    to_browser, sending = os.pipe()
    receiving, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command = [CHROMIUM, *flags, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        # the protocol requires the pipes at file descriptors 3 and 4
        script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$0" "$@"'
        process = subprocess.Popen(
            ["bash", "-c", script, *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(profile),
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Browser(sending, receiving)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            os.close(sending)
            os.close(receiving)
