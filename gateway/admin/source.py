"""What the metrics read from a gateway in addition to its events."""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

from gateway.access import AuditLog
from gateway.vcenter.client import VCenter

__all__ = ["Counted"]


class _Certified(Protocol):
    def certificate(self) -> bytes: ...


class _Streams(Protocol):
    def __len__(self) -> int: ...
    @property
    def oldest_seconds(self) -> float: ...


class _Watching(Protocol):
    @property
    def hubs(self) -> Sized: ...


class Counted(Protocol):
    """A gateway."""

    @property
    def active_calls(self) -> int: ...
    @property
    def streams(self) -> _Streams: ...
    @property
    def tls(self) -> _Certified | None: ...
    @property
    def audit(self) -> AuditLog | None: ...
    @property
    def vcenter(self) -> VCenter | None: ...
    @property
    def watching(self) -> _Watching | None: ...
    @property
    def is_vcenter_usable(self) -> bool: ...
