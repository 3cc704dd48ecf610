"""Work in the background that ends unexpectedly: whoever waits for its results is told, and the next caller gets new
work. Without that, a stream sends heartbeats forever and seems to be up to date."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from gateway.live.metrics.feed import Feed
from gateway.live.occurrences.history import EventHistory
from gateway.live.tasks.states import TaskStates
from gateway.live.vms.history import History
from gateway.live.vms.places import Places
from gateway.simulator import Simulator
from tests.integration.harness import System
from tests.integration.test_watch_tasks import started
from tests.integration.watching import annotate

SERVICE = "vcenter.gateway.v1"
SECRET = "hunter2-of-a-guest"


class Defect:
    """Fails in a way that nobody has thought of, until it is mended."""

    def __init__(self, part: type, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

        def fail(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError(SECRET)

        monkeypatch.setattr(part, method, fail)

    def mend(self) -> None:
        """The method works again."""
        self._monkeypatch.undo()


def change(simulator: Simulator) -> None:
    """Something happens to a machine."""
    annotate(simulator, "vm-1001", "changed")


def nothing(simulator: Simulator) -> None:
    """Nothing needs to happen."""


@pytest.mark.parametrize(
    ("rpc", "part", "method", "happens"),
    [
        ("WatchService/WatchVms", Places, "put", nothing),
        ("WatchService/WatchVms", History, "commit", change),
        ("WatchService/WatchEvents", EventHistory, "forward", nothing),
        ("WatchService/WatchTask", TaskStates, "of_rest", nothing),
        ("MetricsService/StreamMetrics", Feed, "_new", nothing),
    ],
    ids=["source-of-machines", "rounds", "events", "tasks", "metrics"],
)
async def test_a_defect_in_the_background(
    log: io.StringIO,
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    rpc: str,
    part: type,
    method: str,
    happens: Callable[[Simulator], None],
) -> None:
    """Streams end with the reason, the log has the location and no text of the exception, and the next stream works."""
    request: dict[str, Any] = {"heartbeat_interval": "1s"}
    if rpc.endswith("WatchTask"):
        request["task"] = started(system).task
    if rpc.endswith("StreamMetrics"):
        request["metrics"] = ["cpu.usage.average"]
    defect = Defect(part, method, monkeypatch)
    stream = system.client.stream(f"{SERVICE}.{rpc}", request, timeout=20)
    if happens is change:
        await stream.until(lambda message: "synced" in message)
    happens(system.simulator)
    failed = await stream.failed()
    assert (failed.code, failed.reason) == ("INTERNAL", "GATEWAY_BUG")
    text = log.getvalue()
    assert "ZeroDivisionError" in text
    assert "in fail" in text
    assert SECRET not in text + str(failed)
    defect.mend()
    again = system.client.stream(f"{SERVICE}.{rpc}", request, timeout=20)
    works = (
        (lambda _: True)
        if rpc.endswith("WatchEvents")
        else (lambda message: not message.keys() & {"started", "heartbeat"})
    )
    assert await again.until(works)
    again.cancel()
