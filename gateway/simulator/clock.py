"""The simulator's time: the system's, or one that tests advance manually; and vCenter's format for it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["ManualClock", "system_clock", "timestamp", "wait_until"]


def system_clock() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved: `clock.advance(1800)` lets half an hour pass.

    A task that waits for a time moves the clock there itself, because nothing else does.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        self._now += timedelta(seconds=seconds)


async def wait_until(clock: Callable[[], datetime], moment: datetime) -> None:
    """Returns when the clock has reached the time."""
    remaining = (moment - clock()).total_seconds()
    if isinstance(clock, ManualClock):
        clock.advance(max(0.0, remaining))
        return
    while remaining > 0:
        await asyncio.sleep(remaining)
        remaining = (moment - clock()).total_seconds()


def timestamp(moment: datetime) -> str:
    """The RFC 3339 form that vCenter sends: UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
