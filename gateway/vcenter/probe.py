"""Whether vCenter can be called, and what to do where it cannot: for the log at the start, and for the status page.

Most who set a gateway up meet a certificate that nobody trusts yet, and would learn of it from their callers.
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
    """What is known about the way to vCenter."""

    reachable: bool | None = None
    """Whether vCenter answers; None as long as nobody has asked."""
    problem: str = ""
    """Why it does not answer, or why its version is not known."""
    remedy: str = ""
    """What to do about it."""
    api: str | None = None
    """Version of the API, for instance `8.0.3.0`."""


class VCenterProbe:
    """Asks one vCenter for the versions that it tells everybody, without login. Whatever the answer was, it is kept for
    a minute.

    It has a connection of its own: asking takes no place from calls, and says nothing to the breaker.
    """

    def __init__(self, options: VCenterOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._reader = VersionReader(options, clock=clock)
        self._version: VCenterVersion | None = None
        self._state = VCenterState()
        self._asking = asyncio.Lock()

    async def current(self) -> VCenterState:
        """The state, within a few seconds. Raises nothing."""
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
    """What is wrong with the certificate that vCenter shows; None where it is fine by now."""
    # Only here: it takes megabytes, and most certificates are fine.
    from gateway.vcenter.certificate import CertificateFindingError, check_certificate

    parts = urlsplit(options.url)
    try:
        check_certificate(options, parts.hostname or "", parts.port or 443)
    except CertificateFindingError as finding:
        return None if finding.usable else VCenterState(False, f"vCenter: {finding.text}", finding.advice)
    return None
