"""Requests values of counters from vCenter, in batches that it accepts, and reads the responses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.errors import Failure, GatewayError, Reason
from gateway.live.metrics.catalogue import LIVE_SECONDS, Counter
from gateway.live.vim_objects import machine
from gateway.vim import Data, Ref

if TYPE_CHECKING:
    from gateway.vim.client import VimClient

__all__ = ["Question", "Series", "ask"]

_MOST_METRICS = 256
"""Per query. vCenter's own limit is `config.vpxd.stats.maxQueryMetrics`, with this default."""
_AT_ONCE = 4
_GAP = -1


@dataclass(frozen=True, slots=True)
class Question:
    """What to request for each machine."""

    counters: Sequence[Counter]
    interval: int
    """In seconds."""
    start: datetime | None = None
    """Only samples after it."""
    end: datetime | None = None
    """Only samples up to it."""
    most: int | None = None
    """Maximum number of the latest samples of each series."""
    instances: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one counter of one machine, the oldest first."""

    vm: str
    counter: Counter
    instance: str
    samples: Sequence[tuple[datetime, float]]


async def ask(client: VimClient, manager: Ref, vms: Sequence[str], question: Question) -> list[Series]:
    """The series of these machines, without those that have no samples. Raises GatewayError."""
    size = max(1, _MOST_METRICS // len(question.counters))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def portion(first: int) -> list[Series]:
        async with turns:
            specs = [_spec(vm, question) for vm in vms[first : first + size]]
            answer = await client.call(manager, "QueryPerf", {"querySpec": specs})
        try:
            return [series for entity in answer or () for series in _read(entity, question)]
        except ValueError:
            text = "vCenter's response has samples that are not numbers, or whose times are not times"
            raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text)) from None

    asking = [asyncio.ensure_future(portion(first)) for first in range(0, len(vms), size)]
    try:
        return [series for part in await asyncio.gather(*asking) for series in part]
    finally:
        for task in asking:
            task.cancel()


def _spec(vm: str, question: Question) -> Data:
    instance = "*" if question.instances else ""
    more: dict[str, Any] = {}
    if question.start is not None:
        more["startTime"] = question.start
    if question.end is not None:
        more["endTime"] = question.end
    if question.most is not None and question.interval == LIVE_SECONDS:
        more["maxSample"] = question.most  # vCenter ignores it for other intervals.
    return Data(
        "PerfQuerySpec",
        entity=machine(vm),
        metricId=[Data("PerfMetricId", counterId=counter.key, instance=instance) for counter in question.counters],
        intervalId=question.interval,
        format="csv",
        **more,
    )


def _read(entity: Data, question: Question) -> list[Series]:
    info = entity.get("sampleInfoCSV", "").split(",")
    times = [_time(text) for text in info[1::2]]
    counters = {counter.key: counter for counter in question.counters}
    found = []
    for series in entity.get("value", ()):
        counter = counters.get(series["id"]["counterId"])
        if counter is None:
            continue
        numbers = [int(text) for text in series.get("value", "").split(",") if text]
        samples = sorted(
            (moment, number / counter.divisor)
            for moment, number in zip(times, numbers, strict=False)
            if number != _GAP and _is_within(moment, question)
        )
        if question.most is not None:
            samples = samples[-question.most :]
        if samples:
            found.append(Series(entity["entity"].value, counter, series["id"].get("instance", ""), samples))
    return found


def _is_within(moment: datetime, question: Question) -> bool:
    return (question.start is None or moment > question.start) and (question.end is None or moment <= question.end)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
