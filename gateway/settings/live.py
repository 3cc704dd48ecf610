"""Settings of what the gateway watches at vCenter."""

from __future__ import annotations

from gateway.settings.section import SECONDS, Section, setting

__all__ = ["LiveSettings"]


class LiveSettings(Section):
    """What the gateway watches at vCenter."""

    max_hubs: int = setting(
        32,
        "Credentials for which one worker watches vCenter at once. Each costs vCenter one wait, however many callers "
        "watch with it. Further ones are refused with TOO_MANY_STREAMS.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    poll_seconds: float = setting(
        10.0,
        "How often machines are read where vCenter's VIM API cannot be used, which tells of changes by itself.",
        f"{SECONDS}; 1 or more",
        ge=1,
        le=3600,
    )
