"""When calls are let through to vCenter, and when they are refused."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from gateway.errors import Failure, GatewayError
from gateway.events import BreakerChanged, Events
from gateway.transcoding import RestRequest, RestResponse
from gateway.vcenter.breaker import Breaker, BreakerState, guarded
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import (
    AnswerTimeoutError,
    AnswerTooLargeError,
    CertificateError,
    ConnectionLostError,
    ConnectTimeoutError,
    NotSentError,
    TransportError,
)
from tests.held_vcenter import idle


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states() -> list[BreakerState]:
    return []


@pytest.fixture
def breaker(clock: Clock, states: list[BreakerState]) -> Breaker:
    class Changes(Events):
        def breaker_changed(self, changed: BreakerChanged) -> None:
            states.append(changed.state)

    return Breaker(3, 2.0, 5.0, silence=10.0, clock=clock, events=Changes())


def refusal(breaker: Breaker) -> Failure:
    with pytest.raises(GatewayError) as caught:
        breaker.admit()
    return caught.value.failure


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.failed()


@pytest.mark.parametrize(("failures", "state"), [(2, "closed"), (3, "open")], ids=["below", "at"])
def test_opens(breaker: Breaker, failures: int, state: str) -> None:
    """It opens after as many failures in a row as it was told, not before."""
    fail(breaker, failures)
    assert breaker.state == state


def test_answers_in_between(breaker: Breaker) -> None:
    """An answer begins the count anew: only failures in a row open it."""
    for _ in range(5):
        fail(breaker, 2)
        breaker.admit()
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_abandoned_calls(breaker: Breaker) -> None:
    """Calls that were cancelled neither open the breaker nor shorten the wait."""
    breaker.admit()
    breaker.gave_up()
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 3)
    breaker.gave_up()
    assert refusal(breaker).retry_delay == 2.0


@pytest.mark.parametrize(("passed", "remaining"), [(0.5, 1.5), (1.9375, 0.1)], ids=["early", "late"])
def test_refusal(breaker: Breaker, clock: Clock, passed: float, remaining: float) -> None:
    """While it is open, callers are told when to try again, and never at once."""
    fail(breaker, 3)
    clock.now += passed
    error = refusal(breaker)
    assert (error.reason, error.retry_delay) == ("VCENTER_CIRCUIT_OPEN", remaining)


def test_probe(breaker: Breaker, clock: Clock, states: list[BreakerState]) -> None:
    """After the wait one call is let through, and no second beside it; its answer closes the breaker, and further ones
    change nothing."""
    fail(breaker, 3)
    clock.now += 2.0
    breaker.admit()
    error = refusal(breaker)
    assert (error.reason, error.retry_delay) == ("VCENTER_CIRCUIT_OPEN", 2.0)
    breaker.succeeded()
    breaker.admit()
    breaker.succeeded()
    assert states == ["open", "half-open", "closed"]


def test_failed_probes_wait_longer(clock: Clock) -> None:
    """Each failed probe doubles the wait, up to the limit; an answer brings it back to the first."""
    breaker = Breaker(3, 2.0, 10.0, clock=clock)
    fail(breaker, 3)
    waits = []
    for _ in range(3):
        clock.now += refusal(breaker).retry_delay or 0
        breaker.admit()
        breaker.failed()
        waits.append(refusal(breaker).retry_delay)
    assert waits == [4.0, 8.0, 10.0]
    clock.now += 10.0
    breaker.admit()
    breaker.succeeded()
    fail(breaker, 3)
    assert refusal(breaker).retry_delay == 2.0


def test_abandoned_probe(breaker: Breaker, clock: Clock) -> None:
    """A probe that was cancelled says nothing: the next call is a probe again, at once."""
    fail(breaker, 3)
    clock.now += 2.0
    breaker.admit()
    breaker.gave_up()
    breaker.admit()
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_without_an_end(breaker: Breaker, clock: Clock) -> None:
    """A probe that gets no answer keeps no other from being taken: the next one is let through after the wait."""
    fail(breaker, 3)
    clock.now += 2.0
    breaker.admit()
    clock.now += 1.5
    assert refusal(breaker).retry_delay == 0.5
    clock.now += 0.5
    breaker.admit()
    assert refusal(breaker).retry_delay == 2.0
    breaker.succeeded()
    breaker.gave_up()
    assert breaker.state is BreakerState.CLOSED, "the first one ended late, and says nothing any more"


@pytest.mark.parametrize(("waited", "state"), [(9.9, "closed"), (10.0, "open"), (60.0, "open")])
async def test_silence(breaker: Breaker, clock: Clock, waited: float, state: str) -> None:
    """Calls that gave up count as failures when they have waited for long, as often as others do."""
    since = [breaker.admit() for _ in range(3)]
    clock.now += waited
    for number, admitted in enumerate(since):
        assert breaker.state is BreakerState.CLOSED, number
        breaker.gave_up(admitted)
    await idle()
    assert breaker.state == state


def test_slow_operations(breaker: Breaker, clock: Clock) -> None:
    """They say nothing while anybody gets an answer, be it one moment after they began, nor where they may be slow."""
    breaker.admit()
    since = [breaker.admit() for _ in range(10)]
    clock.now += 0.1
    breaker.succeeded()
    clock.now += 60
    for admitted in since:
        breaker.gave_up(admitted)
        breaker.gave_up()
    assert breaker.state is BreakerState.CLOSED


def test_late_failures(breaker: Breaker) -> None:
    """Failures of calls that were under way when it opened do not make the wait longer."""
    fail(breaker, 3)
    breaker.failed()
    assert refusal(breaker).retry_delay == 2.0


@pytest.mark.parametrize(("answers", "state"), [(True, "closed"), (False, "open")])
async def test_connections_that_break_under_calls(clock: Clock, answers: bool, state: str) -> None:
    """Connections that break may be the fault of one operation, or of one caller's request: before the breaker opens
    for that, vCenter is asked something harmless, once."""
    asked = 0

    async def ask() -> bool:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return answers

    breaker = Breaker(3, clock=clock, answers=ask)
    for _ in range(4):
        breaker.admit()
        breaker.doubted("broken pipe")
    assert breaker.state is BreakerState.CLOSED
    await idle()
    assert (breaker.state, asked) == (state, 1)
    assert breaker.cause == ("" if answers else "broken pipe")


def test_the_cause_is_told(breaker: Breaker) -> None:
    """What opened the breaker goes to those who are refused, for the log."""
    for _ in range(3):
        breaker.admit()
        breaker.failed("Connection refused")
    assert refusal(breaker).cause == "Connection refused"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("end", "is_quick", "answering", "silent"),
    [
        pytest.param(NotSentError("refused"), True, "open", "open", id="no-connection"),
        pytest.param(ConnectTimeoutError("no connection"), True, "open", "open", id="no-connection-in-time"),
        pytest.param(ConnectionLostError("reset"), True, "closed", "open", id="lost"),
        pytest.param(ConnectionLostError("reset"), False, "closed", "open", id="change-lost"),
        pytest.param(RestResponse(502, {}, b"<html>"), True, "closed", "open", id="502"),
        pytest.param(RestResponse(503, {}, b"<html>"), False, "closed", "open", id="503"),
        pytest.param(RestResponse(504, {}, b"<html>"), True, "closed", "open", id="504"),
        pytest.param(RestResponse(504, {}, b"<html>"), False, "closed", "closed", id="504-for-a-change"),
        pytest.param(RestResponse(500, {}, b"<html>"), True, "closed", "closed", id="500"),
        pytest.param(RestResponse(503, JSON, b"{}"), True, "closed", "closed", id="vcenters-own-503"),
        pytest.param(RestResponse(200, JSON, b"{}"), True, "closed", "closed", id="answer"),
        pytest.param(AnswerTooLargeError("large"), True, "closed", "closed", id="large-answer"),
        pytest.param(CertificateError("untrusted"), True, "closed", "closed", id="certificate"),
        pytest.param(AnswerTimeoutError("late"), True, "closed", "closed", id="no-answer-for-a-moment"),
    ],
)
async def test_how_calls_end(end: RestResponse | Exception, is_quick: bool, answering: str, silent: str) -> None:
    """What opens the breaker by itself, and what does so only when vCenter does not answer a question either."""

    async def send(exchange: Exchange) -> RestResponse:
        if isinstance(end, Exception):
            raise end
        return end

    async def answer(says: bool) -> bool:
        return says

    for says, state in ((True, answering), (False, silent)):
        breaker = Breaker(2, answers=partial(answer, says))
        for _ in range(2):
            exchange = Exchange(RestRequest("GET", "/", None), {}, 0.0, None, is_quick)
            await asyncio.gather(guarded(breaker)(send)(exchange), return_exceptions=True)
            await idle()
        assert breaker.state == state


async def test_silence_of_one_operation(clock: Clock) -> None:
    """Nothing but calls that get no answer: where vCenter answers the question, the breaker stays closed."""

    async def answers() -> bool:
        return True

    breaker = Breaker(3, silence=10.0, clock=clock, answers=answers)
    since = [breaker.admit() for _ in range(3)]
    clock.now += 60
    for admitted in since:
        breaker.gave_up(admitted)
    await idle()
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("end", "state"),
    [(CertificateError("untrusted"), BreakerState.OPEN), (AnswerTooLargeError("large"), BreakerState.CLOSED)],
    ids=["certificate", "large-answer"],
)
async def test_how_a_probe_ends(breaker: Breaker, clock: Clock, end: TransportError, state: BreakerState) -> None:
    """An answer, however large, closes the breaker; a certificate says nothing about that, and the next call is a
    probe again, immediately."""

    async def send(exchange: Exchange) -> RestResponse:
        raise end

    fail(breaker, 3)
    clock.now += 2.0
    with pytest.raises(type(end)):
        await guarded(breaker)(send)(Exchange(RestRequest("GET", "/", None), {}, 0.0))
    assert breaker.state is state
    breaker.admit()
