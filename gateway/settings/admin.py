"""Settings of the admin port."""

from __future__ import annotations

from gateway.settings.section import Address, Section, setting

__all__ = ["AdminSettings"]


class AdminSettings(Section):
    """Health, metrics and the status page."""

    listen: Address | None = setting(
        None,
        "Address that serves /healthz, /readyz, /metrics and a status page over plain HTTP, without authentication. "
        "Off when unset; port 0 picks a free port.",
        "HOST:PORT, for example 127.0.0.1:9090",
    )
