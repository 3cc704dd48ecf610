"""Checks whether vCenter can be called, and what to do if not, for the log at the start and for the status page.

Most new installations encounter a certificate that is not trusted yet; without this, operators would learn of it from
their callers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.vcenter.failures import CertificateError
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.version import VCenterVersion, VersionReader

__all__ = ["VCenterProbe", "VCenterState"]


@dataclass(frozen=True, slots=True)
class VCenterState:
    """The state of the connection to vCenter."""

    reachable: bool | None = None
    """Whether vCenter responds; None before the first request."""
    problem: str = ""
    """Why it does not respond, or why its version is unknown."""
    remedy: str = ""
    """What to do about it."""
    api: str | None = None
    """Version of the API, for example `8.0.3.0`."""


class VCenterProbe:
    """Requests the public list of versions from one vCenter, without login. Any response is cached for a minute. It
    uses its own connection: the request takes no place from calls, and does not affect the breaker.
    """

    def __init__(self, options: VCenterOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._reader = VersionReader(options, clock=clock)
        self._version: VCenterVersion | None = None
        self._state = VCenterState()
        self._asking = asyncio.Lock()

    async def current(self) -> VCenterState:
        """The state, within a few seconds. Never raises."""
        async with self._asking:
            version = await self._reader.current()
            if version is not self._version:
                self._version = version
                self._state = await self._explained(version)
            return self._state

    async def close(self) -> None:
        """Closes the connection."""
        await self._reader.close()

    async def _explained(self, version: VCenterVersion) -> VCenterState:
        if version.error is None:
            return VCenterState(True, version.problem, api=version.api)
        if isinstance(version.error, CertificateError):
            found = await asyncio.to_thread(_about_certificate, self._options)
            if found is not None:
                return found
        remedy = f"To find out where the connection fails, run: vcenter-gateway check --vcenter {self._options.url}"
        return VCenterState(False, version.problem, remedy)


def _about_certificate(options: VCenterOptions) -> VCenterState | None:
    """The problem of the certificate that vCenter presents; None if it is valid now."""
    # Imported here: it needs megabytes, and most certificates are valid.
    from gateway.vcenter.certificate import CertificateFindingError, check_certificate

    parts = urlsplit(options.url)
    try:
        check_certificate(options, parts.hostname or "", parts.port or 443)
    except CertificateFindingError as finding:
        return None if finding.usable else VCenterState(False, f"vCenter: {finding.text}", finding.advice)
    return None
