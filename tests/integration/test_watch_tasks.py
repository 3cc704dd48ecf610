"""WatchTask and WaitForTask: tasks of both of vCenter's APIs, followed to their end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.access import Admission, parse_policy, passthrough
from gateway.calls import Basic
from gateway.simulator import errors
from gateway.simulator.tasks import Task
from gateway.vcenter import VCenterOptions
from gateway.vim import Ref
from tests.integration.harness import Failure, System, eventually, running_gateway, running_system
from tests.integration.vim_servers import SERVERS, inventory_of

WATCH = "vcenter.gateway.v1.WatchService/WatchTask"
WAIT = "vcenter.gateway.v1.WatchService/WaitForTask"
LIST = "com.vmware.cis.tasks.list"
VM = "vm-1001"


def started(system: System, *, fails: bool = False, seconds: float = 100, cancelable: bool = True) -> Task:
    """A task that works on a machine."""

    def work() -> str:
        if fails:
            raise errors.unable_to_allocate("vmsg.NoDiskSpace.summary", "Insufficient disk space.")
        return "vm-1022"

    simulator = system.simulator
    return simulator.inventory.tasks.start(
        "com.vmware.vcenter.VM.clone_task",
        simulator.user,
        simulator.options.clock(),
        timedelta(seconds=seconds),
        work,
        target=("VirtualMachine", VM),
        cancelable=cancelable,
    )


def pass_time(system: System, seconds: float) -> None:
    """Lets time pass at the simulator."""
    system.clock.advance(seconds)
    system.simulator.inventory.settle(system.clock())


async def test_a_task_to_its_end(system: System) -> None:
    """The state comes first, then each change, and the stream ends with the task."""
    task = started(system)
    stream = system.client.stream(WATCH, {"task": task.task})
    first = (await stream.next())["task"]
    assert (first["task"], first["status"], first["progress"]) == (task.task, "TASK_STATUS_RUNNING", 0)
    assert (first["target_type"], first["target"]) == ("VirtualMachine", VM)
    pass_time(system, 40)
    assert (await stream.next())["task"]["progress"] == 40
    pass_time(system, 100)
    last = (await stream.until(lambda message: message["task"]["status"] == "TASK_STATUS_SUCCEEDED"))["task"]
    assert last["result"] == "vm-1022"
    with pytest.raises(StopAsyncIteration):
        await stream.next()


async def test_the_result(system: System) -> None:
    """A wait for a task gives its result, also when it has ended before."""
    task = started(system)
    waiting = asyncio.ensure_future(system.client.call(WAIT, {"task": task.task}))
    await eventually(lambda: system.simulator.record.of(LIST), "the first look")
    pass_time(system, 101)
    assert (await waiting)["task"]["result"] == "vm-1022"
    assert (await system.client.call(WAIT, {"task": task.task}))["task"]["status"] == "TASK_STATUS_SUCCEEDED"


async def test_a_task_that_fails(system: System) -> None:
    """A wait ends in the task's own error; a stream has it in its last message."""
    task = started(system, fails=True, seconds=1)
    pass_time(system, 2)
    with pytest.raises(Failure) as caught:
        await system.client.call(WAIT, {"task": task.task})
    failure = caught.value
    assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "UNABLE_TO_ALLOCATE_RESOURCE")
    assert failure.message_ids == ("vmsg.NoDiskSpace.summary",)
    message = await system.client.stream(WATCH, {"task": task.task}).next()
    assert message["task"]["error"]["code"] == 8
    assert "Insufficient disk space" in message["task"]["error"]["message"]


async def test_many_watchers(system: System) -> None:
    """Any number of watchers of any number of tasks cost vCenter one poll."""
    tasks = [started(system) for _ in range(5)]
    waiting = [
        asyncio.ensure_future(system.client.call(WAIT, {"task": task.task})) for task in tasks for _ in range(20)
    ]
    await eventually(lambda: system.gateway.active_calls == 100, "all waits")
    pass_time(system, 101)
    assert len(await asyncio.gather(*waiting)) == 100
    assert len(system.simulator.record.of(LIST)) < 20


@pytest.mark.parametrize("task", ["52c0c7d6-0000:com.vmware.vcenter", "task-9999"])
async def test_no_such_task(system: System, task: str) -> None:
    """A task that is not there is NOT_FOUND, in either API."""
    with pytest.raises(Failure) as caught:
        await system.client.call(WAIT, {"task": task})
    assert caught.value.code == "NOT_FOUND"
    assert (await system.client.stream(WATCH, {"task": task}).failed()).code == "NOT_FOUND"


async def test_time_is_over(system: System) -> None:
    """At the caller's deadline the call says how far the task is; the task goes on."""
    task = started(system)
    pass_time(system, 30)
    with pytest.raises(Failure) as caught:
        await system.client.call(WAIT, {"task": task.task}, timeout=0.8)
    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "CONDITION_NOT_MET")
    assert "30 percent" in caught.value.message
    assert task.ended is None


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("rpc", [WATCH, WAIT])
async def test_callers_who_leave(system: System, rpc: str, wanted: bool) -> None:
    """A task is cancelled when its caller leaves and has asked for that, and else goes on."""
    task = started(system)
    stream = system.client.stream(rpc, {"task": task.task, "cancel_on_disconnect": wanted})
    if rpc == WATCH:
        await stream.next()
    else:
        waiting = asyncio.ensure_future(stream.call.read())
        await eventually(lambda: len(system.simulator.record.of(LIST)) > 1, "two looks")
        waiting.cancel()
    stream.cancel()
    if wanted:
        await eventually(lambda: task.ended, "the end of the task")
        assert task.error is not None
        assert task.error.error_type == "CANCELED"
        await eventually(lambda: any(call.rpc.endswith("CancelTask") for call in system.calls), "the record")
    else:
        other = await system.client.stream(WATCH, {"task": task.task}).next()
        assert other["task"]["status"] == "TASK_STATUS_RUNNING"
        assert task.ended is None


async def test_the_stop_cancels_nothing(system: System) -> None:
    """A caller whose replica stops goes on elsewhere, and so does the task."""
    task = started(system)
    stream = system.client.stream(WATCH, {"task": task.task, "cancel_on_disconnect": True})
    await stream.next()
    await system.gateway.stop()
    assert (await stream.failed()).reason == "GATEWAY_STOPPING"
    assert task.ended is None


async def test_a_policy_hides_tasks() -> None:
    """A caller sees the tasks that work on machines of theirs, and no others."""
    current = [parse_policy(b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["vm-1001"]}]')]
    async with running_system(admission=Admission(passthrough(), lambda: current[0])) as system:
        task = started(system, seconds=1)
        pass_time(system, 2)
        assert (await system.client.call(WAIT, {"task": task.task}))["task"]["result"] == "vm-1022"
        current[0] = parse_policy(b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["vm-1002"]}]')
        with pytest.raises(Failure) as caught:
            await system.client.call(WAIT, {"task": task.task})
        assert caught.value.code == "NOT_FOUND"


async def test_a_policy_that_changes_under_a_stream() -> None:
    """A task that the policy hides from then on ends the stream, also where nothing happens to it; it is not
    cancelled."""
    cancel = '{identities: ["*"], rpcs: ["cis.v1.TaskService/CancelTask"]}'
    rules = f'rules: [{{identities: ["*"], rpcs: ["vcenter.*"], machines: ["vm-1001"]}}, {cancel}]'.encode()
    current = [parse_policy(rules)]
    async with running_system(admission=Admission(passthrough(), lambda: current[0])) as system:
        task = started(system)
        request = {"task": task.task, "heartbeat_interval": "1s", "cancel_on_disconnect": True}
        stream = system.client.stream(WATCH, request)
        await stream.next()
        current[0] = parse_policy(rules.replace(b"vm-1001", b"vm-1002"))
        assert (await stream.failed()).code == "NOT_FOUND"
        current[0] = parse_policy(rules)
        pass_time(system, 200)
        assert (await system.client.call(WAIT, {"task": task.task}))["task"]["status"] == "TASK_STATUS_SUCCEEDED"


async def test_whoever_may_not_cancel() -> None:
    """Cancelling at the end is a change of its own: the policy has to allow it."""
    policy = parse_policy(b'rules: [{identities: ["*"], rpcs: ["vcenter.gateway.v1.*"]}]')
    async with running_system(admission=Admission(passthrough(), lambda: policy)) as system:
        task = started(system)
        failure = await system.client.stream(WATCH, {"task": task.task, "cancel_on_disconnect": True}).failed()
        assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "POLICY_DENIED")
        assert "CancelTask" in failure.message
        assert (await system.client.stream(WATCH, {"task": task.task}).next())["task"]["task"] == task.task


@pytest.mark.parametrize("name", SERVERS)
async def test_tasks_of_vim(name: str) -> None:
    """A task of the VIM API has the same form: what it works on, its result, its error."""
    async with SERVERS[name]() as server, running_gateway(VCenterOptions(server.url)) as client:
        account: Basic = server.account
        how: dict[str, Any] = {"user": account.user, "password": account.password}
        vcenter = client.gateway.vcenter
        assert vcenter is not None
        inventory = await inventory_of(vcenter, account)
        vm = inventory.machines[0]
        snapshot = {"name": "s1", "description": "", "memory": False, "quiesce": False}
        task: Ref = await inventory.client.call(vm, "CreateSnapshot_Task", snapshot)
        done = (await client.call(WAIT, {"task": task.value}, **how))["task"]
        assert (done["status"], done["target"]) == ("TASK_STATUS_SUCCEEDED", vm.value)
        assert "snapshot" in done["result"]
        failing: Ref = await inventory.client.call(vm, "PowerOnVM_Task")
        with pytest.raises(Failure) as caught:
            await client.call(WAIT, {"task": failing.value}, **how)
        assert caught.value.code == "FAILED_PRECONDITION"
        assert caught.value.metadata["vi_fault"] == "InvalidPowerState"
