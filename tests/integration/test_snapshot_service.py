"""`SnapshotService` against servers of the VIM API: what a client sees, and what becomes of the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.access import Admission, AuditLog, parse_policy, passthrough
from tests.integration.live_gateway import LiveGateway, running_live_gateway
from tests.integration.vim_servers import SERVERS, VimServer


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[VimServer]:
    """Each server in turn."""
    async with SERVERS[request.param]() as running:
        yield running


@pytest.fixture
async def live(server: VimServer) -> AsyncIterator[LiveGateway]:
    """A gateway in front of the server."""
    async with running_live_gateway(server) as running:
        yield running


async def create(live: LiveGateway, name: str, **more: Any) -> str:
    """A new snapshot of the machine."""
    answer = await live.call("SnapshotService/CreateSnapshot", {"vm": live.vm, "name": name, **more})
    info = await live.ended(answer["task"])
    return str(info["result"].value)


async def snapshots(live: LiveGateway) -> dict[str, Any]:
    return await live.call("SnapshotService/ListSnapshots", {"vm": live.vm})


async def test_no_snapshots(live: LiveGateway) -> None:
    """A machine without snapshots has an empty list and no current one."""
    assert await snapshots(live) == {}


async def test_the_tree(live: LiveGateway) -> None:
    """Snapshots are told as a tree, with what they were made with, the newest as the current one."""
    first = await create(live, "before 50%/a", description="d")
    second = await create(live, "after", memory=True)
    answer = await snapshots(live)
    [root] = answer["snapshots"]
    [child] = root["children"]
    assert (root["snapshot"], root["name"], root["description"]) == (first, "before 50%/a", "d")
    assert (child["snapshot"], child["name"]) == (second, "after")
    assert (root["power_state"], child["power_state"]) == ("POWER_STATE_POWERED_OFF", "POWER_STATE_POWERED_ON")
    assert (root["current"], child["current"], answer["current"]) == (False, True, second)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(child["created"])).total_seconds()) < 3600


async def test_quiesced(live: LiveGateway) -> None:
    """A snapshot can be taken of quiesced file systems, within a time."""
    await create(live, "quiet", quiesce=True, quiesce_timeout="300s")
    [root] = (await snapshots(live))["snapshots"]
    assert root["quiesced"] is True


async def test_there_and_back(live: LiveGateway) -> None:
    """A machine is reverted to a snapshot, or to the current one, which becomes the current one."""
    first = await create(live, "one")
    await create(live, "two")
    for snapshot in ({"snapshot": first}, {}):
        answer = await live.call("SnapshotService/RevertToSnapshot", {"vm": live.vm, **snapshot})
        assert (await live.ended(answer["task"]))["state"] == "success"
        assert (await snapshots(live))["current"] == first


async def test_removed(live: LiveGateway) -> None:
    """One snapshot goes and leaves those below it; then all are removed."""
    first = await create(live, "one")
    second = await create(live, "two")
    answer = await live.call("SnapshotService/RemoveSnapshot", {"vm": live.vm, "snapshot": first})
    await live.ended(answer["task"])
    [left] = (await snapshots(live))["snapshots"]
    assert left["snapshot"] == second
    answer = await live.call("SnapshotService/RemoveAllSnapshots", {"vm": live.vm})
    await live.ended(answer["task"])
    assert await snapshots(live) == {}


async def test_removed_with_those_below(live: LiveGateway) -> None:
    """A snapshot takes those below it along where that is asked for."""
    first = await create(live, "one")
    await create(live, "two")
    request = {"vm": live.vm, "snapshot": first, "remove_children": True, "consolidate": False}
    answer = await live.call("SnapshotService/RemoveSnapshot", request)
    await live.ended(answer["task"])
    assert await snapshots(live) == {}


@pytest.mark.parametrize("rpc", ["RevertToSnapshot", "RemoveSnapshot", "RenameSnapshot"])
async def test_another_machines_snapshot(live: LiveGateway, rpc: str) -> None:
    """The snapshot of another machine is not found: a policy decides by the machine that the request names."""
    snapshot = await create(live, "mine")
    request = {"vm": live.other_vm, "snapshot": snapshot, **({"name": "x"} if rpc == "RenameSnapshot" else {})}
    failure = await live.failure(f"SnapshotService/{rpc}", request)
    assert (failure.code, failure.reason) == ("NOT_FOUND", "NOT_FOUND")
    assert (await snapshots(live))["current"] == snapshot


@pytest.mark.parametrize("rpc", ["ListSnapshots", "RemoveAllSnapshots"])
async def test_no_such_machine(live: LiveGateway, rpc: str) -> None:
    """A machine that does not exist is not found."""
    failure = await live.failure(f"SnapshotService/{rpc}", {"vm": "vm-99999"})
    assert (failure.code, failure.reason, failure.domain) == ("NOT_FOUND", "NOT_FOUND", "vcenter.vmware.com")


NEW = {"vm": "vm-1", "name": "n"}


@pytest.mark.parametrize(
    ("rpc", "request_", "field"),
    [
        pytest.param("ListSnapshots", {}, "vm", id="no-machine"),
        pytest.param("CreateSnapshot", {"vm": "vm-1"}, "name", id="no-name"),
        pytest.param("CreateSnapshot", {**NEW, "name": "n" * 81}, "name", id="long-name"),
        pytest.param("CreateSnapshot", {**NEW, "memory": True, "quiesce": True}, "quiesce", id="memory-and-quiesce"),
        pytest.param("CreateSnapshot", {**NEW, "quiesce_timeout": "600s"}, "quiesce_timeout", id="timeout-alone"),
        *(
            pytest.param(
                "CreateSnapshot", {**NEW, "quiesce": True, "quiesce_timeout": value}, "quiesce_timeout", id=value
            )
            for value in ("299s", "240s", "14460s", "301s", "300.5s", "-300s")
        ),
        pytest.param("RemoveSnapshot", {"vm": "vm-1"}, "snapshot", id="no-snapshot"),
        pytest.param("RenameSnapshot", {"vm": "vm-1", "snapshot": "snapshot-1"}, "name", id="nothing-to-rename"),
        pytest.param("RenameSnapshot", {"vm": "vm-1", "snapshot": "s", "name": ""}, "name", id="empty-name"),
    ],
)
async def test_mistakes(live: LiveGateway, rpc: str, request_: Any, field: str) -> None:
    """What is wrong in a request is said of the field, and vCenter is not asked."""
    failure = await live.failure(f"SnapshotService/{rpc}", request_)
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


async def test_the_longest_values(live: LiveGateway) -> None:
    """A name of 80 characters and the shortest and longest times are accepted."""
    for name, timeout in (("n" * 80, "300s"), ("m", "14400s")):
        await create(live, name, quiesce=True, quiesce_timeout=timeout)


async def test_policy_and_audit(server: VimServer) -> None:
    """A policy limits the machines; the audit log tells the machine and the snapshot of each change."""
    records: list[Any] = []
    rules = b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["MACHINE"]}]'
    async with running_live_gateway(server) as scout:
        vm, other = scout.vm, scout.other_vm
    policy = parse_policy(rules.replace(b"MACHINE", vm.encode()))
    admission = Admission(passthrough(), lambda: policy)
    async with running_live_gateway(server, admission=admission, audit=AuditLog(records.append)) as live:
        snapshot = await create(live, "one")
        answer = await live.call("SnapshotService/RemoveSnapshot", {"vm": vm, "snapshot": snapshot})
        await live.ended(answer["task"])
        denied = await live.failure("SnapshotService/CreateSnapshot", {"vm": other, "name": "two"})
    assert denied.reason == "POLICY_DENIED"
    told = [(record["event"], record["target"], record.get("code")) for record in records]
    both = {"vm": vm, "snapshot": snapshot}
    assert told == [
        ("change_started", {"vm": vm}, None),
        ("change_ended", {"vm": vm}, "OK"),
        ("change_started", both, None),
        ("change_ended", both, "OK"),
        ("change_refused", {"vm": other}, "PERMISSION_DENIED"),
    ]
