"""Makes the messages of the gateway's own services, by their names."""

from __future__ import annotations

from typing import Any

from gateway.contract import Contract

__all__ = ["PACKAGE", "Messages"]

PACKAGE = "vcenter.gateway.v1"


class Messages:
    """`messages("SnapshotInfo", name="before")` is a `vcenter.gateway.v1.SnapshotInfo` of the contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def __call__(self, name: str, /, **fields: Any) -> Any:
        """A new message. A field that is None stays unset."""
        known = {field: value for field, value in fields.items() if value is not None}
        return self.contract.message_class(f"{PACKAGE}.{name}")(**known)
