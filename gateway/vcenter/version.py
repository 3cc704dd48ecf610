"""Reads the version of vCenter's API from its public list of versions.

vCenter's own SDKs choose a version from this list. It needs no login, and unlike the SOAP call that would also return
the build, it opens no session with vCenter, whose sessions are limited.
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
"""Needs no session and has no effect, so it also shows whether vCenter responds at all."""
_TIMEOUT = 2.0
_MAX_BYTES = 64 * 1024
_FRESH_SECONDS = 60.0
_PROBLEM_SECONDS = 2.0
"""How long it is not requested again without a response."""
# The list begins with the latest version; older ones follow in a separate element. This needs no XML parser, which
# would have to be kept from expanding entities.
_RELEASES = re.compile(rb"<namespace>\s*<name>urn:vim25</name>\s*(<version>.*?)</namespace>", re.DOTALL)
_RELEASE = re.compile(rb"<version>([0-9][0-9A-Za-z.]{0,30})</version>")
_MAX_RELEASES = 100


@dataclass(frozen=True, slots=True)
class VCenterVersion:
    """vCenter's version: its releases, or a problem."""

    releases: tuple[str, ...] = ()
    """Releases of the API that vCenter supports, the latest first."""
    problem: str = ""
    """Why it is unknown."""
    error: Exception | None = field(default=None, compare=False, repr=False)
    """Why vCenter did not respond; None if it responded, no matter what."""

    @property
    def api(self) -> str | None:
        """Version of the API, for example `8.0.3.0`: that of the product with a fourth number."""
        return self.releases[0] if self.releases else None


class VersionReader:
    """Requests the list from one vCenter on demand, and not again for a minute, or for two seconds without a response.
    It uses its own connection: the request takes no place from calls, and does not affect the breaker.
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
        """The version, within about two seconds. Never raises."""
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
        except (TransportError, ValueError) as error:  # ValueError is about the file of authorities.
            return VCenterVersion(problem=str(error), error=error)
        if answer.status != 200:
            return VCenterVersion(problem=f"vCenter answered with HTTP status {answer.status}")
        if not (releases := read_releases(answer.body)):
            return VCenterVersion(problem="vCenter's list of versions cannot be read")
        return VCenterVersion(releases)


def read_releases(content: bytes) -> tuple[str, ...]:
    """The releases in vCenter's list of versions, the latest first; empty if the list cannot be read."""
    found = _RELEASES.search(content)
    names = _RELEASE.findall(found[1]) if found and _RELEASE.match(found[1]) else []
    return tuple(name.decode() for name in names[:_MAX_RELEASES])
