"""The documentation site as its readers see it: in a browser, on a phone and on a desktop, light and dark."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.browser import browser

ROOT = Path(__file__).parents[2]
LOOKS = ((390, True), (1400, False))
"""A phone in the dark, and a desktop in the light."""
PAGES = ("", "clients/tasks/", "explain/architecture/", "reference/vcenter/vm/hardware/v1/cdrom_service/")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with two versions. Only a developer's machine may lack what builds it."""
    if not (ROOT / "build/docs-venv/ready").exists():
        assert not os.environ.get("CI"), "the documentation's environment is missing: run `make docs`"
        pytest.skip("the documentation's environment is missing: `make docs`")
    folder = tmp_path_factory.mktemp("site")
    for version in ("1.9.0", "1.10.0"):
        command = (sys.executable, str(ROOT / "tools/build_docs.py"), "--into", str(folder), "--version", version)
        subprocess.run(command, check=True, timeout=120)
    return folder


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """The site on a web server: its address, and the paths that it was asked for and does not have."""
    missing: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        path = folder / request.path.lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        if path.is_file():
            return web.FileResponse(path)
        missing.append(request.path)
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", missing
    finally:
        await runner.cleanup()


@pytest.mark.timeout(300)
async def test_pages(site: Path, tmp_path: Path) -> None:
    """Pages load without a complaint of the browser, fit into the window, and follow the system's scheme."""
    async with served(site) as (address, missing), browser(tmp_path) as tab:
        for page, (width, dark) in itertools.product(PAGES, LOOKS):
            view = await tab.look(f"{address}/1.10.0/{page}", width, dark=dark)
            assert view.complaints == [], page
            assert await tab.evaluate("document.documentElement.scrollWidth") <= width, (page, width)
            red, green, blue = (int(part) for part in view.background.strip("rgba()").split(",")[:3])
            assert (red + green + blue < 3 * 60) is dark, (page, view.background)
        loaded = await tab.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert missing == []
    assert [url for url in loaded if not url.startswith(address)] == []


@pytest.mark.timeout(300)
async def test_versions(site: Path, tmp_path: Path) -> None:
    """The site begins with the newest version, 1.10 rather than 1.9, and its selector lists both."""
    assert "url=1.10.0/" in (site / "index.html").read_text()
    end = time.monotonic() + 30
    async with served(site) as (address, _), browser(tmp_path) as tab:
        await tab.look(f"{address}/1.10.0/", 1400)
        listed = "[...document.querySelectorAll('.md-version__link')].map(link => link.getAttribute('href'))"
        while not (found := await tab.evaluate(listed)):
            assert time.monotonic() < end, "there is no selector of versions"
            await asyncio.sleep(0.05)
    assert [link.rstrip("/").rpartition("/")[2] for link in found] == ["1.10.0", "1.9.0"]
