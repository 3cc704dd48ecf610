"""`vcenter.gateway.v1.MetricsService`: vCenter's performance counters of virtual machines, by name."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from gateway.calls import Call
from gateway.live.heartbeat import heartbeat_seconds
from gateway.live.messages import Messages
from gateway.live.metrics.catalogue import LIVE_SECONDS, Catalogue, CatalogueReader, Counter
from gateway.live.metrics.feed import Feeds
from gateway.live.metrics.queries import Question, Series, ask
from gateway.live.required import refuse
from gateway.live.serves import serves
from gateway.live.vm_watching import Selector
from gateway.live.vms.hub import Hub
from gateway.live.vms.hubs import Hubs
from gateway.live.vms.selection import Selection
from gateway.vcenter.client import VCenter

if TYPE_CHECKING:
    from gateway.vim.client import VimClient

__all__ = ["MetricsService"]

_MAX_MACHINES, _MAX_METRICS, _MAX_SAMPLES = 1000, 64, 10_000
_LATEST = 3
"""Number of samples requested of each series each time: some arrive late, and none is sent twice."""
_QUERY_SECONDS = 60.0


class MetricsService:
    """Belongs to one event loop."""

    def __init__(self, messages: Messages, vcenter: VCenter, hubs: Hubs, selector: Selector) -> None:
        self._message = messages
        self._vcenter = vcenter
        self._hubs = hubs
        self._selector = selector
        self._catalogues = CatalogueReader()
        self.feeds = Feeds(float(LIVE_SECONDS))

    @serves("vcenter.gateway.v1.MetricsService/ListMetrics")
    async def list_metrics(self, call: Call) -> Any:
        """Raises GatewayError."""
        catalogue = await self._catalogues.current(self._client(call))
        metrics = [
            self._message(
                "MetricInfo",
                name=counter.name,
                description=counter.description,
                unit=counter.unit,
                level=counter.level or None,
            )
            for _, counter in sorted(catalogue.counters.items())
        ]
        intervals = []
        for interval in catalogue.intervals:
            told = self._message("MetricInterval", name=interval.name, live=interval.is_live)
            told.interval.seconds, told.kept.seconds = interval.seconds, interval.kept
            intervals.append(told)
        return self._message("ListMetricsResponse", metrics=metrics, intervals=intervals)

    @serves("vcenter.gateway.v1.MetricsService/QueryMetrics")
    async def query_metrics(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        _check(request)
        if len(request.vms) > _MAX_MACHINES:
            raise refuse("vms", f"must have at most {_MAX_MACHINES:,} machines")
        client = self._client(call)
        catalogue, counters = await self._catalogues.counters(client, request.metrics)
        question = _question(request, catalogue, counters)
        found = await ask(client, catalogue.manager, list(dict.fromkeys(request.vms)), question)
        return self._message("QueryMetricsResponse", series=self._series(found))

    @serves("vcenter.gateway.v1.MetricsService/StreamMetrics")
    async def stream_metrics(self, call: Call) -> AsyncIterator[Any]:
        """Raises GatewayError."""
        request: Any = call.message
        quiet = heartbeat_seconds(request)
        _check(request)
        catalogue, counters = await self._catalogues.counters(self._client(call), request.metrics)
        question = Question(counters, LIVE_SECONDS, most=_LATEST, instances=request.instances)
        async with (
            self._hubs.using(call, request.filter) as hub,
            contextlib.aclosing(self._pages(call, hub, catalogue, question, quiet)) as pages,
        ):
            async for page in pages:
                yield page

    async def _pages(
        self, call: Call, hub: Hub, catalogue: Catalogue, question: Question, quiet: float
    ) -> AsyncGenerator[Any, None]:
        request: Any = call.message
        await hub.ready()
        client = self._vcenter.vim.client(call.caller.credential)
        last = time.monotonic()
        selection = await self._selector.select(call, request.filter)
        while True:
            _chosen(hub, selection)
            watched = selection.key
            asking = _Asking(client, catalogue, question, hub, selection)
            with self.feeds.watched(self._key(call, question, selection), asking.ask) as feed:
                number = 0
                while selection.key == watched:
                    try:
                        async with asyncio.timeout(max(0.0, last + quiet - time.monotonic())):
                            number, found = await feed.newer(number)
                    except TimeoutError:
                        yield self._message("StreamMetricsResponse", heartbeat=self._message.heartbeat())
                    else:
                        page = self._message("MetricPage", series=self._series(found))
                        yield self._message("StreamMetricsResponse", samples=page)
                    last = time.monotonic()
                    # The policy or the tags may have changed, so that the caller now sees other machines.
                    selection = await self._selector.select(call, request.filter)

    def _client(self, call: Call) -> VimClient:
        return self._vcenter.vim.client(call.caller.credential, call)

    def _key(self, call: Call, question: Question, selection: Selection) -> tuple[Any, ...]:
        """The subject and the credential of a watch."""
        credential = call.caller.credential
        names = hashlib.sha256("\n".join(counter.name for counter in question.counters).encode()).digest()
        return type(credential), credential.digest, names, question.instances, selection.key

    def _series(self, found: Iterable[Series]) -> list[Any]:
        told = []
        for series in found:
            samples = []
            for moment, value in series.samples:
                sample = self._message("MetricSample", value=value)
                sample.time.FromDatetime(moment)
                samples.append(sample)
            told.append(
                self._message(
                    "MetricSeries", vm=series.vm, metric=series.counter.name, instance=series.instance, samples=samples
                )
            )
        return told


class _Asking:
    """Requests the live samples of the machines that currently match."""

    def __init__(
        self, client: VimClient, catalogue: Catalogue, question: Question, hub: Hub, selection: Selection
    ) -> None:
        self._client = client
        self._catalogue = catalogue
        self._question = question
        self._hub = hub
        self._selection = selection

    async def ask(self) -> Sequence[Series]:
        """Raises GatewayError."""
        self._hub.check()
        vms = _chosen(self._hub, self._selection)
        if not vms:
            return []
        return await ask(self._client, self._catalogue.manager, vms, self._question)


def _chosen(hub: Hub, selection: Selection) -> list[str]:
    """The machines that currently match. Raises GatewayError (INVALID_ARGUMENT) if there are too many."""
    vms = [vm for vm, machine in hub.history.machines.items() if selection.matches(machine)]
    if len(vms) > _MAX_MACHINES:
        raise refuse("filter", f"matches {len(vms):,} machines; the limit is {_MAX_MACHINES:,}")
    return vms


def _check(request: Any) -> None:
    if len(request.metrics) > _MAX_METRICS:
        raise refuse("metrics", f"must have at most {_MAX_METRICS} names")


def _question(request: Any, catalogue: Catalogue, counters: Sequence[Counter]) -> Question:
    """Raises GatewayError (INVALID_ARGUMENT)."""
    interval = LIVE_SECONDS
    if request.HasField("interval"):
        interval = request.interval.seconds
        known = [each.seconds for each in catalogue.intervals]
        if request.interval.nanos or interval not in known:
            raise refuse("interval", f"must be one of vCenter's, in seconds: {', '.join(map(str, known))}")
    question = Question(counters, interval, instances=request.instances)
    for name in ("start", "end"):
        if request.HasField(name):
            question = replace(question, **{name: getattr(request, name).ToDatetime(tzinfo=UTC)})
    if question.start is not None and question.end is not None and question.start >= question.end:
        raise refuse("start", "must be before end")
    if request.HasField("max_samples"):
        if not 1 <= request.max_samples <= _MAX_SAMPLES:
            raise refuse("max_samples", f"must be from 1 to {_MAX_SAMPLES:,}")
        return replace(question, most=request.max_samples)
    return question if question.start or question.end else replace(question, most=1)
