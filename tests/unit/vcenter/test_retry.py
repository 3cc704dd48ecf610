"""What is sent again, when, and how often; and what clients are told to do."""

from __future__ import annotations

import ast
import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2

import gateway
from gateway.calls import Call, Reply
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events, Retried
from gateway.transcoding import compile_bindings
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.failures import (
    AnswerTimeoutError,
    AnswerTooLargeError,
    CertificateError,
    ConnectionLostError,
    ConnectTimeoutError,
    NotSentError,
    NotSentTimeoutError,
    TransportError,
)
from gateway.vcenter.retry import CLIENT_RETRIES, RetryBudget, RetryPolicy
from gateway.vcenter.retrying import Retries, retrying
from tests.calls import call_of

BINDINGS = compile_bindings(load_contract())
READ = BINDINGS["vcenter.vm.v1.PowerService/GetPower"]
OTHER_READ = BINDINGS["vcenter.v1.VmService/ListVms"]
CHANGE = BINDINGS["vcenter.vm.v1.PowerService/StartVm"]
LONGEST = RetryPolicy(jitter=lambda shortest, longest: longest)
UNREACHABLE = Failure.of(Reason.VCENTER_UNREACHABLE, "refused")


def answered(error_type: str, status: int, **more: Any) -> Failure:
    """What an answer of vCenter's own becomes."""
    body = json.dumps({"error_type": error_type, "messages": []}).encode()
    return error_reader(load_contract()).read("GET /x", status, {}, body).with_(**more)


def page(status: int) -> Failure:
    """What the answer of a proxy becomes."""
    return error_reader(load_contract()).read("GET /x", status, {}, b"<html>")


def transport(error: TransportError) -> tuple[Failure, Failure]:
    """What no answer becomes, for a read and for a change."""
    return error.failure(READ.method), error.failure(CHANGE.method)


def same(failure: Failure) -> tuple[Failure, Failure]:
    return failure, failure


@pytest.mark.parametrize(
    ("failures", "read_again", "change_again"),
    [
        pytest.param(transport(NotSentError("refused")), True, True, id="no-connection"),
        pytest.param(transport(ConnectTimeoutError("no connection")), True, True, id="no-connection-in-time"),
        pytest.param(transport(ConnectionLostError("reset")), True, False, id="lost"),
        pytest.param(transport(ConnectionLostError("reset").before_call()), True, True, id="login-lost"),
        pytest.param(transport(AnswerTimeoutError("late")), False, False, id="no-answer-in-time"),
        pytest.param(transport(NotSentTimeoutError("late")), False, False, id="waited-too-long"),
        pytest.param(transport(CertificateError("untrusted")), False, False, id="certificate"),
        pytest.param(transport(AnswerTooLargeError("large")), False, False, id="too-large"),
        pytest.param(same(page(502)), True, False, id="502"),
        pytest.param(same(page(503)), True, False, id="503"),
        pytest.param(same(page(504)), False, False, id="504"),
        pytest.param(same(page(500)), False, False, id="500"),
        pytest.param(same(page(429)), False, False, id="429"),
        pytest.param(same(answered("SERVICE_UNAVAILABLE", 503)), True, False, id="service-unavailable"),
        pytest.param(
            same(answered("SERVICE_UNAVAILABLE", 503, is_lasting=True)), False, False, id="lasting-service-unavailable"
        ),
        pytest.param(
            same(answered("SERVICE_UNAVAILABLE", 503, code=code_pb2.RESOURCE_EXHAUSTED)), False, False, id="full"
        ),
        pytest.param(same(answered("RESOURCE_BUSY", 500)), True, False, id="busy"),
        pytest.param(same(answered("RESOURCE_BUSY", 500, is_lasting=True)), False, False, id="lasting-busy"),
        pytest.param(same(answered("NOT_FOUND", 404)), False, False, id="not-found"),
        pytest.param(same(answered("UNAUTHENTICATED", 401)), False, False, id="unauthenticated"),
        pytest.param(same(answered("INTERNAL_SERVER_ERROR", 500)), False, False, id="internal"),
        pytest.param(same(answered("TIMED_OUT", 504)), False, False, id="timed-out"),
        pytest.param(same(Failure.of(Reason.VCENTER_CIRCUIT_OPEN, "open")), False, False, id="breaker-open"),
        pytest.param(same(Failure.of(Reason.OVERLOADED, "full")), False, False, id="overloaded"),
        pytest.param(same(Failure.of(Reason.VCENTER_RESPONSE_INVALID, "no JSON")), False, False, id="not-readable"),
    ],
)
async def test_what_is_sent_again(failures: tuple[Failure, Failure], read_again: bool, change_again: bool) -> None:
    """A read where it may well succeed a moment later, a change only where vCenter certainly did not run it."""
    read, change = failures
    assert (RetryPolicy().next(read, 1, is_repeatable=True) is not None) is read_again
    assert (RetryPolicy().next(change, 1, is_repeatable=False) is not None) is change_again


@pytest.mark.parametrize("token", ["", "one-of-its-own"], ids=["no-token", "token"])
async def test_client_tokens(token: str) -> None:
    """A change with a client token is sent again even when it may have been carried out: vCenter recognizes it."""
    copy = compile_bindings(load_contract())["content.library.v1.ItemService/CopyItem"]
    request = copy.request_class(source_library_item_id="item-1", client_token=token)
    failure = ConnectionLostError("reset").failure(copy.method)
    assert failure.may_have_executed
    is_repeatable = copy.is_repeatable(request)
    assert (RetryPolicy().next(failure, 1, is_repeatable=is_repeatable) is not None) is bool(token)


async def test_the_number_of_tries() -> None:
    """A call is sent three times at most."""
    assert [RetryPolicy().next(UNREACHABLE, attempt, is_repeatable=True) is None for attempt in (1, 2, 3, 4)] == [
        False,
        False,
        True,
        True,
    ]


async def test_waits_grow() -> None:
    """Each try waits up to twice as long as the one before, up to the limit, and never less than is asked for."""
    policy = RetryPolicy(tries=20, backoff=0.1, max_backoff=2.0, jitter=LONGEST.jitter)
    waits = [policy.next(UNREACHABLE, attempt, is_repeatable=True) for attempt in range(1, 8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert policy.next(UNREACHABLE.with_(retry_delay=0.05), 1, is_repeatable=True) == 0.1
    assert policy.next(UNREACHABLE.with_(retry_delay=7.0), 1, is_repeatable=True) == 7.0


async def test_waits_are_jittered() -> None:
    """Calls that fail together do not come back together."""
    waits = [RetryPolicy().next(UNREACHABLE, 1, is_repeatable=True) or 0.0 for _ in range(200)]
    assert len(set(waits)) > 100
    assert 0 <= min(waits) < 0.05
    assert 0.15 < max(waits) <= 0.2


@pytest.mark.parametrize(
    ("failures", "advised", "shortest", "longest"),
    [
        pytest.param(1, None, 0.5, 1, id="first"),
        pytest.param(2, None, 1, 2, id="second"),
        pytest.param(5, None, 8, 16, id="fifth"),
        pytest.param(6, None, 15, 30, id="sixth"),
        pytest.param(10_000, None, 15, 30, id="after-hours"),
        pytest.param(1, 0.1, 0.5, 1, id="asked-for-less"),
        pytest.param(1, 29.0, 29, 29, id="asked-for-more"),
        pytest.param(1, 30.0, 30, 30, id="asked-for-the-longest"),
        pytest.param(1, 3597.0, 30, 30, id="asked-for-an-hour"),
    ],
)
def test_logins(failures: int, advised: float | None, shortest: float, longest: float) -> None:
    """Logins wait for a time that grows and is jittered, and never longer than 30 s."""
    waits = [RetryPolicy().next_login(failures, advised) for _ in range(100)]
    assert all(shortest <= wait <= longest for wait in waits)
    assert (len(set(waits)) > 50) is (shortest < longest)


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"), [(1, 0.1, 0.2), (2, 0.2, 0.4), (4, 0.8, 1.6), (5, 1, 2), (10_000, 1, 2)]
)
def test_logins_without_an_answer(failures: int, shortest: float, longest: float) -> None:
    """They wait as calls do, 2 s at most, and never for nothing."""
    waits = [RetryPolicy().next_login(failures, None, was_answered=False) for _ in range(100)]
    assert all(shortest <= wait <= longest for wait in waits)
    assert len(set(waits)) > 50


@pytest.mark.parametrize(
    ("failure", "delay"),
    [
        pytest.param(answered("RESOURCE_BUSY", 500), 1.0, id="busy"),
        pytest.param(answered("RESOURCE_BUSY", 500, retry_delay=5.0), 5.0, id="busy-for-longer"),
        pytest.param(answered("SERVICE_UNAVAILABLE", 503), None, id="unavailable"),
        pytest.param(UNREACHABLE, None, id="unreachable"),
        pytest.param(Failure(10, "RESOURCE_BUSY", "not vCenter's own word"), None, id="another-domain"),
    ],
)
def test_what_callers_are_advised(failure: Failure, delay: float | None) -> None:
    """A busy resource is worth another try after a second; else only vCenter knows."""
    assert RetryPolicy.advised(failure) == failure.with_(retry_delay=delay)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(answered("SERVICE_UNAVAILABLE", 503, retry_delay=29.0), 29.0, id="soon"),
        pytest.param(answered("SERVICE_UNAVAILABLE", 503, retry_delay=3597.0), 30.0, id="in-an-hour"),
        pytest.param(answered("SERVICE_UNAVAILABLE", 503), None, id="unknown"),
        pytest.param(Failure.of(Reason.CREDENTIALS_REJECTED, "", retry_delay=300.0), 300.0, id="the-gateway's-own"),
    ],
)
async def test_how_long_callers_are_told_to_wait(failure: Failure, told: float | None) -> None:
    """Thirty seconds at most where vCenter asks for longer. The gateway itself does not try again before the time that
    vCenter asks for."""
    vcenter = VCenter(failure, failure, failure)
    with pytest.raises(GatewayError) as caught:
        await retrying(Retries(RetryPolicy(tries=1), RetryBudget(), Events()))(vcenter)(call_of(READ))
    assert caught.value.failure == failure.with_(retry_delay=told)
    delay = LONGEST.next(failure, 1, is_repeatable=True)
    assert delay is None or delay >= (failure.retry_delay or 0)


@pytest.mark.parametrize(
    ("failure", "pushback"),
    [
        pytest.param(UNREACHABLE, None, id="did-not-run"),
        pytest.param(UNREACHABLE.leaving_open(), -1, id="may-have-run"),
        pytest.param(answered("SERVICE_UNAVAILABLE", 503), None, id="unavailable"),
        pytest.param(answered("SERVICE_UNAVAILABLE", 503, is_lasting=True), -1, id="lasting"),
    ],
)
def test_what_clients_are_told(failure: Failure, pushback: int | None) -> None:
    """gRPC's own retries leave alone what may have run and what does not pass."""
    assert RetryPolicy.client_pushback(failure) == pushback


class VCenter:
    """Ends each call in the next failure, and answers when there is none left."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self, call: Call) -> Reply:
        self.calls += 1
        if self.failures:
            raise GatewayError(self.failures.pop(0))
        return Reply(b"answer")


class Repeated(Events):
    def __init__(self) -> None:
        self.delays: list[float] = []

    def retried(self, retried: Retried) -> None:
        self.delays.append(retried.delay)


SOON = RetryPolicy(jitter=lambda shortest, longest: longest / 100)
"""In the order of its waits as the real one, and a hundred times as quick."""


async def test_a_call_is_sent_again() -> None:
    """The layer waits as the policy says, tells of it, and gives the answer."""
    vcenter, events = VCenter(UNREACHABLE, UNREACHABLE), Repeated()
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert (await retrying(Retries(LONGEST, RetryBudget(), events))(vcenter)(call_of(READ))).response == b"answer"
    assert (vcenter.calls, events.delays) == (3, [0.2, 0.4])
    assert loop.time() - started >= 0.6


async def test_the_last_failure_is_told() -> None:
    """After the last try the caller gets what that one ended in."""
    vcenter = VCenter(UNREACHABLE, UNREACHABLE, page(503), UNREACHABLE)
    with pytest.raises(GatewayError) as caught:
        await retrying(Retries(SOON, RetryBudget(), Events()))(vcenter)(call_of(READ))
    assert (caught.value.failure.reason, vcenter.calls) == ("HTTP_503", 3)


OPEN = Failure.of(Reason.VCENTER_CIRCUIT_OPEN, "not sent", retry_delay=2.0)


async def test_the_breaker_opens_between_two_tries() -> None:
    """The caller gets what the call ended in when it was sent, and the time after which the breaker lets one through;
    nobody is told that it was sent again."""
    vcenter, events = VCenter(UNREACHABLE), Repeated()
    with pytest.raises(GatewayError) as caught:
        await retrying(Retries(SOON, RetryBudget(), events, lambda: 1.5))(vcenter)(call_of(READ))
    assert (caught.value.failure.reason, caught.value.failure.retry_delay) == ("VCENTER_UNREACHABLE", 1.5)
    assert (vcenter.calls, events.delays) == (1, [])


async def test_the_breaker_opens_while_a_try_waits_for_its_turn() -> None:
    """A refusal of the breaker does not hide what the call ended in before."""
    vcenter = VCenter(page(503), OPEN, UNREACHABLE)
    with pytest.raises(GatewayError) as caught:
        await retrying(Retries(SOON, RetryBudget(), Events()))(vcenter)(call_of(READ))
    assert (caught.value.failure.reason, caught.value.failure.retry_delay) == ("HTTP_503", 2.0)
    assert vcenter.calls == 2


async def test_a_breaker_that_is_open_before() -> None:
    """A call that was never sent ends in the refusal."""
    vcenter = VCenter(OPEN)
    with pytest.raises(GatewayError) as caught:
        await retrying(Retries(SOON, RetryBudget(), Events()))(vcenter)(call_of(READ))
    assert (caught.value.failure, vcenter.calls) == (OPEN, 1)


@pytest.mark.parametrize(("timeout", "tries"), [(0.999, 1), (60, 2)], ids=["too-late", "in-time"])
async def test_the_deadline(timeout: float, tries: int) -> None:
    """Where the wait would outlast the deadline, the caller gets the failure immediately."""
    vcenter = VCenter(UNREACHABLE.with_(retry_delay=1.0))
    sent = asyncio.ensure_future(
        retrying(Retries(SOON, RetryBudget(), Events()))(vcenter)(call_of(READ, timeout=timeout))
    )
    found = (await asyncio.gather(sent, return_exceptions=True))[0]
    assert isinstance(found, GatewayError if tries == 1 else Reply)
    assert vcenter.calls == tries


async def test_a_lasting_state_costs_nothing() -> None:
    """What vCenter itself calls lasting is sent once, and takes nothing from the budget."""
    lasting = answered("SERVICE_UNAVAILABLE", 503, is_lasting=True)
    vcenter, budget = VCenter(*[lasting] * 100), RetryBudget(ratio=0, reserve=1)
    send = retrying(Retries(SOON, budget, Events()))(vcenter)
    for _ in range(100):
        with pytest.raises(GatewayError):
            await send(call_of(READ))
    assert vcenter.calls == 100
    assert budget.take(READ.method.operation)


async def test_each_operation_has_its_own_budget() -> None:
    """One that always fails takes no retry from any other."""
    vcenter = VCenter(*[page(503)] * 1000)
    send = retrying(Retries(SOON, RetryBudget(ratio=0, reserve=3), Events()))(vcenter)

    async def calls(binding: Any, number: int) -> int:
        vcenter.calls = 0
        for _ in range(number):
            with pytest.raises(GatewayError):
                await send(call_of(binding))
        return vcenter.calls

    assert await calls(READ, 5) == 5 + 3
    assert await calls(READ, 5) == 5
    assert await calls(OTHER_READ, 1) == 3


async def test_calls_fill_the_budget() -> None:
    """Each call, and no retry, is worth a part of one."""
    vcenter, budget = VCenter(*[page(503)] * 1000), RetryBudget(ratio=0.25, reserve=1)
    send = retrying(Retries(SOON, budget, Events()))(vcenter)
    for _ in range(20):
        with pytest.raises(GatewayError):
            await send(call_of(READ))
    assert vcenter.calls == 20 + 1 + 19 // 4


def test_nothing_else_decides_delays() -> None:
    """No other module has a number of its own after which callers come again."""
    found = [
        f"{path}:{node.lineno}"
        for path in Path(gateway.__file__).parent.rglob("*.py")
        if "simulator" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "retry_delay"
        if any(isinstance(inner, ast.Constant) and inner.value is not None for inner in ast.walk(node.value))
    ]
    assert not found


def test_budget_bounds_repetition() -> None:
    """In an outage about a tenth of the calls is repeated, beside a small reserve."""
    budget = RetryBudget(0.1, 10)
    repeated = 0
    for _ in range(1000):
        budget.called("GET /x")
        repeated += budget.take("GET /x")
    assert 100 <= repeated <= 110


def test_budget_fills_up_again() -> None:
    """Calls fill the reserve, and no more than that."""
    budget = RetryBudget(0.1, 2)
    assert [budget.take("GET /x") for _ in range(3)] == [True, True, False]
    for _ in range(100):
        budget.called("GET /x")
    assert [budget.take("GET /x") for _ in range(3)] == [True, True, False]


def test_the_service_config() -> None:
    """Clients in all languages repeat reads, and reads alone, as the policy for them says."""
    config = json.loads((Path(__file__).parents[3] / "clients/service_config.json").read_text("utf-8"))
    (method,) = config["methodConfig"]
    assert method["retryPolicy"] == {
        "maxAttempts": CLIENT_RETRIES.max_attempts,
        "initialBackoff": f"{CLIENT_RETRIES.initial_backoff:g}s",
        "maxBackoff": f"{CLIENT_RETRIES.max_backoff:g}s",
        "backoffMultiplier": CLIENT_RETRIES.backoff_multiplier,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    assert config["retryThrottling"] == {
        "maxTokens": CLIENT_RETRIES.max_tokens,
        "tokenRatio": CLIENT_RETRIES.token_ratio,
    }
    named = {f"{name['service']}/{name['method']}" for name in method["name"]}
    reads = {name for name, binding in BINDINGS.items() if binding.is_read_only}
    assert reads <= named
    assert not named & (set(BINDINGS) - reads)


@pytest.mark.parametrize(("failures", "longest"), [(1, 1), (2, 2), (5, 16), (6, 30), (1000, 30)])
def test_watches_back_off(monkeypatch: pytest.MonkeyPatch, failures: int, longest: float) -> None:
    """What watches vCenter tries again soon, and less and less often while nothing comes of it. vCenter's advice is a
    minimum."""
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    assert RetryPolicy.next_watch(failures) == longest
    assert RetryPolicy.next_watch(failures, 0.5) == longest
    assert RetryPolicy.next_watch(failures, 31) == 31
    monkeypatch.setattr(random, "uniform", lambda least, most: least)
    assert RetryPolicy.next_watch(failures) == 0
