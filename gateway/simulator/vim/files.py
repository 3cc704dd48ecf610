"""Files on datastores that clients can fetch: screenshots, below `/folder`.

    GET /folder/web-0001/web-0001-1.png?dcPath=DC0&dsName=datastore1

with a session of the VIM API, or with user name and password.
"""

import struct
import zlib
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, unquote

from gateway.simulator.endpoint import basic_credentials
from gateway.simulator.errors import VapiError
from gateway.simulator.exchange import Request, Response
from gateway.simulator.sessions import READ
from gateway.simulator.vim.world import World

__all__ = ["datastore_file", "picture", "serves"]

_PREFIX = "/folder/"
_COOKIE = "vmware_soap_session"
_WIDTH, _HEIGHT = 160, 100


def serves(request: Request) -> bool:
    """Whether a request is for a file on a datastore."""
    return request.target.startswith(_PREFIX)


def datastore_file(world: World, request: Request) -> Response:
    """Handles a request for a file."""
    world.inventory.settle(world.clock())
    if not _may_read(world, request):
        headers = {"WWW-Authenticate": 'Basic realm="VMware HTTP server"'}
        return Response(HTTPStatus.UNAUTHORIZED, b"Unauthorized\n", "text/plain", headers)
    if request.method not in ("GET", "HEAD"):
        return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"Method Not Allowed\n", "text/plain")
    path, _, query = request.target.removeprefix(_PREFIX).partition("?")
    named = parse_qs(query)
    store = named.get("dsName", [""])[0]
    place = world.inventory.places.datastore_of(f"[{store}]")
    datacenters = world.inventory.places.datacenters.values()
    datacenter = next((item for item in datacenters if [item.name] == named.get("dcPath")), None)
    content = world.screenshots.get(f"[{store}] {unquote(path)}")
    if place is None or datacenter is None or place.datacenter != datacenter.datacenter or content is None:
        return Response(HTTPStatus.NOT_FOUND, b"Not Found\n", "text/plain")
    return Response(HTTPStatus.OK, content, "image/png", executed=True)


def picture(seed: str) -> bytes:
    """A small PNG; each seed has its own."""
    shade = zlib.crc32(seed.encode())
    rows = b"".join(b"\0" + bytes((x * 3 + y * 5 + shade) & 0xFF for x in range(_WIDTH)) for y in range(_HEIGHT))
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _may_read(world: World, request: Request) -> bool:
    try:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(_COOKIE)
        if cookie is not None:
            return READ in world.sessions.find(cookie.value, "VIM").user.privileges
        return READ in world.sessions.authenticate(*basic_credentials(request)).privileges
    except (CookieError, VapiError):
        return False
