"""WatchVms: the state of machines, every change, and what a stream that comes back has missed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.access import Admission, Policy, parse_policy, passthrough
from gateway.admin.families import PREFIX
from gateway.admin.metrics import Metrics
from gateway.live import HubLimits
from gateway.server import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, Failure, System, eventually, running_gateway, running_system
from tests.integration.vim_servers import SERVERS
from tests.integration.watching import WATCH, Following, annotate, follow, source_of
from tests.machines import machine

DELETE = "vcenter.v1.VmService/DeleteVm"
START, STOP = "vcenter.vm.v1.PowerService/StartVm", "vcenter.vm.v1.PowerService/StopVm"
ON, OFF = "vm-1001", "vm-1002"
LIST_ATTACHED = "com.vmware.cis.tagging.tag_association.list_attached_objects_on_tags"


@pytest.fixture(params=["7.0.3", "9.1"])
async def system(request: pytest.FixtureRequest) -> AsyncIterator[System]:
    """A gateway in front of an old and a new vCenter."""
    async with running_system(SimulatorOptions(release=request.param)) as running:
        yield running


@pytest.mark.parametrize("name", SERVERS)
async def test_the_state_of_others(name: str) -> None:
    """Every machine of every server is told with its name, its place and its power state."""
    async with SERVERS[name]() as server, running_gateway(VCenterOptions(server.url)) as client:
        account = server.account
        followed = await follow(client, user=account.user, password=account.password)
        assert len(followed.vms) == server.machines
        for vm in followed.vms.values():
            assert vm["power_state"] == "POWER_STATE_POWERED_ON"
            assert vm["name"]
            assert {"folder", "datacenter", "host", "resource_pool"} <= vm["placement"].keys()
        assert source_of(followed) == "SOURCE_VIM"
        followed.stream.cancel()


async def test_changes(system: System) -> None:
    """What changes by REST is told with its fields and nothing else; what comes and goes is told as well."""
    followed = await follow(system.client, {"fields": "name,powerState,guestState"})
    count = len(followed.vms)
    assert followed.vms[OFF]["power_state"] == "POWER_STATE_POWERED_OFF"
    await system.client.call(START, {"vm": OFF})
    await followed.until(lambda: followed.vms[OFF]["power_state"] == "POWER_STATE_POWERED_ON")
    assert set(followed.vms[OFF]) <= {"vm", "name", "power_state", "guest_state"}
    await system.client.call(STOP, {"vm": OFF})
    await system.client.call(DELETE, {"vm": OFF})
    await followed.until(lambda: OFF not in followed.vms)
    assert len(followed.vms) == count - 1
    assert followed.problems == []


async def test_hubs_are_counted() -> None:
    """One for each credential, whatever the number of its streams."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    async with running_system(events=metrics) as system:

        def hubs() -> float | None:
            metrics.refresh(system.gateway)
            return registry.get_sample_value(PREFIX + "live_hubs")

        assert hubs() == 0
        streams = [await follow(system.client) for _ in range(2)]
        assert hubs() == 1
        for followed in streams:
            followed.stream.cancel()


async def test_fields_that_nobody_watches(system: System) -> None:
    """A change of other fields sends nothing."""
    followed = await follow(system.client, {"fields": "annotation"})
    await system.client.call(START, {"vm": OFF})
    annotate(system.simulator, ON, "seen")
    message = await followed.next()
    assert [change["vm"]["vm"] for change in message["changed"]["changes"]] == [ON]


async def test_a_field_that_is_unset(system: System) -> None:
    """A field that is named as changed and not set has lost its value."""
    followed = await follow(system.client, {"filter": {"vms": [ON]}, "fields": "addresses,bootTime"})
    assert "boot_time" in followed.vms[ON]
    await system.client.call(STOP, {"vm": ON})
    await followed.until(lambda: "boot_time" not in followed.vms[ON])


async def test_filters(system: System) -> None:
    """A machine that leaves the filter is removed, and one that enters is added."""
    followed = await follow(system.client, {"filter": {"power_states": ["POWER_STATE_POWERED_ON"]}, "fields": "name"})
    assert ON in followed.vms
    assert OFF not in followed.vms
    await system.client.call(START, {"vm": OFF})
    await followed.until(lambda: OFF in followed.vms)
    await system.client.call(STOP, {"vm": ON})
    await followed.until(lambda: ON not in followed.vms)
    assert followed.problems == []


async def tagged(system: System, vm: str) -> str:
    """A new tag that a machine has."""
    create = {
        "spec": {
            "name": "env",
            "description": "",
            "cardinality": "CATEGORY_CARDINALITY_MULTIPLE",
            "associable_types": [],
        }
    }
    category = (await system.client.call("cis.tagging.v1.CategoryService/CreateCategory", create))["category"]
    spec = {"spec": {"name": "prod", "description": "", "category_id": category}}
    tag = (await system.client.call("cis.tagging.v1.TagService/CreateTag", spec))["tag"]
    request = {"tag_id": tag, "object_id": {"type": "VirtualMachine", "id": vm}}
    await system.client.call("cis.tagging.v1.TagAssociationService/AttachTag", request)
    return str(tag)


async def test_tags(system: System) -> None:
    """A filter by tags selects the machines that have one of them."""
    followed = await follow(system.client, {"filter": {"tags": [await tagged(system, ON)]}, "fields": "name"})
    assert set(followed.vms) == {ON}


async def test_tags_that_cannot_be_read(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """If vCenter does not say which machines have a tag, streams continue with what they knew, and nobody waits."""
    monkeypatch.setattr("gateway.live.vms.tags._FRESH_SECONDS", 0.0)
    monkeypatch.setattr("gateway.live.vms.tags._PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("gateway.live.vm_watching._LOOK_SECONDS", 0.2)
    tag = await tagged(system, ON)
    request = {"filter": {"tags": [tag]}, "fields": "annotation", "heartbeat_interval": "1s"}
    followed = await follow(system.client, request)
    system.simulator.faults.add(Fault("hang"), operation=LIST_ATTACHED, times=100)
    other = system.client.stream(WATCH, {"filter": {"tags": ["urn:another"]}})  # Waits for its first answer.
    async with asyncio.timeout(15):
        for number in range(3):
            await followed.until(lambda: "heartbeat" in followed.messages[-1])
            annotate(system.simulator, ON, f"note {number}")
            await followed.until(lambda number=number: followed.vms[ON].get("annotation") == f"note {number}")  # type: ignore[misc]
    other.cancel()
    followed.stream.cancel()
    system.simulator.faults.clear()


@pytest.mark.parametrize(
    "request_content",
    [
        pytest.param({"fields": "nonsense"}, id="no-such-field"),
        pytest.param({"fields": "addresses.primary"}, id="part-of-a-field"),
        pytest.param({"heartbeat_interval": "0.5s"}, id="heartbeat-too-short"),
        pytest.param({"heartbeat_interval": "301s"}, id="heartbeat-too-long"),
        pytest.param({"filter": {"vms": ["vm-1"] * 10_001}}, id="filter-too-long"),
    ],
)
async def test_refusals(system: System, request_content: dict[str, Any]) -> None:
    """A request that makes no sense is refused."""
    with pytest.raises(Failure) as caught:
        await system.client.stream(WATCH, request_content).next()
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")


async def test_heartbeats(system: System) -> None:
    """While nothing changes the stream says that it is alive, with a token that is good."""
    followed = await follow(system.client, {"heartbeat_interval": "1s", "fields": "name"})
    assert "heartbeat" in await followed.next()
    token = followed.token
    followed.stream.cancel()
    again = await follow(system.client, {"resume_token": token, "fields": "name"})
    assert again.resets == 0


async def test_resuming(system: System) -> None:
    """A stream that comes back with its token gets what it has missed, and nothing that it knows."""
    followed = await follow(system.client, {"fields": "annotation"})
    vms, token = followed.vms, followed.token
    followed.stream.cancel()
    for number in range(3):
        annotate(system.simulator, ON, f"note {number}")
    await system.client.call(DELETE, {"vm": OFF})
    other = await follow(system.client, {"fields": "annotation"})  # Knows what has changed; so does the hub then.
    await other.until(lambda: other.vms[ON]["annotation"] == "note 2" and OFF not in other.vms)
    again = Following(system.client.stream(WATCH, {"resume_token": token, "fields": "annotation"}))
    again.vms = dict(vms)
    await again.until_synced()
    assert again.resets == 0
    assert again.vms == other.vms
    assert [len(message["changed"]["changes"]) for message in again.messages if "changed" in message] == [1]
    assert again.problems == []


async def test_a_stream_that_ends_within_a_batch(system: System) -> None:
    """Changes that come together have a token in their last message alone. A client that has applied only some of them
    starts anew, and so learns of one that was taken back meanwhile."""
    machines = system.simulator.inventory.machines
    entering, changing = machines["vm-1001"], machines["vm-1003"]
    before = entering.name
    followed = await follow(system.client, {"filter": {"names": ["blue", changing.name]}, "fields": "annotation"})
    entering.name = "blue"
    system.simulator.inventory.changes.touched("VirtualMachine", "vm-1001")
    annotate(system.simulator, "vm-1003", "changed")
    first = await followed.next()
    assert "added" in first
    assert "resume_token" not in first
    followed.stream.cancel()
    entering.name = before
    annotate(system.simulator, "vm-1001", "no longer blue")
    request = {"filter": {"names": ["blue", changing.name]}, "fields": "annotation", "resume_token": followed.token}
    followed.stream = system.client.stream(WATCH, request)
    await followed.until_synced()
    assert followed.vms.keys() == {"vm-1003"}
    assert followed.problems == []


async def test_every_state_can_be_resumed() -> None:
    """Whatever tells nothing of machines has the token of the state before it: a stream that continues, one that is
    lost, and heartbeats."""
    async with contextlib.AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator())
        client = await stack.enter_async_context(running_gateway(VCenterOptions(simulator.url)))
        followed = await follow(client, {"fields": "name"})
        token = followed.token
        again = Following(client.stream(WATCH, {"fields": "name", "resume_token": token}))
        assert (await again.next())["resume_token"] == token
        await again.until_synced()
        await simulator.stop()
        lost = await again.next()
        assert "lost" in lost
        assert lost["resume_token"]
        for each in (followed, again):
            each.stream.cancel()


@pytest.mark.parametrize("what", ["another-filter", "other-fields", "another-caller", "forged", "garbage"])
async def test_tokens_that_are_not_known(system: System, what: str) -> None:
    """Any token but one's own for the same request leads to a full state, of what the caller may see."""
    followed = await follow(system.client, {"fields": "name"})
    request: dict[str, Any] = {"resume_token": followed.token, "fields": "name"}
    how: dict[str, Any] = {}
    if what == "another-filter":
        request["filter"] = {"vms": [ON]}
    elif what == "other-fields":
        request["fields"] = "name,annotation"
    elif what == "another-caller":
        how["user"] = ADMINISTRATOR.upper()
    elif what == "forged":
        request["resume_token"] = followed.token[:-4] + "AAAA"
    else:
        request["resume_token"] = "☃ no token"
    again = await follow(system.client, request, **how)
    assert again.resets == 1
    assert again.messages[0]["started"]["reset"]
    assert set(again.vms) == ({ON} if what == "another-filter" else set(followed.vms))


async def test_a_policy_hides_machines() -> None:
    """A watcher sees the machines that its policy allows, and no others. The stream follows the policy."""
    rules = b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["vm-1001", "vm-1003"]}]'
    current: list[Policy] = [parse_policy(rules)]
    admission = Admission(passthrough(), lambda: current[0])
    async with running_system(admission=admission) as system:
        followed = await follow(system.client, {"fields": "name", "heartbeat_interval": "1s"})
        assert set(followed.vms) == {"vm-1001", "vm-1003"}
        token = followed.token
        annotate(system.simulator, "vm-1005", "hidden")
        annotate(system.simulator, "vm-1003", "seen")
        current[0] = parse_policy(b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["vm-1003", "vm-1005"]}]')
        await followed.until(lambda: set(followed.vms) == {"vm-1003", "vm-1005"})
        assert followed.problems == []
        followed.stream.cancel()
        again = await follow(system.client, {"fields": "name", "resume_token": token})
        assert again.resets == 1
        assert set(again.vms) == {"vm-1003", "vm-1005"}


async def test_a_policy_that_changes_under_a_slow_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client for which more changes wait whenever it reads does not see more than the policy allows for that."""
    monkeypatch.setattr("gateway.live.vm_watching._LOOK_SECONDS", 0.2)
    rules = b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["vm-1001", "vm-1003"]}]'
    current: list[Policy] = [parse_policy(rules)]
    async with running_system(admission=Admission(passthrough(), lambda: current[0])) as system:
        followed = await follow(system.client, {"fields": "annotation"})

        [hub] = system.gateway.watching.hubs._hubs.values()  # type: ignore[union-attr]

        async def change() -> None:
            for number in itertools.count():  # Faster than any vCenter.
                for vm in ("vm-1001", "vm-1003"):
                    hub.put(vm, machine(vm, annotation=f"{number}"))
                await asyncio.sleep(0)

        changing = asyncio.ensure_future(change())
        for _ in range(10):
            await followed.next()
        current[0] = parse_policy(rules.replace(b'"vm-1001", ', b""))
        async with asyncio.timeout(30):
            await followed.until(lambda: "vm-1001" not in followed.vms)
        changing.cancel()
        assert set(followed.vms) == {"vm-1003"}
        followed.stream.cancel()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param('resources: {Folder: ["group-v4"]}', True, id="folder-above"),
        pytest.param('resources: {Folder: ["group-v4"], HostSystem: ["host-9999"]}', False, id="another-host"),
        pytest.param('resources: {Datastore: ["*"]}', False, id="what-cannot-be-told"),
    ],
)
async def test_a_policy_about_places(rule: str, expected: bool) -> None:
    """Rules about folders, hosts and the like decide by where a machine is."""
    policy = parse_policy(f'rules: [{{identities: ["*"], rpcs: ["*"], {rule}}}]'.encode())
    async with running_system(admission=Admission(passthrough(), lambda: policy)) as system:
        followed = await follow(system.client, {"fields": "placement"})
        assert (ON in followed.vms) is expected
        assert all(vm["placement"]["folder"] != "group-v22" for vm in followed.vms.values())


async def test_one_wait_for_all() -> None:
    """Any number of streams and waiting calls of one credential cost vCenter one wait; it ends after the last one."""
    limits = HubLimits(linger=0.2)
    server = ServerOptions("127.0.0.1:0", grace_seconds=5, streams=StreamLimits(max_streams_per_caller=1000))
    async with running_system(hubs=limits, server=server) as system:
        streams = await asyncio.gather(*(follow(system.client, {"fields": "name"}) for _ in range(50)))
        waits = system.simulator.record.of("vim.PropertyCollector.WaitForUpdatesEx")
        assert len(waits) <= 2
        assert len(system.gateway.watching.hubs) == 1  # type: ignore[union-attr]
        for each in streams:
            each.stream.cancel()
        await eventually(lambda: len(system.gateway.watching.hubs) == 0, "the end of the hub")  # type: ignore[union-attr]
        await eventually(
            lambda: len(system.simulator.record.of("vim.PropertyCollector.DestroyPropertyCollector")) == 1,
            "the end of the collector",
        )


async def test_too_many_credentials() -> None:
    """Beyond the limit of hubs, a further credential is refused with a time; a hub that nobody needs makes room."""
    async with running_system(hubs=HubLimits(max_hubs=1)) as system:
        session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
        first = await follow(system.client)
        by_session = {"user": None, "metadata": (("vmware-api-session-id", session.identifier),)}
        with pytest.raises(Failure) as caught:
            await follow(system.client, **by_session)
        assert (caught.value.code, caught.value.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
        assert "google.rpc.RetryInfo" in caught.value.details
        first.stream.cancel()
        await eventually(lambda: not len(system.gateway.streams), "the end of the stream")
        second = await follow(system.client, **by_session)
        second.stream.cancel()
        await eventually(lambda: not len(system.gateway.streams), "the end of the stream")
        system.simulator.sessions.logout(session.identifier)


async def test_polling() -> None:
    """Where VIM cannot be used, machines are polled: the first message says so, and changes come once a period."""
    options = SimulatorOptions(release="7.0.3")
    async with running_system(options, hubs=HubLimits(poll_seconds=0.1)) as system:
        session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
        metadata = (("vmware-api-session-id", session.identifier),)
        followed = await follow(system.client, user=None, metadata=metadata)
        assert followed.messages[0]["started"]["source"] == "SOURCE_POLL"
        assert followed.messages[0]["started"]["period"] == "0.100s"
        assert len(followed.vms) == 20
        assert set(followed.vms[OFF]) == {"vm", "name", "power_state", "cpu_count", "memory_size_mib"}
        placed = await follow(system.client, {"filter": {"folders": ["group-v4"]}}, user=None, metadata=metadata)
        assert set(placed.vms) < set(followed.vms)
        await system.client.call(START, {"vm": OFF})
        await followed.until(lambda: followed.vms[OFF]["power_state"] == "POWER_STATE_POWERED_ON")
        await system.client.call(STOP, {"vm": OFF})
        await system.client.call(DELETE, {"vm": OFF})
        await followed.until(lambda: OFF not in followed.vms)
        assert followed.problems == []
        for each in (followed, placed):
            each.stream.cancel()
        await eventually(lambda: not len(system.gateway.streams), "the end of the streams")
        await system.gateway.watching.close()  # type: ignore[union-attr]
        system.simulator.sessions.logout(session.identifier)


@pytest.mark.parametrize(
    ("user", "password", "metadata", "reason"),
    [
        pytest.param(ADMINISTRATOR, "wrong", (), "CREDENTIALS_REJECTED", id="wrong-password"),
        pytest.param(None, "", (("vmware-api-session-id", "0" * 32),), "UNAUTHENTICATED", id="dead-session"),
        pytest.param(None, "", (), "CREDENTIALS_MISSING", id="nobody"),
    ],
)
async def test_strangers(system: System, user: str | None, password: str, metadata: Any, reason: str) -> None:
    """Whoever vCenter does not accept sees nothing, and costs no hub."""
    stream = system.client.stream(WATCH, {}, user=user, password=password, metadata=metadata)
    with pytest.raises(Failure) as caught:
        await stream.next()
    assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", reason)
    assert len(system.gateway.watching.hubs) == 0  # type: ignore[union-attr]
