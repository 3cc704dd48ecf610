"""Which reads are shared, how old their answers are, what drops them, and how much is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from google.rpc import code_pb2

from gateway.calls import Basic, Call, Credential, Reply, SessionId
from gateway.calls.shared_reads import MAX_AGE, SharedReadLimits, SharedReads, accepted_age
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError
from gateway.transcoding import compile_bindings
from tests.calls import ALICE, call_of
from tests.held_vcenter import Clock, HeldVCenter, idle

BINDINGS = compile_bindings(load_contract())
GET = "vcenter.vm.hardware.v1.MemoryService/GetMemory"
LIST = "vcenter.v1.VmService/ListVms"
UPDATE = "vcenter.vm.hardware.v1.MemoryService/UpdateMemory"
PROCESSES = "vcenter.vm.guest.v1.ProcessesService/ListProcesses"

Answer = asyncio.Task[Reply]


class Scene:
    """Shared reads in front of a vCenter whose answers are held, and a clock that stands still."""

    def __init__(self, limits: SharedReadLimits | None = None) -> None:
        self.vcenter = HeldVCenter()
        self.clock = Clock()
        self.lent: list[tuple[Call, Call]] = []
        self.reads = SharedReads(
            self.vcenter,
            longest=500,
            lend=lambda read, call: self.lent.append((read, call)),
            limits=limits,
            clock=self.clock,
        )
        self.tasks: list[asyncio.Task[Any]] = []

    async def read(
        self,
        max_age: int = 10,
        rpc: str = GET,
        request: dict[str, Any] | None = None,
        *,
        credential: Credential = ALICE,
        timeout: float = 60.0,
        identity: str = "alice",
    ) -> Answer:
        """Begins a read, of the memory of vm-1 unless told otherwise."""
        request = {"vm": "vm-1"} if request is None else request
        who = {"credential": credential, "identity": identity}
        call = call_of(BINDINGS[rpc], request, timeout=timeout, max_age=max_age, **who)  # type: ignore[arg-type]
        task = asyncio.create_task(self.reads.call(call))
        self.tasks.append(task)
        await idle()
        return task

    async def change(self, request: dict[str, Any] | None = None) -> asyncio.Task[Reply]:
        """Begins a change, of vm-1 unless told otherwise."""
        call = call_of(BINDINGS[UPDATE], {"vm": "vm-1"} if request is None else request)
        task = asyncio.create_task(self.reads.call(call))
        self.tasks.append(task)
        await idle()
        return task

    @property
    def asked(self) -> int:
        """How many calls vCenter got."""
        return len(self.vcenter.calls)

    @property
    def held(self) -> int:
        """How many of them have no answer and are not given up."""
        return sum(not call.answer.done() for call in self.vcenter.calls)

    async def answer(self, index: int = -1, size: int = 1) -> None:
        """Answers one of the calls: the last one unless told otherwise."""
        call = self.vcenter.calls[index]
        response = call.binding.response_class()
        if call.binding.method.full_name == GET:
            response.memory.size_mib = size  # type: ignore[attr-defined]
        call.reply(response)
        await idle()

    async def keep(self, rpc: str = GET, request: dict[str, Any] | None = None) -> None:
        """Makes a read whose answer is kept."""
        await self.read(0, rpc, request)
        await self.answer()

    async def is_kept(self, rpc: str = GET, request: dict[str, Any] | None = None) -> bool:
        """Whether a read is answered without vCenter."""
        task = await self.read(MAX_AGE, rpc, request)
        if task.done():
            return True
        task.cancel()
        await idle()
        return False


def size(answer: Reply) -> int:
    response: Any = BINDINGS[GET].response_class.FromString(answer[0])
    return int(response.memory.size_mib)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    for task in scene.tasks:
        task.cancel()
    await asyncio.gather(*scene.tasks, return_exceptions=True)
    await idle()
    assert scene.held == 0, "a call to vCenter goes on although nobody waits for it"


async def test_a_thousand_reads_are_one(scene: Scene) -> None:
    """Identical reads that come while one is on its way wait for it: vCenter is asked once."""
    tasks = [await scene.read(1) for _ in range(1000)]
    assert scene.asked == 1
    await scene.answer(size=7)
    assert {size(task.result()) for task in tasks} == {7}
    counts = scene.reads.counts
    assert (counts.miss, counts.joined, counts.hit) == (1, 999, 0)


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(0.0, 1), (0.1, 1), (4.9, 5), (5.0, 5), (5.1, None)],
    ids=["new", "young", "below", "at", "above"],
)
@pytest.mark.parametrize("answered", [True, False], ids=["kept", "on its way"])
async def test_the_age(scene: Scene, seconds: float, age: int | None, answered: bool) -> None:
    """An answer is shared up to the accepted age, counted from the begin of its read. The age is rounded up, and 0 only
    for a read of its own."""
    await scene.read()
    if answered:
        await scene.answer(size=1)
    scene.clock.now += seconds
    answer = await scene.read(5)
    assert scene.asked == (2 if age is None else 1)
    if scene.held:
        await scene.answer(size=2)
    assert answer.result()[1] == (age or 0)
    assert size(answer.result()) == (1 if answered and age is not None else 2)


async def test_no_age_is_accepted(scene: Scene) -> None:
    """A maximum of 0 gets a read of its own, whose answer others may get."""
    await scene.keep()
    first, second = await scene.read(0), await scene.read(0)
    assert scene.asked == 3
    await scene.answer(1, 7)
    await scene.answer(2, 8)
    assert [size(task.result()) for task in (first, second)] == [7, 8]
    assert first.result()[1] == second.result()[1] == 0
    assert await scene.is_kept()


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        pytest.param({}, True, id="the same"),
        pytest.param({"identity": "bob"}, True, id="another caller of the same account"),
        pytest.param({"credential": Basic("alice", "secret-of-alice")}, True, id="an equal credential"),
        pytest.param({"credential": Basic("alice", "wrong")}, False, id="another password"),
        pytest.param({"credential": Basic("bob", "secret-of-alice")}, False, id="another user"),
        pytest.param({"credential": SessionId("alice:secret-of-alice")}, False, id="a session of the same text"),
        pytest.param({"request": {"vm": "vm-2"}}, False, id="another machine"),
        pytest.param({"rpc": "vcenter.vm.hardware.v1.CpuService/GetCpu"}, False, id="another rpc"),
    ],
)
async def test_what_is_identical(scene: Scene, other: dict[str, Any], shared: bool) -> None:
    """Reads are identical when rpc, request and vCenter identity are; who calls under that identity does not matter."""
    await scene.keep()
    assert (await scene.read(**other)).done() is shared


async def test_sessions_are_told_apart(scene: Scene) -> None:
    """An answer is given to the session that it was read with, and to no other."""
    await scene.read(credential=SessionId("a"))
    await scene.answer()
    assert (await scene.read(credential=SessionId("a"))).done()
    assert not (await scene.read(credential=SessionId("b"))).done()


async def test_the_order_of_fields(scene: Scene) -> None:
    """Requests that mean the same are identical, in whatever order their fields came."""
    await scene.keep(LIST, {"names": ["a"], "hosts": ["h"]})
    request = BINDINGS[LIST].request_class
    reversed_bytes = b"".join(part.SerializeToString() for part in (request(hosts=["h"]), request(names=["a"])))
    message = request.FromString(reversed_bytes)
    await scene.reads.call(replace(call_of(BINDINGS[LIST], max_age=10), message=message))
    assert scene.asked == 1


async def test_no_secret_is_kept(scene: Scene) -> None:
    """What tells reads apart holds neither the caller's password nor a guest's."""
    credentials = {"type": 1, "user_name": "root", "password": "secret-of-guest"}
    await scene.keep(PROCESSES, {"vm": "vm-1", "credentials": credentials})
    assert await scene.is_kept(PROCESSES, {"vm": "vm-1", "credentials": credentials})
    credentials["password"] = "another"
    assert not await scene.is_kept(PROCESSES, {"vm": "vm-1", "credentials": credentials})
    assert "secret" not in repr(vars(scene.reads))


@pytest.mark.parametrize(
    ("rpc", "request_json", "dropped"),
    [
        pytest.param(GET, {"vm": "vm-1"}, True, id="the same machine"),
        pytest.param(LIST, {}, True, id="a list"),
        pytest.param(LIST, {"folders": ["vm-1"]}, True, id="a list of a folder"),
        pytest.param(LIST, {"vms": ["vm-2", "vm-1"]}, True, id="a list of the same machine"),
        pytest.param(LIST, {"vms": ["vm-2"]}, False, id="a list of another machine"),
        pytest.param(GET, {"vm": "vm-2"}, False, id="another machine"),
    ],
)
@pytest.mark.parametrize("how", ["answer", "error", "cancel"])
async def test_a_change_drops(scene: Scene, rpc: str, request_json: dict[str, Any], dropped: bool, how: str) -> None:
    """A change drops the reads of its machine and those of none, before it runs and however it ends; others stay."""
    await scene.keep(rpc, request_json)
    change = await scene.change()
    call = scene.vcenter.calls[-1]
    assert await scene.is_kept(rpc, request_json) is not dropped
    await scene.keep(rpc, request_json)
    if how == "answer":
        call.reply(call.binding.response_class())
    elif how == "error":
        call.answer.set_exception(GatewayError(Failure(code_pb2.NOT_FOUND, "NOT_FOUND", "there is none")))
    else:
        change.cancel()
    await asyncio.gather(change, return_exceptions=True)
    assert await scene.is_kept(rpc, request_json) is not dropped


async def test_a_change_of_no_single_machine(scene: Scene) -> None:
    """A change that names no machine drops everything: it may show anywhere."""
    await scene.keep()
    await scene.keep(LIST, {})
    await scene.change({})
    assert not await scene.is_kept()
    assert not await scene.is_kept(LIST, {})


@pytest.mark.parametrize("begun", ["before the change", "during the change"])
async def test_a_read_that_a_change_overtakes(scene: Scene, begun: str) -> None:
    """A read that began before the end of a change goes on for those who wait, and is neither joined nor kept."""
    early = None
    if begun == "before the change":
        early = await scene.read()
    change = await scene.change()
    index = scene.asked - 1
    if early is None:
        early = await scene.read()
    await scene.answer(index)
    await change
    late = await scene.read()
    assert scene.asked == 3
    await scene.answer(1 - index, size=1)
    assert size(early.result()) == 1
    assert not late.done()
    assert not (await scene.read()).done()
    await scene.answer(2, size=2)
    assert size(late.result()) == 2
    assert await scene.is_kept()


@pytest.mark.parametrize(("error", "asked"), [(None, 1), (GatewayError(Failure(code_pb2.INTERNAL, "ERROR", "no")), 2)])
async def test_callers_in_the_moment_of_the_answer(scene: Scene, error: GatewayError | None, asked: int) -> None:
    """An answer that has come is shared at once, also before it is kept. An error is not: who calls then asks anew."""
    await scene.read()
    call = scene.vcenter.calls[0]
    if error is None:
        call.reply(call.binding.response_class())
    else:
        call.answer.set_exception(error)
    for _ in range(10):  # One in each round of the event loop.
        reading = scene.reads.call(call_of(call.binding, {"vm": "vm-1"}, max_age=10))
        scene.tasks.append(asyncio.create_task(reading))
        await asyncio.sleep(0)
    await idle()
    assert scene.asked == asked


async def test_errors_are_not_kept(scene: Scene) -> None:
    """An error reaches all who wait for the read, nothing is left of it, and the next one asks again."""
    tasks = [await scene.read() for _ in range(3)]
    error = GatewayError(Failure(code_pb2.NOT_FOUND, "NOT_FOUND", "there is none"))
    scene.vcenter.calls[0].answer.set_exception(error)
    assert await asyncio.gather(*tasks, return_exceptions=True) == [error] * 3
    assert "vm-" not in repr(vars(scene.reads))
    assert not (await scene.read()).done()
    assert scene.asked == 2


async def test_an_error_leaves_the_older_answer(scene: Scene) -> None:
    """A read for a stricter caller that fails takes nothing from those who accept an older answer."""
    await scene.keep()
    scene.clock.now += 5
    strict = await scene.read(1)
    scene.vcenter.calls[-1].answer.set_exception(GatewayError(Failure(code_pb2.UNAVAILABLE, "HTTP_503", "down")))
    with pytest.raises(GatewayError):
        await strict
    assert (await scene.read(10)).result()[1] == 5


async def test_an_older_read_that_ends_later(scene: Scene) -> None:
    """The newest read is kept, also when an older one is answered after it."""
    await scene.read()
    scene.clock.now += 2
    await scene.read(1)
    await scene.answer(1, size=2)
    await scene.answer(0, size=1)
    scene.clock.now += 1
    answer = (await scene.read(1)).result()
    assert (size(answer), answer[1]) == (2, 1)


async def test_who_joins_lends_its_turn(scene: Scene) -> None:
    """A read for which others wait runs when the first of them could: each lends it its own turn."""
    await scene.read(identity="busy")
    await scene.read(identity="idle")
    [(read, joiner)] = scene.lent
    assert read is scene.vcenter.calls[0].call
    assert (read.caller.identity.name, joiner.caller.identity.name) == ("busy", "idle")


async def test_the_first_caller_gives_up(scene: Scene) -> None:
    """A read goes on while one of those who wait for it does."""
    first, second, third = [await scene.read() for _ in range(3)]
    first.cancel()
    third.cancel()
    await idle()
    await scene.answer(size=3)
    assert size(second.result()) == 3
    assert scene.asked == 1


async def test_all_callers_give_up(scene: Scene) -> None:
    """It ends when the last one gives up, and who comes then asks anew."""
    tasks = [await scene.read() for _ in range(3)]
    for task in tasks:
        task.cancel()
    late = await scene.read()  # Comes while the end of the others' read is under way.
    assert scene.vcenter.calls[0].answer.cancelled()
    await scene.answer(1, size=4)
    assert size(late.result()) == 4
    assert await scene.is_kept()


@pytest.mark.parametrize("short", [0, 1], ids=["the first", "a later one"])
async def test_each_keeps_its_own_deadline(scene: Scene, short: int) -> None:
    """A caller's time ends its own waiting and nobody else's."""
    tasks = [await scene.read(timeout=0.05 if index == short else 60.0) for index in range(2)]
    with pytest.raises(GatewayError) as caught:
        await tasks[short]
    assert (caught.value.failure.code, caught.value.failure.reason) == (code_pb2.DEADLINE_EXCEEDED, "VCENTER_TIMEOUT")
    assert caught.value.failure.metadata == {"operation": "GET /api/vcenter/vm/{vm}/hardware/memory"}
    await scene.answer()
    assert tasks[1 - short].done()
    left = [held.call.deadline - asyncio.get_running_loop().time() for held in scene.vcenter.calls]
    assert left == pytest.approx([500], abs=30)


async def test_the_last_deadline_ends_the_read(scene: Scene) -> None:
    """When the time of all is over, vCenter is asked no longer."""
    tasks = [await scene.read(timeout=0.05) for _ in range(2)]
    await asyncio.gather(*tasks, return_exceptions=True)
    await idle()
    assert scene.vcenter.calls[0].answer.cancelled()


@pytest.mark.parametrize(("slots", "kept"), [(4, True), (3, True), (2, False)], ids=["below", "at", "above"])
async def test_how_many_are_kept(slots: int, kept: bool) -> None:
    """Beyond the limit, the answer that was not used for the longest time goes."""
    scene = Scene(SharedReadLimits(slots=slots))
    for vm in ("vm-1", "vm-2", "vm-3"):
        await scene.keep(GET, {"vm": vm})
        assert await scene.is_kept(GET, {"vm": "vm-1"})
    assert await scene.is_kept(GET, {"vm": "vm-2"}) is kept


async def test_a_change_after_an_answer_has_gone() -> None:
    """An answer that went for lack of room takes nothing with it of what a change has to find."""
    scene = Scene(SharedReadLimits(slots=2))
    await scene.keep(GET, {"vm": "vm-1"})
    await scene.keep(PROCESSES, {"vm": "vm-1"})
    await scene.keep(GET, {"vm": "vm-2"})
    await scene.change({"vm": "vm-1"})
    assert not await scene.is_kept(PROCESSES, {"vm": "vm-1"})
    assert await scene.is_kept(GET, {"vm": "vm-2"})


async def test_a_renewed_answer_is_a_used_one() -> None:
    """An answer that takes the place of an older one is the last to go."""
    scene = Scene(SharedReadLimits(slots=2))
    for vm in ("vm-1", "vm-2", "vm-1", "vm-3"):
        scene.clock.now += 1
        await scene.keep(GET, {"vm": vm})
    assert scene.reads.kept_bytes == 8
    assert await scene.is_kept(GET, {"vm": "vm-1"})
    assert not await scene.is_kept(GET, {"vm": "vm-2"})


@pytest.mark.parametrize(("room", "kept"), [(13, True), (12, True), (11, False)], ids=["below", "at", "above"])
async def test_how_much_is_kept(room: int, kept: bool) -> None:
    """The same holds for the size of all answers together, which is that of what is kept."""
    scene = Scene(SharedReadLimits(total_bytes=room))
    for vm in ("vm-1", "vm-2", "vm-3"):
        await scene.keep(GET, {"vm": vm})
    assert scene.reads.kept_bytes == (12 if kept else 8)
    assert await scene.is_kept(GET, {"vm": "vm-1"}) is kept
    for vm in ("vm-1", "vm-2", "vm-3"):
        await scene.change({"vm": vm})
        await scene.answer()
    assert scene.reads.kept_bytes == 0
    assert "vm-" not in repr(vars(scene.reads)), "nothing is left of what was dropped"


@pytest.mark.parametrize(("largest", "kept"), [(5, True), (4, True), (3, False)], ids=["below", "at", "above"])
async def test_a_large_answer(largest: int, kept: bool) -> None:
    """An answer above the limit of one is given to those who wait for it, and not kept."""
    scene = Scene(SharedReadLimits(answer_bytes=largest))
    tasks = [await scene.read() for _ in range(2)]
    await scene.answer(size=7)
    assert [size(task.result()) for task in tasks] == [7, 7]
    assert await scene.is_kept() is kept
    assert scene.reads.kept_bytes == (4 if kept else 0)


@pytest.mark.parametrize(("seconds", "kept"), [(59.9, 8), (60, 8), (60.1, 4)], ids=["below", "at", "above"])
async def test_what_is_too_old_goes(scene: Scene, seconds: float, kept: int) -> None:
    """What nobody can get any more is not kept."""
    await scene.keep()
    scene.clock.now += seconds
    await scene.keep(GET, {"vm": "vm-2"})
    assert scene.reads.kept_bytes == kept


@pytest.mark.parametrize(
    ("cache_control", "age"),
    [
        ("max-age=0", 0),
        ("max-age=1", 1),
        ("Max-Age = 5", 5),
        ("max-age=007", 7),
        ("max-age=59", 59),
        ("max-age=60", 60),
        ("max-age=61", 60),
        ("max-age=999999999", 60),
        ("max-age=5,max-age=3", 3),
        ("max-age=3, max-age=5", 3),
        ("no-cache", 0),
        ("max-age=5, no-cache", 0),
        ("no-store", None),
        ("max-age=5, no-store", None),
        ("max-age=5, min-fresh=2, only-if-cached", 5),
        ("max-stale=5", None),
        ("", None),
        (",,", None),
    ],
)
def test_cache_control(cache_control: str, age: int | None) -> None:
    """The strictest directive counts, up to a minute; unknown directives are passed over."""
    assert accepted_age(cache_control) == age


@pytest.mark.parametrize(
    "value", ["", "=", "=-1", "=1.5", "=five", "=5s", "=²", "=1234567890", '="5"'], ids=lambda value: f"max-age{value}"
)
@pytest.mark.parametrize("other", ["", "no-store, "])
def test_a_malformed_age(value: str, other: str) -> None:
    """An age that is no number of seconds is refused, rather than passed over without a word."""
    with pytest.raises(GatewayError, match="whole number of seconds") as caught:
        accepted_age(f"{other}max-age{value}")
    assert (caught.value.failure.code, caught.value.failure.reason) == (code_pb2.INVALID_ARGUMENT, "REQUEST_INVALID")
