"""The simulator's own API, as tests in other languages use it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.simulator import Simulator, SimulatorOptions
from tests.unit.simulator.harness import basic

STOP = "com.vmware.vcenter.vm.power.stop"
POWER = "/api/vcenter/vm/vm-1001/power"


class Client:
    """Speaks to both APIs of one simulator."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self._http = http

    async def __call__(self, method: str, target: str, data: Any = None, **headers: str) -> tuple[int, Any]:
        async with self._http.request(method, target, data=data, headers=headers) as response:
            body = await response.read()
            return response.status, json.loads(body) if body and response.content_type == "application/json" else None

    async def fault(self, **body: Any) -> tuple[int, Any]:
        return await self("POST", "/simulator/faults", json.dumps(body))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client with a session."""
    async with Simulator(SimulatorOptions(vms=8)) as simulator, aiohttp.ClientSession(simulator.url) as http:
        async with http.post("/api/session", headers=basic(simulator.user)) as response:
            http.headers["vmware-api-session-id"] = await response.json()
        simulator.record.clear()
        yield Client(simulator, http)


async def test_faults_are_switched_on_shown_and_switched_off(client: Client) -> None:
    """`times` counts down; null stands for until further notice."""
    assert await client.fault(kind="error", error_type="RESOURCE_BUSY", operation=STOP, times=2) == (204, None)
    assert (await client.fault(kind="latency", seconds=0.01, times=None))[0] == 204
    assert (await client("POST", f"{POWER}?action=stop"))[0] == 500
    assert await client("GET", "/simulator/faults") == (
        200,
        [
            {"kind": "error", "operation": STOP, "times": 1, "error_type": "RESOURCE_BUSY"},
            {"kind": "latency", "operation": None, "times": None, "seconds": 0.01},
        ],
    )
    assert (await client("DELETE", "/simulator/faults"))[0] == 204
    assert (await client("POST", f"{POWER}?action=stop"))[0] == 204
    assert await client("GET", "/simulator/faults") == (200, [])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '"hang"',
        "{}",
        '{"kind": "explode"}',
        '{"kind": null}',
        '{"kind": []}',
        '{"kind": "hang", "time": 1}',
        '{"kind": "hang", "times": 0}',
        '{"kind": "hang", "times": "3"}',
        '{"kind": "hang", "times": 1.5}',
        '{"kind": "hang", "operation": "com.vmware.nothing"}',
        '{"kind": "hang", "operation": {}}',
        '{"kind": "error"}',
        '{"kind": "answer"}',
        '{"kind": "answer", "body": 1, "status": 199}',
        '{"kind": "answer", "body": 1, "status": 600}',
        '{"kind": "error", "error_type": 5}',
        '{"kind": "latency", "seconds": "1"}',
        '{"kind": "latency", "seconds": NaN}',
        '{"kind": "latency", "seconds": -1}',
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(client: Client, body: str) -> None:
    """400 with a sentence, and nothing is switched on."""
    status, answer = await client("POST", "/simulator/faults", body)
    assert (status, list(answer)) == (400, ["error"])
    assert answer["error"]
    assert client.simulator.faults.to_json() == []


async def test_the_calls_are_shown_without_secrets(client: Client) -> None:
    """In their order, with what came of them; header fields and bodies are not shown, nor calls of this API."""
    await client("GET", POWER, **{"X-Request-ID": "abc"})
    await client("POST", "/api/vcenter/vm/vm-1001/console/tickets", '{"type": "VMRC"}')
    await client("GET", "/nothing?x=1")
    assert await client("GET", "/simulator/calls") == (
        200,
        [
            {
                "method": "GET",
                "target": POWER,
                "operation": "com.vmware.vcenter.vm.power.get",
                "request_id": "abc",
                "status": 200,
                "executed": True,
            },
            {
                "method": "POST",
                "target": "/api/vcenter/vm/vm-1001/console/tickets",
                "operation": "com.vmware.vcenter.vm.console.tickets.create",
                "request_id": "",
                "status": 415,
                "executed": False,
            },
            {
                "method": "GET",
                "target": "/nothing?x=1",
                "operation": None,
                "request_id": "",
                "status": 404,
                "executed": False,
            },
        ],
    )


async def test_the_calls_of_one_operation_and_forgetting_them(client: Client) -> None:
    """`?operation=` picks out; DELETE begins anew."""
    await client("GET", POWER)
    await client("POST", f"{POWER}?action=stop")
    _, calls = await client("GET", f"/simulator/calls?operation={STOP}")
    assert [(call["operation"], call["status"]) for call in calls] == [(STOP, 204)]
    assert (await client("DELETE", "/simulator/calls"))[0] == 204
    assert await client("GET", "/simulator/calls") == (200, [])


async def test_sessions_are_counted_and_ended(client: Client) -> None:
    """DELETE is what a restart of vCenter does to them."""
    assert await client("GET", "/simulator/sessions") == (
        200,
        {"logins": 1, "rejected_logins": 0, "refused_by_cap": 0, "logouts": 0, "open": 1},
    )
    assert (await client("DELETE", "/simulator/sessions"))[0] == 204
    assert (await client("GET", POWER))[0] == 401
    assert (await client("GET", "/simulator/sessions"))[1]["open"] == 0


@pytest.mark.parametrize(("method", "target"), [("GET", "nothing"), ("PUT", "faults"), ("POST", "calls"), ("GET", "")])
async def test_there_is_nothing_else(client: Client, method: str, target: str) -> None:
    """404 for other paths and verbs."""
    assert (await client(method, f"/simulator/{target}"))[0] == 404


async def test_faults_do_not_hit_this_api(client: Client) -> None:
    """Or nobody could switch them off."""
    await client.fault(kind="hang", times=None)
    assert (await client("DELETE", "/simulator/faults"))[0] == 204
    assert (await client("GET", POWER))[0] == 200
