"""What a read may return, in whatever order calls come, run, are answered, fail and give up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc.aio
from google.rpc import code_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gateway.access import Admission, passthrough
from gateway.calls import Basic
from gateway.calls.shared_reads import SharedReadLimits, SharedReads
from gateway.errors import Failure, GatewayError
from gateway.events import Events
from gateway.server.arrival import Door
from gateway.server.calls import unary_handler
from gateway.server.peers import Handler
from gateway.simulator import SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.held_vcenter import Clock, HeldCall, HeldVCenter, idle
from tests.integration.harness import Client, running_system
from tests.property.strategies import BINDINGS

GET = "vcenter.vm.hardware.v1.MemoryService/GetMemory"
LIST = "vcenter.v1.VmService/ListVms"
UPDATE = "vcenter.vm.hardware.v1.MemoryService/UpdateMemory"
MACHINES = ("vm-1", "vm-2")
# Most calls are about one machine, and most reads may be shared: only then do they have to do with each other.
READS = st.tuples(
    st.sampled_from([*["vm-1"] * 5, "vm-2", (), (), ("vm-1",), ("vm-2",), MACHINES, ("",)]),
    st.sampled_from([None, 0, 1, 3, 3, 3]),
)
CHANGES = st.sampled_from(["vm-1", "vm-1", "vm-1", "vm-2"])
MAX_OPEN = 4


@dataclass(frozen=True)
class Moment:
    """A place in the order of all that happens, and the time."""

    step: float
    time: float


NEVER = Moment(math.inf, math.inf)


@dataclass
class State:
    """One value of a machine's memory, and how long vCenter had it."""

    value: int
    until: Moment = NEVER


@dataclass(eq=False)
class Call:
    """A caller's call."""

    about: str | tuple[str, ...]
    """A machine, or the filter of a list of machines."""
    max_age: int | None
    started: Moment
    task: asyncio.Task[bytes]
    context: Context
    changed_before: dict[str, float]
    """For each machine, the step at which the last change of it had ended when this call began."""


class Context:
    """What a handler asks of gRPC."""

    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = (*metadata, ("authorization", Basic("alice", "secret").header))
        self.initial: dict[str, str] = {}
        self.code: Any = None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    def time_remaining(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:192.0.2.7:40312"

    async def send_initial_metadata(self, metadata: Iterable[tuple[str, str]]) -> None:
        self.initial = dict(metadata)

    def set_trailing_metadata(self, metadata: object) -> None:
        pass

    async def abort(self, code: Any, details: str) -> None:
        self.code = code
        raise grpc.aio.AbortError("aborted")


class ReadsAndChanges(RuleBasedStateMachine):
    """Handlers in front of a vCenter that runs and answers its calls in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock, self.vcenter = Clock(), HeldVCenter()
        options = VCenterOptions("http://vcenter")
        self.reads = SharedReads(
            self.vcenter, longest=options.max_timeout, limits=SharedReadLimits(slots=3), clock=self.clock
        )
        door = Door(Admission(passthrough()), options.seconds_for)
        self.handlers: dict[str, Handler] = {
            rpc: unary_handler(door, BINDINGS[rpc], self.reads.call, Events(), 2**31) for rpc in (GET, LIST, UPDATE)
        }
        self.steps, self.values = count(1), count(1)
        self.history = {machine: [State(0)] for machine in MACHINES}
        self.results: dict[HeldCall, Any] = {}
        """What vCenter's calls that have run will answer."""
        self.open: list[Call] = []
        self.changed = dict.fromkeys(MACHINES, 0.0)

    def now(self) -> Moment:
        return Moment(next(self.steps), self.clock.now)

    def settle(self) -> None:
        """Lets all run that can, and looks at the calls that have ended."""
        self.runner.run(idle())
        for call in [call for call in self.open if call.task.done()]:
            self.open.remove(call)
            if call.max_age is ...:
                assert isinstance(call.about, str)
                self.changed[call.about] = self.now().step
            elif not call.task.cancelled() and call.context.code is None:
                self.check(call)

    def start(self, rpc: str, about: str | tuple[str, ...], max_age: Any, request: Any) -> None:
        header = () if max_age in (None, ...) else (("cache-control", f"max-age={max_age}"),)
        context = Context(header)

        async def handle() -> bytes:
            try:
                return await self.handlers[rpc](request.SerializeToString(), context)
            except grpc.aio.AbortError:
                return b""  # The code is in the context.

        started = self.now()
        task = self.runner.get_loop().create_task(handle())
        self.open.append(Call(about, max_age, started, task, context, dict(self.changed)))
        self.settle()

    def check(self, call: Call) -> None:
        """Whether a read returned what it may."""
        age = int(call.context.initial["age"]) if "age" in call.context.initial else None
        assert (age is None) == (call.max_age is None)
        if isinstance(call.about, tuple):
            response: Any = BINDINGS[LIST].response_class.FromString(call.task.result())
            found = {vm.vm: vm.memory_size_mib for vm in response.vms}
        else:
            response = BINDINGS[GET].response_class.FromString(call.task.result())
            found = {call.about: response.memory.size_mib}
        for machine, value in found.items():
            (state,) = (state for state in self.history[machine] if state.value == value)
            if not age:
                assert state.until.step > call.started.step, "a read of its own returned an older state"
            else:
                assert age <= call.max_age
                assert state.until.time >= call.started.time - age, "an answer is older than it says"
            assert state.until.step > call.changed_before[machine], "a read returned the state before a change"

    def held(self) -> list[HeldCall]:
        """The calls that vCenter has not answered."""
        return [call for call in self.vcenter.calls if not call.answer.done()]

    def run(self, call: HeldCall) -> None:
        if call in self.results:
            return
        response: Any = call.binding.response_class()
        rpc, message = call.binding.method.full_name, call.message
        if rpc == UPDATE:
            self.set(message.vm, message.spec.size_mib)  # type: ignore[attr-defined]
        elif rpc == GET:
            response.memory.size_mib = self.history[message.vm][-1].value  # type: ignore[attr-defined]
        else:
            # A filter with an empty text is none, as a server may see it.
            wanted = [machine for machine in message.vms if machine] or MACHINES  # type: ignore[attr-defined]
            for machine in wanted:
                response.vms.add(vm=machine, memory_size_mib=self.history[machine][-1].value)
        self.results[call] = response

    def set(self, machine: str, value: int) -> None:
        self.history[machine][-1].until = self.now()
        self.history[machine].append(State(value))

    @precondition(lambda self: len(self.open) < MAX_OPEN)
    @rule(read=READS)
    def read(self, read: tuple[str | tuple[str, ...], int | None]) -> None:
        """A caller reads a machine, or a list of all or of some."""
        about, max_age = read
        if isinstance(about, tuple):
            self.start(LIST, about, max_age, BINDINGS[LIST].request_class(vms=about))
        else:
            self.start(GET, about, max_age, BINDINGS[GET].request_class(vm=about))

    @precondition(lambda self: len(self.open) < MAX_OPEN)
    @rule(machine=CHANGES)
    def change(self, machine: str) -> None:
        """A caller changes a machine."""
        request = BINDINGS[UPDATE].request_class(vm=machine, spec={"size_mib": next(self.values)})
        self.start(UPDATE, machine, ..., request)

    @rule(machine=CHANGES)
    def change_elsewhere(self, machine: str) -> None:
        """Somebody changes a machine past the gateway."""
        self.set(machine, next(self.values))

    @precondition(held)
    @rule(data=st.data())
    def run_one(self, data: st.DataObject) -> None:
        """vCenter runs a call, and its answer is on its way."""
        self.run(data.draw(st.sampled_from(self.held())))

    @precondition(held)
    @rule(data=st.data())
    def answer_one(self, data: st.DataObject) -> None:
        """The answer to a call arrives."""
        call = data.draw(st.sampled_from(self.held()))
        self.run(call)
        call.reply(self.results[call])
        self.settle()

    @precondition(held)
    @rule(data=st.data(), runs=st.booleans())
    def fail_one(self, data: st.DataObject, runs: bool) -> None:
        """A call fails, whether it has run or not."""
        call = data.draw(st.sampled_from(self.held()))
        if runs:
            self.run(call)
        call.answer.set_exception(GatewayError(Failure(code_pb2.UNAVAILABLE, "LOST", "the connection broke")))
        self.settle()

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """A caller gives up."""
        if self.open:
            data.draw(st.sampled_from(self.open)).task.cancel()
            self.settle()

    @rule(seconds=st.sampled_from([0.3, 1.0, 2.5]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.clock.now += seconds

    @invariant()
    def vcenter_is_not_asked_for_nobody(self) -> None:
        """There are never more calls with vCenter than callers who wait."""
        assert len(self.held()) <= len(self.open)

    def teardown(self) -> None:
        """Every caller gets an answer as soon as vCenter has answered all calls."""
        try:
            for call in self.held():
                self.run(call)
                call.reply(self.results[call])
            self.settle()
            assert not self.open
        finally:
            self.runner.close()


def test_any_order() -> None:
    """Whatever comes in between: a read that accepts no age never returns a state from before it began, one that does
    returns none older than it accepts and says, and neither of them a state from before a change that had ended."""
    run_state_machine_as_test(ReadsAndChanges, settings=settings(max_examples=settings().max_examples * 10))


# The same over the wire: callers who read and change a machine at the same time, in front of the simulated vCenter.

MACHINE = "vm-1002"


@dataclass
class Span:
    """A call over the wire: when it began and ended, and the memory that it set or read."""

    value: int
    began: float
    ended: float = field(default=math.inf)


Program = list[str | int | None]
"""What one caller does, one after the other: `change`, or a read that accepts this age."""
programs = st.lists(
    st.lists(st.sampled_from(["change", None, None, 1, 1]), min_size=1, max_size=6), min_size=2, max_size=4
)


@given(programs)
def test_reads_after_changes(callers: list[Program]) -> None:
    """Whether a read accepts an age or not: when it starts after a change completed, it never returns the state before
    it."""
    asyncio.run(_run(callers))


async def _run(callers: list[Program]) -> None:
    # The answers are late, not the operations: many reads run before a change whose answer comes earlier than theirs.
    async with running_system(SimulatorOptions(latency=0.003)) as system:
        first = await system.client.call(GET, {"vm": MACHINE})
        initial = int(first["memory"]["size_mib"])
        changes, reads, sizes = [Span(initial, -1.0, -1.0)], [], count(initial + 4, 4)
        loop = asyncio.get_running_loop()

        async def run(program: Program, client: Client) -> None:
            for action in program:
                if action == "change":
                    change = Span(next(sizes), loop.time())
                    changes.append(change)
                    await client.call(UPDATE, {"vm": MACHINE, "spec": {"size_mib": change.value}})
                    change.ended = loop.time()
                else:
                    began = loop.time()
                    header = () if action is None else (("cache-control", f"max-age={action}"),)
                    found = await client.call(GET, {"vm": MACHINE}, metadata=header)
                    reads.append(Span(int(found["memory"]["size_mib"]), began))

        await asyncio.gather(*(run(program, system.client) for program in callers))
    for read in reads:
        (source,) = (change for change in changes if change.value == read.value)
        newer = [change for change in changes if source.ended < change.began and change.ended < read.began]
        assert not newer, "a read returned the state before a change that had completed"
