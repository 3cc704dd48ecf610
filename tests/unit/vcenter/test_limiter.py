"""Who gets a place, who waits, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.calls import Call
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.transcoding import RestRequest, RestResponse, compile_bindings
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import NotSentTimeoutError
from gateway.vcenter.limiter import Limiter, limited, path_of
from tests.calls import call_of


def deadline(seconds: float = 30.0) -> float:
    return asyncio.get_running_loop().time() + seconds


@asynccontextmanager
async def place(limiter: Limiter, identity: str, until: float) -> AsyncIterator[None]:
    """Holds a place for as long as the body takes."""
    await limiter.enter(("connection", identity), until)
    try:
        yield
    finally:
        limiter.leave()


async def idle() -> None:
    """Lets every task run until it has to wait."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> Callable[..., Awaitable[list[str]]]:
    """Makes calls of several identities wait for one place and returns the order in which they got it."""

    async def run(*identities: str) -> list[str]:
        limiter = Limiter(1, 100)
        order: list[str] = []

        async def call(identity: str) -> None:
            async with place(limiter, identity, deadline()):
                order.append(identity)
                await asyncio.sleep(0)

        async with place(limiter, "first", deadline()):
            tasks = [asyncio.create_task(call(identity)) for identity in identities]
            await idle()
            assert limiter.waiting == len(identities)
        await asyncio.gather(*tasks)
        assert (limiter.active, limiter.waiting) == (0, 0)
        return order

    return run


@pytest.mark.parametrize(("calls", "waiting"), [(2, 0), (3, 0), (4, 1)], ids=["below", "at", "above"])
async def test_places(calls: int, waiting: int) -> None:
    """As many calls as there are places get one at once; further ones wait."""
    limiter = Limiter(3, 10)
    async with AsyncExitStack() as stack:

        async def call() -> None:
            await stack.enter_async_context(place(limiter, "a", deadline()))

        tasks = [asyncio.create_task(call()) for _ in range(calls)]
        await idle()
        assert (limiter.active, limiter.waiting) == (calls - waiting, waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(("room", "refused"), [(3, False), (2, False), (1, True)], ids=["below", "at", "above"])
async def test_full_queue(room: int, refused: bool) -> None:
    """A call that would have to wait behind too many others is refused at once, and told when to try again."""
    limiter = Limiter(1, room)
    async with place(limiter, "a", deadline()):
        waiting = asyncio.create_task(place(limiter, "a", deadline()).__aenter__())
        await idle()
        second = asyncio.create_task(place(limiter, "b", deadline()).__aenter__())
        await idle()
        assert (second.done(), limiter.refused) == (refused, int(refused))
        if refused:
            with pytest.raises(GatewayError) as caught:
                await second
            assert (caught.value.failure.reason, caught.value.failure.retry_delay) == ("OVERLOADED", 1.0)
        for task in (waiting, second):
            task.cancel()
        await asyncio.gather(waiting, second, return_exceptions=True)
        assert limiter.waiting == 0


@pytest.mark.parametrize(
    ("waiting", "newcomer", "displaced"),
    [
        pytest.param(["a/1", "a/1", "b/1"], "b/1", None, id="one-more-than-its-own"),
        pytest.param(["a/1", "a/2", "a/3"], "b/1", 2, id="another-connection"),
        pytest.param(["a/1", "b/1", "a/2", "a/2"], "b/2", 3, id="the-longest-identity-of-the-longest-connection"),
        pytest.param(["a/1", "a/1", "a/1"], "a/2", 2, id="another-identity"),
        pytest.param(["a/1", "a/2", "a/3"], "a/4", None, id="identities-that-are-made-up"),
    ],
)
async def test_room_is_shared(waiting: list[str], newcomer: str, displaced: int | None) -> None:
    """Where the queue is full, a call of a connection, or else an identity, of which few wait is let in for the last
    one of those of which many do, and that one is refused."""
    limiter = Limiter(1, len(waiting))

    async def call(path: str) -> None:
        connection, identity = path.split("/")
        await limiter.enter((connection, identity), deadline())
        limiter.leave()

    await limiter.enter(("x", "first"), deadline())
    tasks = []
    for path in (*waiting, newcomer):
        tasks.append(asyncio.create_task(call(path)))
        await idle()
    assert limiter.waiting == len(waiting)
    limiter.leave()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [number for number, end in enumerate(ends) if isinstance(end, GatewayError)]
    assert refused == [len(waiting) if displaced is None else displaced]
    assert (limiter.active, limiter.waiting, limiter.refused) == (0, 0, 1)


async def test_a_shared_read_makes_no_room() -> None:
    """What callers of several connections wait for is left to them; the call before it makes room."""
    limiter = Limiter(1, 2)
    binding = compile_bindings(load_contract())["vcenter.vm.v1.PowerService/GetPower"]
    read = call_of(binding)
    await limiter.enter(("x", "first"), deadline())
    tasks = [asyncio.create_task(limiter.enter(("a", ""), deadline(), call)) for call in (None, read)]
    await idle()
    limiter.lend(read, ("c", ""))
    other = asyncio.create_task(limiter.enter(("b", ""), deadline()))
    await idle()
    assert isinstance(tasks[0].exception(), GatewayError)
    for waiting in (tasks[1], other):
        limiter.leave()
        await waiting
    limiter.leave()
    assert (limiter.active, limiter.waiting) == (0, 0)


@pytest.mark.parametrize("left", [0.0, -1.0])
async def test_a_deadline_that_is_over(left: float) -> None:
    """A call whose time is over is not sent, although there is a place."""
    limiter = Limiter(1, 1)

    async def send(exchange: Exchange) -> RestResponse:
        raise AssertionError("it was sent")

    with pytest.raises(NotSentTimeoutError):
        await limited(limiter)(send)(Exchange(RestRequest("GET", "/", None), {}, deadline(left)))
    assert limiter.active == 0


async def test_a_call_stands_in_the_queue_of_its_connection() -> None:
    """The peer comes first, then the identity."""
    call = call_of(
        compile_bindings(load_contract())["vcenter.vm.v1.PowerService/GetPower"], peer="ipv4:192.0.2.1:1", identity="a"
    )
    assert path_of(call) == ("ipv4:192.0.2.1:1", call.caller.identity)


@pytest.mark.parametrize("cancelled", ["before", "after"])
async def test_a_displaced_call_that_gives_up(cancelled: str) -> None:
    """A call that has to make room in the moment in which it gives up takes no place and leaves none behind."""
    limiter = Limiter(1, 2)
    await limiter.enter(("x", "first"), deadline())
    first, last = (asyncio.create_task(limiter.enter(("a", ""), deadline())) for _ in range(2))
    await idle()
    other = asyncio.create_task(limiter.enter(("b", ""), deadline()))
    if cancelled == "after":
        await asyncio.sleep(0)
    last.cancel()
    await idle()
    assert last.cancelled()
    assert (limiter.active, limiter.waiting) == (1, 2)
    for waiting in (first, other):
        limiter.leave()
        await waiting
    limiter.leave()
    assert (limiter.active, limiter.waiting) == (0, 0)


async def test_identities_take_turns(queue: Callable[..., Awaitable[list[str]]]) -> None:
    """One call of another identity waits for one place, not for all calls that came before it."""
    assert await queue("a", "a", "a", "b", "a", "c") == ["a", "b", "c", "a", "a", "a"]


async def test_connections_take_turns() -> None:
    """Identities that are made up on one connection share its turns: another connection waits for one place."""
    limiter = Limiter(1, 100)
    order: list[str] = []

    async def call(connection: str, identity: str) -> None:
        await limiter.enter((connection, identity), deadline())
        order.append(identity)
        limiter.leave()

    await limiter.enter(("x", "first"), deadline())
    tasks = [asyncio.create_task(call("a", f"made up {number}")) for number in range(5)]
    tasks.append(asyncio.create_task(call("b", "good")))
    await idle()
    limiter.leave()
    await asyncio.gather(*tasks)
    assert order.index("good") == 1
    assert (limiter.active, limiter.waiting) == (0, 0)


@pytest.mark.parametrize("when", ["while it waits", "before it waits"])
async def test_a_turn_that_is_lent(when: str) -> None:
    """A call that others lent their turn gets its place when the first of them would have had it, and only one."""
    limiter = Limiter(1, 100)
    order: list[str] = []
    binding = compile_bindings(load_contract())["vcenter.v1.VmService/ListVms"]
    shared = call_of(binding)

    async def enter(connection: str, call: Call | None = None) -> None:
        await limiter.enter((connection, "me"), deadline(), call)
        order.append("shared" if call else connection)
        limiter.leave()

    await limiter.enter(("x", "first"), deadline())
    if when == "before it waits":
        limiter.lend(shared, ("idle", "me"))
    tasks = [asyncio.create_task(enter("busy")) for _ in range(4)]
    tasks.append(asyncio.create_task(enter("busy", shared)))
    await idle()
    if when == "while it waits":
        limiter.lend(shared, ("idle", "me"))
        limiter.lend(shared, ("idle", "me"))
    limiter.leave()
    await asyncio.gather(*tasks)
    assert order.index("shared") <= 1
    assert order.count("shared") == 1
    assert (limiter.active, limiter.waiting) == (0, 0)


async def test_order_of_one_identity(queue: Callable[..., Awaitable[list[str]]]) -> None:
    """Calls of one identity are served in the order in which they came."""
    assert await queue("a", "b", "a", "b") == ["a", "b", "a", "b"]


async def test_deadline() -> None:
    """A call that gets no place within its deadline gives up, and leaves nothing behind."""
    limiter = Limiter(1, 10)
    async with place(limiter, "a", deadline()):
        with pytest.raises(TimeoutError):
            async with place(limiter, "b", deadline(0.01)):
                pytest.fail("there was no place")
        assert (limiter.active, limiter.waiting) == (1, 0)
    assert (limiter.active, limiter.waiting) == (0, 0)


async def test_a_call_behind_one_that_gives_up() -> None:
    """A call that gives up takes nobody's turn with it, not that of another call of its identity either."""
    limiter = Limiter(1, 10)
    async with place(limiter, "a", deadline()):
        gives_up, waits = [asyncio.create_task(limiter.enter(("connection", "b"), deadline())) for _ in range(2)]
        await idle()
        gives_up.cancel()
        await idle()
        assert limiter.waiting == 1
    async with asyncio.timeout(10):
        await waits
    assert (limiter.active, limiter.waiting) == (1, 0)


async def test_cancelled_in_the_moment_of_its_turn() -> None:
    """A place that was just given to a call which gives up goes to the next one."""
    limiter = Limiter(1, 10)
    entered = asyncio.Event()

    async def call(identity: str) -> None:
        async with place(limiter, identity, deadline()):
            entered.set()

    async with place(limiter, "a", deadline()):
        leaving = asyncio.create_task(call("b"))
        following = asyncio.create_task(call("c"))
        await idle()
    leaving.cancel()
    await asyncio.gather(leaving, following, return_exceptions=True)
    assert leaving.cancelled()
    assert entered.is_set()
    assert (limiter.active, limiter.waiting) == (0, 0)


async def test_failing_call_leaves_its_place() -> None:
    """An error inside gives the place back."""
    limiter = Limiter(1, 0)
    with pytest.raises(ValueError, match="inside"):
        async with place(limiter, "a", deadline()):
            raise ValueError("inside")
    assert limiter.active == 0


async def test_a_place_that_comes_when_the_call_gives_up() -> None:
    """A place that becomes free in the moment in which the next call gives up goes to the one after, and none is
    lost."""
    limiter = Limiter(1, 10)
    served: list[str] = []

    async def call(name: str) -> None:
        async with place(limiter, name, deadline()):
            served.append(name)

    async with place(limiter, "first", deadline()):
        gives_up, waits = [asyncio.create_task(call(name)) for name in ("gives up", "waits")]
        await idle()
        gives_up.cancel()
    # The place is free before the cancelled task has run.
    await asyncio.gather(gives_up, waits, return_exceptions=True)
    assert served == ["waits"]
    assert gives_up.cancelled()
    assert (limiter.active, limiter.waiting) == (0, 0)


async def test_an_answer_is_read_before_its_place_is_free() -> None:
    """Answers that have come and wait to be read are never more than there are places."""
    sent, may_read = [], asyncio.Event()

    async def send(exchange: Exchange) -> RestResponse:
        sent.append(exchange)
        return RestResponse(200, {}, b"{}")

    async def read(response: RestResponse) -> None:
        await may_read.wait()

    limiter = Limiter(2, 10)
    enter = limited(limiter)(send)
    request = RestRequest("GET", "/api/x", None, "GET /api/x")
    exchanges = [enter(Exchange(request, {}, deadline(), read=read)) for _ in range(5)]
    tasks = [asyncio.ensure_future(exchange) for exchange in exchanges]
    await idle()
    assert (len(sent), limiter.active, limiter.waiting) == (2, 2, 3)
    may_read.set()
    await asyncio.gather(*tasks)
    assert (len(sent), limiter.active, limiter.waiting) == (5, 0, 0)


async def test_an_answer_that_cannot_be_read() -> None:
    """Its place is free."""

    async def send(exchange: Exchange) -> RestResponse:
        return RestResponse(200, {}, b"{}")

    async def read(response: RestResponse) -> None:
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, "no answer"))

    limiter = Limiter(1, 0)
    request = RestRequest("GET", "/api/x", None, "GET /api/x")
    for _ in range(2):
        with pytest.raises(GatewayError, match="no answer"):
            await limited(limiter)(send)(Exchange(request, {}, deadline(), read=read))
    assert limiter.active == 0
