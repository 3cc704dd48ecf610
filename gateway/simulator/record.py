"""What the simulator was asked: the proof of what a client sent, how often, and whether it was carried out."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Record", "RecordedCall"]

_KEPT = 100_000


@dataclass(slots=True)
class RecordedCall:
    """One request. Header fields and bodies may hold secrets and stay out of every representation."""

    method: str
    target: str
    """Path and query as they came, still percent-encoded."""
    operation: str | None
    """The operation's id, None for what is none."""
    request_id: str
    """The client's `X-Request-ID`, empty when it sent none."""
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name."""
    body: bytes = field(repr=False)
    """Empty for a file that is uploaded, which may be large."""
    status: int | None = None
    """Of the answer; None when none was sent."""
    executed: bool = False
    """Whether the operation ran and did what it should."""

    def to_json(self) -> dict[str, Any]:
        """What may be shown: everything but header fields and body."""
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
        """Adds a call; beyond 100,000 the oldest is forgotten."""
        self._calls.append(call)

    def of(self, operation: str) -> list[RecordedCall]:
        """The calls of one operation."""
        return [call for call in self._calls if call.operation == operation]

    def clear(self) -> None:
        """Forgets all calls."""
        self._calls.clear()
