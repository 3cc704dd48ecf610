"""What a gateway warns of when it starts: protection that is off, settings that are ignored, an unreachable vCenter."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from gateway.settings import Settings
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.probe import VCenterProbe

__all__ = ["in_background", "introduce"]

_log = logging.getLogger(__name__)


def introduce(settings: Settings, stack: AsyncExitStack, *, is_simulated: bool) -> None:
    """Warns of protection that is off, of an ignored proxy and, in the background, of a vCenter that cannot be called.

    Called once for all workers. Runs at most until `stack` ends.
    """
    _warn(settings)
    if not is_simulated:
        options = VCenterOptions.of(settings.vcenter)
        _warn_of_proxy(options)
        in_background(_look_at_vcenter(options), stack)


async def _look_at_vcenter(options: VCenterOptions) -> None:
    probe = VCenterProbe(options)
    try:
        state = await probe.current()
    finally:
        await probe.close()
    if not state.reachable:
        _log.warning("%s: %s. %s", options.url, state.problem, state.remedy)


def in_background(work: Coroutine[Any, Any, object], stack: AsyncExitStack) -> None:
    """Runs `work` at most until `stack` ends."""
    task = asyncio.create_task(work)
    stack.callback(task.cancel)


def _warn(settings: Settings) -> None:
    """Warns of protection that the settings turn off."""
    if not settings.vcenter.verify:
        _log.warning("vCenter's certificate is NOT verified: anyone on the network path can read and change everything")
    if settings.auth.allow_anyone and settings.auth.mode == "service-account":
        _log.warning("callers are NOT authenticated: anyone who reaches this address can use the service account")
    if not settings.is_local and not settings.tls.cert_file:
        _log.warning("callers are served WITHOUT TLS: anyone on the network path can read their passwords and sessions")


def _warn_of_proxy(vcenter: VCenterOptions) -> None:
    """Warns that a proxy in the environment is ignored. Never logs its address, which may contain a password."""
    parts = urlsplit(vcenter.url)
    names = [word for name in (f"{parts.scheme}_proxy", "all_proxy") for word in (name, name.upper())]
    variable = next((name for name in names if os.environ.get(name)), None)
    if variable is None or vcenter.proxy is not None:
        return
    from urllib.request import proxy_bypass  # Imported here, because it loads a whole HTTP client.

    if not proxy_bypass(parts.hostname or ""):
        _log.warning(
            "the environment variable %s is ignored: vCenter is called directly; set vcenter.proxy to use a "
            "proxy, or put vCenter's host into NO_PROXY",
            variable,
        )
