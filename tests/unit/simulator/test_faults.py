"""Faults as clients meet them: real requests to a started simulator, and the record of what was carried out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from gateway.simulator import Fault, Faults, Simulator, SimulatorOptions
from gateway.simulator.errors import Message
from gateway.simulator.faults import KINDS
from tests.unit.simulator.harness import basic

GET, STOP = "com.vmware.vcenter.vm.power.get", "com.vmware.vcenter.vm.power.stop"
POWER = "/api/vcenter/vm/vm-1001/power"


class Client:
    """A client of one simulator, with a session."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.http = http

    async def get(self) -> tuple[int, Any]:
        async with self.http.get(POWER) as response:
            return response.status, await response.json()

    async def stop(self) -> int:
        async with self.http.post(f"{POWER}?action=stop") as response:
            await response.read()
            return response.status

    @property
    def state(self) -> str:
        """The power state behind the API's back."""
        return self.simulator.inventory.machines["vm-1001"].power_state

    def calls(self, operation: str) -> list[tuple[int | None, bool]]:
        """Status and whether it was executed, for each call."""
        return [(call.status, call.executed) for call in self.simulator.record.of(operation)]


@pytest.fixture(params=[False, True], ids=["http", "https"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Over plain HTTP, and over TLS: faults of the connection have to work on both."""
    async with Simulator(SimulatorOptions(vms=8, tls=request.param)) as simulator:
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(simulator.url, connector=connector) as http:
            async with http.post("/api/session", headers=basic(simulator.user)) as response:
                http.headers["vmware-api-session-id"] = await response.json()
            yield Client(simulator, http)


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another task's hands
            await asyncio.sleep(0.005)


async def test_without_a_fault_a_call_is_answered_and_recorded(client: Client) -> None:
    """The answer's status, and that the operation ran."""
    assert await client.stop() == 204
    assert client.calls(STOP) == [(204, True)]


async def test_latency_delays_the_answer_and_nothing_else(client: Client) -> None:
    """All latencies of a call add up."""
    client.simulator.faults.add(Fault.latency(0.1))
    client.simulator.faults.add(Fault.latency(0.1), operation=STOP)
    started = asyncio.get_running_loop().time()
    assert await client.stop() == 204
    assert 0.2 <= asyncio.get_running_loop().time() - started < 2
    assert client.calls(STOP) == [(204, True)]


async def test_a_client_that_does_not_wait_has_had_its_operation_run(client: Client) -> None:
    """It is the answer that comes late, and here never."""
    client.simulator.faults.add(Fault.latency(60), operation=STOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.stop()
    assert (client.state, client.calls(STOP)) == ("POWERED_OFF", [(None, True)])


async def test_error_answers_in_place_of_the_operation(client: Client) -> None:
    """With the status and the body of that error; the operation does not run."""
    client.simulator.faults.add(Fault.error("RESOURCE_BUSY"), operation=STOP)
    async with client.http.post(f"{POWER}?action=stop") as response:
        body = await response.json()
    assert (response.status, body["error_type"]) == (500, "RESOURCE_BUSY")
    assert body["messages"][0]["args"] == ["RESOURCE_BUSY"]
    assert (client.state, client.calls(STOP)) == ("POWERED_ON", [(500, False)])


async def test_errors_have_the_statuses_of_vcenter(client: Client) -> None:
    """What the catalogue does not say is as recordings of vCenters have it."""
    statuses = {"CANCELED": 400, "CONCURRENT_CHANGE": 409, "TIMED_OUT": 504, "SERVICE_UNAVAILABLE": 503}
    for error_type in statuses:
        client.simulator.faults.add(Fault.error(error_type), operation=GET)
    assert [(await client.get())[0] for _ in statuses] == list(statuses.values())


async def test_error_takes_messages_data_and_types_that_nobody_knows(client: Client) -> None:
    """What a newer vCenter may send."""
    message = Message("com.example.id", "Text.", ("a", "b"))
    client.simulator.faults.add(Fault.error("BRAND_NEW", [message], data={"left": 3}), operation=GET)
    assert await client.get() == (
        500,
        {
            "error_type": "BRAND_NEW",
            "messages": [{"id": "com.example.id", "default_message": "Text.", "args": ["a", "b"]}],
            "data": {"left": 3},
        },
    )


async def test_unavailable_answers_with_the_page_of_the_proxy(client: Client) -> None:
    """503 as HTML; the API has not seen the call."""
    client.simulator.faults.add(Fault.unavailable())
    async with client.http.post(f"{POWER}?action=stop") as response:
        text = await response.text()
    assert (response.status, response.content_type) == (503, "text/html")
    assert "no healthy upstream" in text
    assert (client.state, client.calls(STOP)) == ("POWERED_ON", [(503, False)])


async def test_reset_before_resets_the_connection_and_runs_nothing(client: Client) -> None:
    """The client sees a reset; no answer was sent."""
    client.simulator.faults.add(Fault("reset_before"), operation=STOP)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await client.stop()
    assert (client.state, client.calls(STOP)) == ("POWERED_ON", [(None, False)])
    assert await client.stop() == 204


async def test_reset_after_resets_the_connection_once_the_operation_has_run(client: Client) -> None:
    """The client cannot tell this one from the other; the record can."""
    client.simulator.faults.add(Fault("reset_after"), operation=STOP)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await client.stop()
    assert (client.state, client.calls(STOP)) == ("POWERED_OFF", [(None, True)])


async def test_a_reset_is_a_reset_on_the_wire() -> None:
    """ECONNRESET, not an orderly end."""
    async with Simulator(SimulatorOptions(vms=8)) as simulator:
        simulator.faults.add(Fault("reset_before"))
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(b"GET /api/session HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_cut_body_ends_in_the_middle_of_the_answer(client: Client) -> None:
    """Status and length have arrived, half of the body has not."""
    client.simulator.faults.add(Fault("cut_body"), operation=GET)
    async with client.http.get(POWER) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert client.calls(GET) == [(None, True)]


async def test_cut_body_of_an_answer_without_one_cuts_the_head(client: Client) -> None:
    """A 204 that arrived whole would be a success."""
    client.simulator.faults.add(Fault("cut_body"), operation=STOP)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)):
        await client.stop()
    assert (client.state, client.calls(STOP)) == ("POWERED_OFF", [(None, True)])


async def test_hang_never_answers_and_ends_with_the_connection(client: Client) -> None:
    """The client has to give up; then nothing of the request is left in the simulator, and nothing has run."""
    before = len(asyncio.all_tasks())
    client.simulator.faults.add(Fault("hang"), operation=STOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.stop()
    await eventually(lambda: len(asyncio.all_tasks()) <= before)
    assert (client.state, client.calls(STOP)) == ("POWERED_ON", [(None, False)])


async def test_stopping_does_not_wait_for_a_call_that_hangs() -> None:
    """For a second, and no longer."""
    async with aiohttp.ClientSession() as http:
        async with Simulator(SimulatorOptions(vms=8)) as simulator:
            simulator.faults.add(Fault("hang"))
            hanging = asyncio.create_task(http.get(f"{simulator.url}/api/session"))
            await eventually(lambda: len(simulator.record) == 1)
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 3
        with pytest.raises(aiohttp.ClientError):
            await hanging


async def test_a_fault_is_for_its_operation_and_for_so_many_calls(client: Client) -> None:
    """Others do not use it up."""
    client.simulator.faults.add(Fault.error("ERROR"), operation=GET, times=2)
    assert await client.stop() == 204
    assert [(await client.get())[0] for _ in range(3)] == [500, 500, 200]


async def test_a_fault_without_an_operation_is_for_every_request(client: Client) -> None:
    """Logins and paths that do not exist included, until it is cleared."""
    client.simulator.faults.add(Fault.unavailable(), times=None)
    for target in (POWER, "/api/session", "/nothing"):
        async with client.http.get(target) as response:
            assert response.status == 503
    client.simulator.faults.clear()
    assert (await client.get())[0] == 200


def test_faults_are_used_up_in_the_order_in_which_they_were_added() -> None:
    """One of the kinds that exclude each other a call, and all latencies beside it."""
    faults = Faults()
    for fault in (Fault.latency(1), Fault("reset_before"), Fault.latency(2), Fault("hang")):
        faults.add(fault, operation=STOP)
    assert faults.take(GET) == []
    assert [fault.kind for fault in faults.take(STOP)] == ["latency", "reset_before", "latency"]
    assert [fault.kind for fault in faults.take(STOP)] == ["hang"]
    assert faults.take(STOP) == []


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("explode", {}),
        ("", {}),
        ("error", {}),
        ("error", {"error_type": ""}),
        ("hang", {"seconds": 1}),
        ("hang", {"error_type": "ERROR"}),
        ("latency", {}),
        ("latency", {"seconds": -1}),
        ("latency", {"seconds": math.nan}),
        ("latency", {"seconds": math.inf}),
        ("answer", {}),
        ("answer", {"body": None, "status": 199}),
        ("answer", {"body": None, "status": 600}),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(kind: str, arguments: dict[str, Any]) -> None:
    """ValueError says what is wrong."""
    with pytest.raises(ValueError, match=r"fault|latency|status"):
        Fault.of(kind, arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_made_by_its_name(kind: str) -> None:
    """As the control API does."""
    arguments = {
        "latency": {"seconds": 1},
        "error": {"error_type": "ERROR"},
        "answer": {"body": [1]},
        "vim_fault": {"fault": "NotFound"},
    }
    assert Fault.of(kind, arguments.get(kind, {})).kind == kind


async def test_an_answer_of_choice(client: Client) -> None:
    """Any JSON comes in place of the operation's result, which does not run."""
    client.simulator.faults.add(Fault.answer({"state": "HALF_ON", "new": 1}, 202), operation=GET)
    assert await client.get() == (202, {"state": "HALF_ON", "new": 1})
    assert [call.executed for call in client.simulator.record.of(GET)] == [False]


def test_a_fault_has_to_be_for_something() -> None:
    """An operation that exists, and a call or more."""
    faults = Faults()
    with pytest.raises(ValueError, match="no operation"):
        faults.add(Fault("hang"), operation="com.vmware.vcenter.vm.power.explode")
    for times in (0, -1, 1.5):
        with pytest.raises(ValueError, match="one call or more"):
            faults.add(Fault("hang"), times=times)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Fault\.error"):
        Fault("error")
