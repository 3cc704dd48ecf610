"""Settings of what the gateway watches at vCenter."""

from __future__ import annotations

from gateway.settings.section import SECONDS, Section, setting

__all__ = ["LiveSettings"]


class LiveSettings(Section):
    """What the gateway watches at vCenter."""

    max_hubs: int = setting(
        32,
        "Credentials with which one worker watches vCenter at a time. Each costs vCenter one open request, no matter "
        "how many callers watch with it. Watches with other credentials are refused with TOO_MANY_STREAMS.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    poll_seconds: float = setting(
        10.0,
        "How often the gateway polls machines if it cannot use vCenter's VIM API, which reports changes.",
        f"{SECONDS}; 1 or more",
        ge=1,
        le=3600,
    )
