"""`MetricsService` against servers of the VIM API: names, values in their units, and live samples for many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from gateway.access import Admission, parse_policy, passthrough
from gateway.errors import Failure as Ended
from gateway.errors import GatewayError, Reason
from gateway.live.metrics.feed import Feed
from gateway.live.metrics.queries import Series
from tests.integration.harness import Failure, eventually
from tests.integration.live_gateway import LiveGateway, running_live_gateway
from tests.integration.vim_servers import SERVERS, VimServer

USAGE, MEMORY, RECEIVED = "cpu.usage.average", "mem.usage.average", "net.received.average"


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[VimServer]:
    """Each server in turn."""
    async with SERVERS[request.param]() as running:
        yield running


@pytest.fixture
async def live(server: VimServer) -> AsyncIterator[LiveGateway]:
    """A gateway in front of the server, which asks for live samples often."""
    async with running_live_gateway(server) as running:
        quicken(running)
        yield running


@pytest.fixture(params=[name for name in SERVERS if name != "vcsim"])
async def exact(request: pytest.FixtureRequest) -> AsyncIterator[LiveGateway]:
    """The same in front of servers that are particular: vcsim has samples of any interval and of machines that are
    off."""
    async with SERVERS[request.param]() as server, running_live_gateway(server) as running:
        quicken(running)
        yield running


def quicken(live: LiveGateway) -> None:
    assert live.client.gateway.machines is not None
    live.client.gateway.machines.metrics.feeds.seconds = 0.05


async def query(live: LiveGateway, *metrics: str, **more: Any) -> list[dict[str, Any]]:
    request = {"vms": [live.vm], "metrics": list(metrics), **more}
    answer = await live.call("MetricsService/QueryMetrics", request)
    series: list[dict[str, Any]] = answer.get("series", [])
    return series


async def test_the_metrics_there_are(live: LiveGateway) -> None:
    """Metrics have names, units and descriptions; the live interval comes first."""
    answer = await live.call("MetricsService/ListMetrics")
    metrics = {metric["name"]: metric for metric in answer["metrics"]}
    assert metrics[USAGE]["unit"] == "percent"
    assert metrics["cpu.usagemhz.average"]["unit"] == "megaHertz"
    assert metrics[USAGE]["description"]
    assert list(metrics) == sorted(metrics)
    intervals = answer["intervals"]
    assert (intervals[0]["interval"], intervals[0]["live"]) == ("20s", True)
    assert [item["interval"] for item in intervals[1:]] == ["300s", "1800s", "7200s", "86400s"]


async def test_the_newest_value(live: LiveGateway) -> None:
    """Without times, the newest value of each metric comes, percentages from 0 to 100."""
    found = {series["metric"]: series for series in await query(live, USAGE, MEMORY)}
    assert set(found) == {USAGE, MEMORY}
    for series in found.values():
        [sample] = series["samples"]
        assert 0 <= sample.get("value", 0.0) <= 100
        assert series["vm"] == live.vm
        age = datetime.now(UTC) - datetime.fromisoformat(sample["time"])
        assert abs(age) < timedelta(minutes=1)


async def test_a_time_range(live: LiveGateway) -> None:
    """Samples are those of the range, the oldest first; the newest of them where there is a limit."""
    end = datetime.now(UTC)
    start = end - timedelta(minutes=10)
    times = {"start": start.isoformat(), "end": end.isoformat()}
    [series] = await query(live, USAGE, **times)
    stamps = [datetime.fromisoformat(sample["time"]) for sample in series["samples"]]
    assert stamps == sorted(stamps)
    assert start < stamps[0]
    assert stamps[-1] <= end
    assert 29 <= len(stamps) <= 31
    [series] = await query(live, USAGE, **times, max_samples=5)
    assert [datetime.fromisoformat(sample["time"]) for sample in series["samples"]] == stamps[-5:]


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_limit_of_history(exact: LiveGateway, count: int) -> None:
    """The limit holds for intervals too of which vCenter does not look at it."""
    [series] = await query(exact, USAGE, interval="300s", max_samples=count)
    stamps = [datetime.fromisoformat(sample["time"]) for sample in series["samples"]]
    assert len(stamps) == count
    assert {later - earlier for earlier, later in pairwise(stamps)} <= {timedelta(minutes=5)}


async def test_instances(exact: LiveGateway) -> None:
    """Where that is asked for, each adapter has a series of its own beside that of the machine."""
    [whole] = await query(exact, RECEIVED)
    assert whole.get("instance", "") == ""
    every = await query(exact, RECEIVED, instances=True)
    names = {series.get("instance", "") for series in every}
    assert {"", "4000"} <= names


async def test_many_machines_and_metrics(live: LiveGateway) -> None:
    """All machines come with all metrics, each once, however often one is named."""
    answer = await live.call("MetricsService/ListMetrics")
    names = [metric["name"] for metric in answer["metrics"]][:60]
    vms = [machine.value for machine in live.inventory.machines]
    answer = await live.call("MetricsService/QueryMetrics", {"vms": vms * 2, "metrics": [*names, USAGE, USAGE]})
    found = [(series["vm"], series["metric"]) for series in answer["series"]]
    assert len(found) == len(set(found))
    assert {vm for vm, metric in found if metric == USAGE} == set(vms)


async def test_a_machine_that_is_off(exact: LiveGateway) -> None:
    """A machine that is off has no live samples."""
    await exact.ended((await exact.inventory.client.call(exact.inventory.machines[0], "PowerOffVM_Task")).value)
    assert await query(exact, USAGE) == []


async def test_no_such_machine(exact: LiveGateway) -> None:
    """A machine that does not exist is not found."""
    failure = await exact.failure("MetricsService/QueryMetrics", {"vms": ["vm-99999"], "metrics": [USAGE]})
    assert (failure.code, failure.reason) == ("NOT_FOUND", "NOT_FOUND")


NOW = "2026-03-01T10:00:00Z"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param({"vms": []}, "vms", id="no-machines"),
        pytest.param({"vms": [f"vm-{number}" for number in range(1001)]}, "vms", id="many-machines"),
        pytest.param({"metrics": []}, "metrics", id="no-metrics"),
        pytest.param({"metrics": [USAGE] * 65}, "metrics", id="many-metrics"),
        pytest.param({"metrics": [USAGE, "cpu.nonsense.average"]}, "metrics[1]", id="unknown-metric"),
        pytest.param({"interval": "21s"}, "interval", id="interval"),
        pytest.param({"interval": "20.5s"}, "interval", id="part-of-a-second"),
        pytest.param({"max_samples": 0}, "max_samples", id="no-samples"),
        pytest.param({"max_samples": 10_001}, "max_samples", id="many-samples"),
        pytest.param({"start": NOW, "end": NOW}, "start", id="no-time"),
    ],
)
async def test_mistakes(live: LiveGateway, more: Any, field: str) -> None:
    """What is wrong in a request is said of the field."""
    failure = await live.failure("MetricsService/QueryMetrics", {"vms": [live.vm], "metrics": [USAGE], **more})
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


# Live


async def test_live_samples(live: LiveGateway) -> None:
    """A stream begins with the newest samples of all machines, and has heartbeats while there are none."""
    stream = live.stream("MetricsService/StreamMetrics", {"metrics": [USAGE], "heartbeat_interval": "1s"})
    page = (await stream.next())["samples"]
    assert {series["vm"] for series in page["series"]} == {machine.value for machine in live.inventory.machines}
    await stream.until(lambda message: "heartbeat" in message)
    stream.cancel()


async def test_a_filter(live: LiveGateway) -> None:
    """Only machines that match are in the stream."""
    request = {"metrics": [USAGE], "filter": {"vms": [live.other_vm]}}
    stream = live.stream("MetricsService/StreamMetrics", request)
    assert {series["vm"] for series in (await stream.next())["samples"]["series"]} == {live.other_vm}
    stream.cancel()


async def test_one_query_for_all(live: LiveGateway) -> None:
    """Streams of the same cost one query; another metric is another one; nothing is asked when all have left."""
    assert live.client.gateway.machines is not None
    feeds = live.client.gateway.machines.metrics.feeds
    same = [live.stream("MetricsService/StreamMetrics", {"metrics": [USAGE]}) for _ in range(5)]
    for stream in same:
        await stream.next()
    assert len(feeds) == 1
    other = live.stream("MetricsService/StreamMetrics", {"metrics": [MEMORY]})
    await other.next()
    assert len(feeds) == 2
    for stream in (*same, other):
        stream.cancel()
    await eventually(lambda: len(feeds) == 0, "nothing is asked any more")


async def test_a_policy(server: VimServer) -> None:
    """A policy hides machines from streams, and forbids to ask for them by name."""
    async with running_live_gateway(server) as scout:
        vm, other = scout.vm, scout.other_vm
    rules = b'rules: [{identities: ["*"], rpcs: ["*.MetricsService/*"], machines: ["MACHINE"]}]'
    policy = parse_policy(rules.replace(b"MACHINE", vm.encode()))
    async with running_live_gateway(server, admission=Admission(passthrough(), lambda: policy)) as live:
        quicken(live)
        stream = live.stream("MetricsService/StreamMetrics", {"metrics": [USAGE]})
        assert {series["vm"] for series in (await stream.next())["samples"]["series"]} == {vm}
        stream.cancel()
        assert await query(live, USAGE)
        failure = await live.failure("MetricsService/QueryMetrics", {"vms": [vm, other], "metrics": [USAGE]})
        assert failure.reason == "POLICY_DENIED"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "metrics"),
        ({"metrics": ["cpu.nonsense.average"]}, "metrics[0]"),
        ({"metrics": [USAGE], "heartbeat_interval": "0.5s"}, "heartbeat_interval"),
    ],
)
async def test_mistakes_of_streams(live: LiveGateway, request_: Any, field: str) -> None:
    """What is wrong in a request is said of the field."""
    with pytest.raises(Failure) as caught:
        await live.stream("MetricsService/StreamMetrics", request_).next()
    assert caught.value.reason == "REQUEST_INVALID"
    assert [item["field"] for item in caught.value.details["google.rpc.BadRequest"]["field_violations"]] == [field]


# The feed alone


async def test_samples_are_told_once() -> None:
    """A sample that comes again is not told again; what is new is."""
    counter: Any = type("Counter", (), {"name": USAGE})()
    times = [datetime(2026, 3, 1, 10, 0, second, tzinfo=UTC) for second in (0, 20, 40)]
    answers = [[times[0]], [times[0]], [times[0], times[1]], times]

    async def ask() -> list[Series]:
        moments = answers.pop(0) if len(answers) > 1 else answers[0]
        return [Series("vm-1", counter, "", [(moment, 1.0) for moment in moments])]

    feed = Feed(ask, 0.001)
    told, number = [], 0
    while len(told) < 3:
        number, [series] = await feed.newer(number)
        told += [moment for moment, _ in series.samples]
    feed.close()
    assert told == times


@pytest.mark.parametrize(("reason", "tries"), [(Reason.VCENTER_CONNECTION_LOST, 3), (Reason.REQUEST_INVALID, 1)])
async def test_a_feed_that_fails(reason: Reason, tries: int) -> None:
    """Trouble that may pass is borne for a while; then, and in any other case, all who watch are told."""
    asked = []

    async def ask() -> list[Series]:
        asked.append(1)
        raise GatewayError(Ended.of(reason, "no"))

    feed = Feed(ask, 0.001)
    with pytest.raises(GatewayError) as caught:
        await asyncio.gather(feed.newer(0), feed.newer(0))
    assert (caught.value.failure.reason, len(asked)) == (reason, tries)
