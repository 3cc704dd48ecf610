"""When a worker counts as silent, and what follows from it."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from gateway import workers as module
from gateway.settings import ServerSettings
from gateway.workers import Place, Workers


class Killed:
    """A process that only knows whether it was killed."""

    def __init__(self) -> None:
        self.kills = 0

    def kill(self) -> None:
        self.kills += 1


def serving(silence: float = 15.0) -> tuple[Workers, Place, Killed]:
    """Two workers that serve, the first of them with its place."""
    workers = Workers(2, silence=silence, patience=1.0)
    process = Killed()
    for place in workers.places:
        place.ready.set()
        place.heard = True
    workers.places[0].process = cast(asyncio.subprocess.Process, process)
    return workers, workers.places[0], process


@pytest.mark.parametrize(
    ("silent", "problem"),
    [(4.9, None), (5.0, None), (5.1, "not ready: worker 1 of 2")],
    ids=["below", "at", "above"],
)
async def test_readiness(silent: float, problem: str | None) -> None:
    """A worker that is silent for more than a third of what it may be makes the gateway unready."""
    workers, place, _ = serving()
    place.silent = silent
    assert workers.not_ready() == problem


@pytest.mark.parametrize(("silent", "alive"), [(24.9, True), (25.0, True), (25.1, False)], ids=["below", "at", "above"])
async def test_a_worker_that_cannot_be_killed(silent: float, alive: bool) -> None:
    """The gateway is not alive when a process goes on although it was killed, which nothing but a new container ends;
    a stuck worker alone is the supervisor's own matter."""
    workers, place, _ = serving()
    place.silent = silent
    assert workers.not_alive() is None
    place.killed = True
    assert (workers.not_alive() is None) is alive


@pytest.mark.parametrize(
    ("heard", "silent", "kills"),
    [
        pytest.param(True, 13.9, 0, id="below"),
        pytest.param(True, 15.1, 1, id="above"),
        pytest.param(False, 58.0, 0, id="not started yet"),
        pytest.param(False, 60.1, 1, id="never started"),
    ],
)
async def test_silence(monkeypatch: pytest.MonkeyPatch, heard: bool, silent: float, kills: int) -> None:
    """A worker that is silent for too long is killed, once; one that starts may take longer."""
    workers, place, process = serving()
    place.heard, place.silent = heard, silent
    await watch(monkeypatch, workers, [1.0, 2.0] if kills else [1.0])
    assert process.kills == kills
    assert place.killed is (kills > 0)


async def test_a_pause_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the supervisor itself was held up for an hour, its workers are not taken for silent."""
    workers, place, process = serving()
    await watch(monkeypatch, workers, [3600.0])
    assert process.kills == 0
    assert place.silent == 2.0


async def watch(monkeypatch: pytest.MonkeyPatch, workers: Workers, moments: list[float]) -> None:
    """Lets the supervisor look at its workers at these moments of its clock, after one at 0."""
    now = 0.0
    coming = iter(moments)

    class Loop:
        def time(self) -> float:
            return now

    async def sleep(seconds: float) -> None:
        nonlocal now
        try:
            now = next(coming)
        except StopIteration:
            raise asyncio.CancelledError from None

    monkeypatch.setattr(module.asyncio, "get_running_loop", Loop)
    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await workers._watch()


@pytest.mark.parametrize(("seconds", "valid"), [(5.9, False), (6.0, True), (3600.0, True), (3600.1, False)])
def test_the_setting(seconds: float, valid: bool) -> None:
    """A worker may be silent for six seconds at least, since it gives a sign of life every second."""
    if valid:
        assert ServerSettings(worker_timeout_seconds=seconds).worker_timeout_seconds == seconds
    else:
        with pytest.raises(ValueError, match="worker_timeout_seconds"):
            ServerSettings(worker_timeout_seconds=seconds)
