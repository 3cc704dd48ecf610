"""Draws docs/images: the chart's dashboard for a gateway under load, and the status page of one of its pods.

The dashboard is drawn by this program instead of Grafana, from its own queries to a real Prometheus and in its own
layout. The load takes some minutes. Requires Debian's chromium, and Prometheus (`make build/tools/bin/promtool`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from panels import HEIGHT, WIDTH, Series, page
from watched_system import ROOT, SCRAPE_SECONDS, live, watched_system

DASHBOARD = ROOT / "helm" / "vcenter-gateway" / "files" / "dashboard.json"
IMAGES = ROOT / "docs" / "images"
_VARIABLES = {"$namespace": ".*", "$job": ".*", "$__rate_interval": f"{8 * SCRAPE_SECONDS}s"}
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="how long the load takes")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        asyncio.run(_draw(seconds, Path(folder)))


async def _draw(seconds: float, folder: Path) -> None:
    start = time.time()
    async with watched_system(folder) as system:
        await live(system, seconds)
        IMAGES.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_screenshot, f"http://{system.admin[0]}/", IMAGES / "status-page.png", (1280, 1720))
        await _draw_dashboard(system.prometheus, start, time.time(), folder)


async def _draw_dashboard(prometheus: str, start: float, end: float, folder: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    async with aiohttp.ClientSession(prometheus) as http:
        data = {
            panel["id"]: [line for target in panel.get("targets", ()) for line in await _ask(http, target, start, end)]
            for panel in dashboard["panels"]
        }
    for panel in dashboard["panels"]:
        if panel["type"] != "row" and not data[panel["id"]]:
            print(f"no data: {panel['title']}")  # noqa: T201 - what whoever draws it has to know
    path = folder / "dashboard.html"
    path.write_text(page(dashboard, data, start, end), encoding="utf-8")
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    await asyncio.to_thread(_screenshot, path.as_uri(), IMAGES / "dashboard.png", (WIDTH, rows * HEIGHT))


async def _ask(http: aiohttp.ClientSession, target: Mapping[str, Any], start: float, end: float) -> list[Series]:
    expression = target["expr"]
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    query = {"query": expression, "start": str(start), "end": str(end), "step": str(2 * SCRAPE_SECONDS)}
    async with http.get("/api/v1/query_range", params=query) as response:
        content = await response.json()
    if content["status"] != "success":
        raise ValueError(f"{expression}: {content['error']}")
    return [
        Series(_name(target["legendFormat"], item["metric"]), [(at, float(value)) for at, value in item["values"]])
        for item in content["data"]["result"]
    ]


def _name(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), template)


def _screenshot(url: str, image: Path, size: tuple[int, int]) -> None:
    window = f"--window-size={size[0]},{size[1]}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", *_FLAGS, window, f"--user-data-dir={profile}", f"--screenshot={image}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603


if __name__ == "__main__":
    main()
