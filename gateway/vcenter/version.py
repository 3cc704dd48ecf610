"""Which version of the API a vCenter has: from the list of versions that it gives to everybody.

This is the list that vCenter's own SDKs choose a version from. It takes no login, and unlike the SOAP call that would
tell the build too, it opens no session with vCenter, which has room for a limited number of those.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.transcoding import RestRequest
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import TransportError
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.transport import Transport

__all__ = ["VERSIONS", "VCenterVersion", "VersionReader", "read_releases"]

VERSIONS = RestRequest("GET", "/sdk/vimServiceVersions.xml", None, "GET /sdk/vimServiceVersions.xml")
"""Needs no session and does nothing, so it also tells whether vCenter answers at all."""
_TIMEOUT = 2.0
_MAX_BYTES = 64 * 1024
_FRESH_SECONDS = 60.0
_PROBLEM_SECONDS = 2.0
"""How long it is not asked again after there was no answer."""
# The list begins with the newest version; older ones stand in an element of their own behind it. No XML parser is
# needed for that, nor one that would have to be kept from expanding what an answer defines.
_RELEASES = re.compile(rb"<namespace>\s*<name>urn:vim25</name>\s*(<version>.*?)</namespace>", re.DOTALL)
_RELEASE = re.compile(rb"<version>([0-9][0-9A-Za-z.]{0,30})</version>")
_MAX_RELEASES = 100


@dataclass(frozen=True, slots=True)
class VCenterVersion:
    """What is known about vCenter's version: its releases, or a problem."""

    releases: tuple[str, ...] = ()
    """Releases of the API that vCenter speaks, the newest first."""
    problem: str = ""
    """Why it is not known."""
    error: Exception | None = field(default=None, compare=False, repr=False)
    """What kept vCenter from answering; None where it answered, whatever that was."""

    @property
    def api(self) -> str | None:
        """Version of the API, for instance `8.0.3.0`: that of the product with a fourth number."""
        return self.releases[0] if self.releases else None


class VersionReader:
    """Asks one vCenter when somebody wants to know, and not again for a minute, or for two seconds without an answer.

    It has a connection of its own: asking takes no place from calls, and says nothing to the breaker.
    """

    def __init__(self, options: VCenterOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = replace(
            options,
            connect_timeout=min(_TIMEOUT, options.connect_timeout),
            max_response_bytes=_MAX_BYTES,
        )
        self._clock = clock
        self._transport: Transport | None = None
        self._version = VCenterVersion()
        self._fresh_until = float("-inf")
        self._asking = asyncio.Lock()

    async def current(self) -> VCenterVersion:
        """The version, within about two seconds. Raises nothing."""
        async with self._asking:
            if self._clock() >= self._fresh_until:
                self._version = await self._ask()
                seconds = _PROBLEM_SECONDS if self._version.problem else _FRESH_SECONDS
                self._fresh_until = self._clock() + seconds
            return self._version

    async def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            await self._transport.close()

    async def _ask(self) -> VCenterVersion:
        try:
            if self._transport is None:
                self._transport = Transport(self._options)
            deadline = asyncio.get_running_loop().time() + _TIMEOUT
            answer = await self._transport.send(Exchange(VERSIONS, {}, deadline))
        except (TransportError, ValueError) as error:  # The latter is about the file of authorities.
            return VCenterVersion(problem=str(error), error=error)
        if answer.status != 200:
            return VCenterVersion(problem=f"vCenter answered with HTTP status {answer.status}")
        if not (releases := read_releases(answer.body)):
            return VCenterVersion(problem="vCenter's list of versions cannot be read")
        return VCenterVersion(releases)


def read_releases(content: bytes) -> tuple[str, ...]:
    """The releases in vCenter's list of versions, the newest first; none where it cannot be read."""
    found = _RELEASES.search(content)
    names = _RELEASE.findall(found[1]) if found and _RELEASE.match(found[1]) else []
    return tuple(name.decode() for name in names[:_MAX_RELEASES])
