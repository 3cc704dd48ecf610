"""A headless Chromium, driven by its own protocol: what a person would see, and what the browser complains about."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.harness import eventually

__all__ = ["Browser", "View", "browser"]

_FLAGS = (
    "--headless",
    "--no-sandbox",  # Which takes privileges that a container does not have; the page is our own.
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


_RIGHT_END = (
    "Math.max(document.documentElement.scrollWidth,"
    " ...[...document.body.querySelectorAll('*')].map(element => element.getBoundingClientRect().right))"
)

_CUT = (
    "[...document.body.querySelectorAll('*')]"
    ".filter(element => element.clientWidth && element.scrollWidth > element.clientWidth + 1)"
    ".map(element => element.outerHTML.slice(0, 200))"
)


@dataclass(frozen=True, slots=True)
class View:
    """A page as it was shown."""

    text: str
    """What a person reads on it."""
    complaints: list[str]
    """What the browser's console has, and what it refused to load."""
    width: int
    """Pixels to the right end of whatever reaches furthest: more than the window has, and something is cut off."""
    cut: list[str]
    """What is wider than the box that it stands in."""
    background: str
    """Colour of the page's background, as CSS has it."""
    image: bytes
    """A PNG of the whole page."""


class Browser:
    """One tab of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._events: list[dict[str, Any]] = []

    async def look(self, url: str, width: int, *, dark: bool = False) -> View:
        """Opens the page in a window of this width and looks at it."""
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        await self._do("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self._do("Emulation.setEmulatedMedia", features=[scheme])
        for domain in ("Page", "Log", "Runtime", "Network"):
            await self._do(f"{domain}.enable")
        self._events.clear()
        await self._do("Page.navigate", url=url)
        await self._event("Page.loadEventFired")
        content = "document.documentElement"
        image = await self._do("Page.captureScreenshot", captureBeyondViewport=True, clip=await self._whole(content))
        return View(
            text=await self.evaluate("document.body.innerText"),
            width=await self.evaluate(_RIGHT_END),
            cut=await self.evaluate(_CUT),
            background=await self.evaluate("getComputedStyle(document.body).backgroundColor"),
            image=b64decode(image["data"]),
            complaints=[complaint for event in self._events if (complaint := _complaint(event))],
        )

    async def _whole(self, content: str) -> dict[str, int]:
        width = await self.evaluate(f"{content}.clientWidth")
        return {"x": 0, "y": 0, "width": width, "height": await self.evaluate(f"{content}.scrollHeight"), "scale": 1}

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        result = await self._do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"]["value"]

    async def _do(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("id") == self._number:
                assert "error" not in message, (method, message)
                result: dict[str, Any] = message["result"]
                return result
            self._events.append(message)

    async def _event(self, method: str) -> None:
        while not any(event.get("method") == method for event in self._events):
            self._events.append(await self._socket.receive_json(timeout=30))


def _complaint(event: dict[str, Any]) -> str:
    parameters = event.get("params", {})
    match event.get("method"):
        case "Log.entryAdded":
            entry = parameters["entry"]
            # Every browser asks for an icon, of which the page has none.
            return "" if entry.get("url", "").endswith("/favicon.ico") else str(entry["text"])
        case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
            return str(parameters)
        case "Network.loadingFailed":
            return str(parameters.get("errorText"))
    return ""


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A started browser with a profile of its own. Only a developer's machine may have none."""
    program = shutil.which("chromium")
    if program is None:
        assert not os.environ.get("CI"), "there is no chromium: run `tools/install_debian.sh chromium`"
        pytest.skip("there is no chromium: `apt-get install chromium`")
    log = folder / "chromium.log"
    process = _start(program, folder / "profile", log)
    try:
        pattern = re.compile(r"DevTools listening on ws://([\d.:]+)/")
        found = await eventually(lambda: pattern.search(log.read_text(errors="replace")), "a started chromium", 60)
        assert found is not None
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://{found[1]}/json/list") as response:
                [tab] = [item for item in await response.json() if item["type"] == "page"]
            # No limit on the size: it sends the picture as one message.
            async with http.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


def _start(program: str, profile: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
