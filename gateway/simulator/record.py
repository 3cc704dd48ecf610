"""The requests that the simulator received: proof of what a client sent, how often, and whether it was executed."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Record", "RecordedCall"]

_KEPT = 100_000


@dataclass(slots=True)
class RecordedCall:
    """One request. Header fields and bodies may contain secrets and are excluded from every representation."""

    method: str
    target: str
    """Path and query as received, still percent-encoded."""
    operation: str | None
    """The operation's id, None for a request that is not an operation."""
    request_id: str
    """The client's `X-Request-ID`, empty if it sent none."""
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name."""
    body: bytes = field(repr=False)
    """Empty for an uploaded file, which may be large."""
    status: int | None = None
    """Of the response; None if none was sent."""
    executed: bool = False
    """Whether the operation ran successfully."""

    def to_json(self) -> dict[str, Any]:
        """What may be shown: everything except header fields and body."""
        return {
            "method": self.method,
            "target": self.target,
            "operation": self.operation,
            "request_id": self.request_id,
            "status": self.status,
            "executed": self.executed,
        }


class Record:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[RecordedCall] = deque(maxlen=_KEPT)

    def __iter__(self) -> Iterator[RecordedCall]:
        return iter(list(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: RecordedCall) -> None:
        """Adds a call; beyond 100,000 calls, the oldest is dropped."""
        self._calls.append(call)

    def of(self, operation: str) -> list[RecordedCall]:
        """The calls of one operation."""
        return [call for call in self._calls if call.operation == operation]

    def clear(self) -> None:
        """Forgets all calls."""
        self._calls.clear()
