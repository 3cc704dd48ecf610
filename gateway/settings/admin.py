"""Settings of the admin port."""

from __future__ import annotations

from pydantic import field_validator

from gateway.settings.address import split_address
from gateway.settings.section import Section, setting

__all__ = ["AdminSettings"]


class AdminSettings(Section):
    """Health, metrics and the status page."""

    listen: str | None = setting(
        None,
        "Address that serves /healthz, /readyz, /metrics and a status page over plain HTTP, to anybody who reaches it. "
        "None is served when unset; port 0 takes a free one.",
        "HOST:PORT, for instance 127.0.0.1:9090",
    )

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, value: str | None) -> str | None:
        if value is not None:
            split_address(value)
        return value
