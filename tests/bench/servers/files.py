"""A vCenter that only has files in guests, of any size: `files.py [MB/s]`.

Prints its URL. A file named `/N` has N bytes; uploads are discarded. The number limits the speed of a transfer. For
measurements of transfers, because the simulator keeps all files in memory.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import sys
import time
from urllib.parse import unquote

from aiohttp import web

_PIECE = bytes(256 * 1024)
_TICK = 0.005
_VERSIONS = (
    '<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name><version>8.0.3.0</version>'
    "</namespace></namespaces>"
)
_TIME = "2026-03-01T10:00:00.000Z"
_ATTRIBUTES = {
    "filesystem_family": "POSIX",
    "posix_attributes": {"owner": 0, "group": 0, "permissions": "0644"},
    "last_modified": _TIME,
    "last_accessed": _TIME,
}


class _Pace:
    """Limits the speed of a transfer to this many bytes per second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._moved = 0
        self._began = time.monotonic()

    async def moved(self, count: int) -> None:
        self._moved += count
        early = self._moved / self._rate - (time.monotonic() - self._began)
        if early > _TICK:
            await asyncio.sleep(early)


class _Files:
    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._numbers = itertools.count()
        self._sizes: dict[str, int] = {}

    async def session(self, request: web.Request) -> web.Response:
        return web.json_response("0" * 32) if request.method == "POST" else web.Response(status=204)

    async def versions(self, request: web.Request) -> web.Response:
        return web.Response(text=_VERSIONS, content_type="text/xml")

    async def transfer(self, request: web.Request) -> web.Response:
        spec = (await request.json())["spec"]
        number = str(next(self._numbers))
        if "attributes" not in spec:
            self._sizes[number] = int(spec["path"].strip("/"))
        return web.json_response(f"http://{request.host}/guestFile?id={number}", status=201)

    async def files(self, request: web.Request) -> web.Response:
        if request.query.get("action") != "get":
            return web.Response(status=204)
        name = unquote(request.match_info["path"]).strip("/")
        if not name.isdecimal():
            return web.json_response({"error_type": "NOT_FOUND", "messages": []}, status=404)
        return web.json_response({"type": "FILE", "size": int(name), "attributes": _ATTRIBUTES})

    async def download(self, request: web.Request) -> web.StreamResponse:
        left = self._sizes[request.query["id"]]
        response = web.StreamResponse()
        response.content_length = left
        await response.prepare(request)
        pace = _Pace(self._rate)
        while left:
            piece = _PIECE[: min(left, len(_PIECE))]
            await response.write(piece)
            left -= len(piece)
            await pace.moved(len(piece))
        return response

    async def upload(self, request: web.Request) -> web.Response:
        pace = _Pace(self._rate)
        async for piece in request.content.iter_any():
            await pace.moved(len(piece))
        return web.Response()


async def _main(rate: float) -> None:
    files, app = _Files(rate), web.Application()
    app.router.add_route("*", "/api/session", files.session)
    app.router.add_get("/sdk/vimServiceVersions.xml", files.versions)
    app.router.add_post("/api/vcenter/vm/{vm}/guest/filesystem", files.transfer)
    app.router.add_post("/api/vcenter/vm/{vm}/guest/filesystem/files", files.files)
    app.router.add_post("/api/vcenter/vm/{vm}/guest/filesystem/files/{path}", files.files)
    app.router.add_get("/guestFile", files.download)
    app.router.add_put("/guestFile", files.upload)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


asyncio.run(_main(float(sys.argv[1]) * 1e6 if len(sys.argv) > 1 else math.inf))
