"""Creates messages of `vcenter.gateway.v1` by name."""

from __future__ import annotations

from typing import Any

from gateway.contract import Contract

__all__ = ["Messages"]

_PACKAGE = "vcenter.gateway.v1"


class Messages:
    """`messages("SnapshotInfo", name="before")` is a `vcenter.gateway.v1.SnapshotInfo` of the contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def __call__(self, name: str, /, **fields: Any) -> Any:
        """A new message. A field that is None stays unset."""
        return self.type(name)(**{field: value for field, value in fields.items() if value is not None})

    def type(self, name: str) -> type[Any]:
        """The class of a message."""
        return self._contract.message_class(f"{_PACKAGE}.{name}")

    def heartbeat(self) -> Any:
        """A heartbeat with the current time."""
        heartbeat = self("Heartbeat")
        heartbeat.sent_at.GetCurrentTime()
        return heartbeat
