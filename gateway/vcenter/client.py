"""The client the server uses: one call in, one answer or GatewayError out.

Here the promises about repetition are kept. A mutating call is sent a second time only when vCenter certainly did not
run it: there was no connection, or it answered 401 to an expired session. Calls without side effects are repeated on
lost connections, 502, 503 and RESOURCE_BUSY, with jitter, within the caller's deadline, and as far as the retry budget
goes. Here vCenter is protected too: by a bound on concurrent calls, and by a breaker while it does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Protocol

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.contract import Contract
from gateway.tracing import Tracing
from gateway.transcoding import Binding, Drift, GatewayError, RestRequest, RestResponse
from gateway.transcoding.decoder import Decoders
from gateway.transcoding.error_response import ErrorReader
from gateway.vcenter.breaker import Breaker, BreakerState
from gateway.vcenter.failures import (
    AnswerTooLargeError,
    CertificateError,
    ConnectionLostError,
    NotSentError,
    NotSentTimeoutError,
    TransportError,
    transport_failure,
)
from gateway.vcenter.identity import SESSION_HEADER, Identity, SessionId
from gateway.vcenter.limiter import Limiter
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retry_budget import RetryBudget
from gateway.vcenter.sessions import LOGOUT, SessionPool
from gateway.vcenter.transport import Transport

__all__ = ["NoObserver", "Observer", "VCenter"]

MAX_RETRIES = 2
_BACKOFF = 0.1
_MAX_BACKOFF = 2.0
_SESSION_CALL_TIMEOUT = 30.0
_LOGOUT_TIMEOUT = 5.0
_MAX_DEAD_CONNECTIONS = 8
# After which the same read may well succeed: a proxy lost the service, or there was none.
_TRANSIENT_STATUSES = frozenset({"502", "503"})
# What the proxy in front of vCenter answers when there is nothing behind it.
_PROXY_ERRORS = frozenset({502, 503, 504})


class Observer(Protocol):
    """Is told about the exchanges with vCenter, for metrics. Its methods are quick and raise nothing."""

    def exchanged(self, operation: str, outcome: int | str, seconds: float) -> None:
        """One exchange ended with this HTTP status, or without an answer for this reason."""

    def retried(self, operation: str) -> None:
        """A call is repeated."""


class NoObserver:
    """Does nothing."""

    def exchanged(self, operation: str, outcome: int | str, seconds: float) -> None:
        return

    def retried(self, operation: str) -> None:
        return


class VCenter:
    """One vCenter: its connections and the sessions of the callers who gave a password.

    `clock` is the time, in seconds, by which sessions grow old and refused passwords are tried again.
    """

    def __init__(
        self,
        options: VCenterOptions,
        contract: Contract,
        drift: Drift | None = None,
        on_breaker_change: Callable[[BreakerState], None] = lambda state: None,
        *,
        observer: Observer | None = None,
        tracing: Tracing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._transport = Transport(options)
        self._drift = drift
        self._observer = observer or NoObserver()
        self._tracing = tracing
        self._budget = RetryBudget()
        self.limiter = Limiter(options.max_concurrent_calls, options.max_waiting_calls)
        self.breaker = Breaker(on_change=on_breaker_change)
        self.sessions = SessionPool(self._send_session_call, ErrorReader(contract, Decoders()), clock=clock)

    @property
    def certificate(self) -> bytes | None:
        """vCenter's certificate as it was seen last, in DER form; None without TLS or before the first call."""
        return self._transport.certificate()

    @property
    def connections(self) -> int:
        """Connections to vCenter that are open, in use or kept."""
        return self._transport.connections

    async def close(self) -> None:
        """Logs every session out and closes the connections."""
        await self.sessions.close()
        await self._transport.close()

    async def call(
        self,
        binding: Binding,
        message: Message,
        identity: Identity,
        timeout: float | None,
        request_id: str,
        caller: Hashable = None,
    ) -> Message:
        """Makes one call for `identity`. `timeout` is the caller's remaining time in seconds, None without deadline;
        calls of different `caller`s get their turns in turn.

        Raises GatewayError. When cancelled, the HTTP request is closed.
        """
        request = binding.encode(message)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.seconds_for(binding.is_read_only, timeout)
        self._budget.called()
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._send_as(binding, request, identity, request_id, deadline, caller)
                return binding.decode(response, self._drift)
            except TransportError as error:
                may_have_executed = error.was_sent and not binding.is_read_only
                failure = transport_failure(error, binding.method.operation, may_have_executed)
                again = error.may_pass and not may_have_executed
            except GatewayError as error:
                failure = error
                again = binding.is_read_only and _is_transient(error)
            delay = random.uniform(0, min(_MAX_BACKOFF, _BACKOFF * 2**attempt))  # noqa: S311 - jitter, no secret
            if failure.retry_delay is not None:
                delay = max(delay, failure.retry_delay)
            if not again or attempt > MAX_RETRIES or loop.time() + delay >= deadline or not self._budget.take():
                raise failure
            self._observer.retried(request.operation)
            await asyncio.sleep(delay)

    async def _send_as(
        self,
        binding: Binding,
        request: RestRequest,
        identity: Identity,
        request_id: str,
        deadline: float,
        caller: Hashable,
    ) -> RestResponse:
        if asyncio.get_running_loop().time() >= deadline:
            raise NotSentTimeoutError("the deadline passed before vCenter was called")

        def send(session_id: str) -> Awaitable[RestResponse]:
            headers = {"X-Request-ID": request_id, SESSION_HEADER: session_id}
            return self._send(request, headers, deadline, caller, is_quick=binding.is_read_only)

        if isinstance(identity, SessionId):
            return await send(identity.value)
        session = await self._within(deadline, self.sessions.get(identity))
        sent = self.sessions.now()
        response = await send(session.id)
        if response.status != 401:
            return response
        renewed = await self._within(deadline, self.sessions.renew(identity, session, sent))
        if renewed is session:
            return response
        # A 401 ran nothing: the one case in which any call may be sent again.
        return await send(renewed.id)

    async def _send(
        self, request: RestRequest, headers: Mapping[str, str], deadline: float, caller: Hashable, *, is_quick: bool
    ) -> RestResponse:
        try:
            await self.limiter.enter(caller, deadline)
        except TimeoutError:
            raise NotSentTimeoutError("the deadline passed while the call waited for its turn") from None
        try:
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                raise NotSentTimeoutError("the deadline passed before vCenter was called")
            return await self._exchange(request, headers, remaining, is_quick=is_quick)
        finally:
            self.limiter.leave()

    async def _exchange(
        self, request: RestRequest, headers: Mapping[str, str], timeout: float, *, is_quick: bool = True
    ) -> RestResponse:
        """One exchange, of which the breaker learns how it ended. A change may well take its time: it is not quick."""
        admitted = self.breaker.admit()
        try:
            response = await self._observed(request, headers, timeout)
        except (NotSentError, ConnectionLostError) as error:
            if isinstance(error, CertificateError):
                self.breaker.gave_up()  # Callers are to see what is wrong with it, not that the breaker is open.
            else:
                self.breaker.failed()
            raise
        except AnswerTooLargeError:
            self.breaker.succeeded()
            raise
        except BaseException:
            self.breaker.gave_up(admitted if is_quick else None)
            raise
        if response.status in _PROXY_ERRORS and not _is_json(response):
            if response.status == 504 and not is_quick:
                self.breaker.gave_up()
            else:
                self.breaker.failed()
        else:
            self.breaker.succeeded()
        return response

    async def _observed(self, request: RestRequest, headers: Mapping[str, str], timeout: float) -> RestResponse:
        started = time.perf_counter()
        outcome: int | str = "CANCELLED"
        span = None if self._tracing is None else self._tracing.exchange(request.operation)
        if span is not None:
            headers = {**headers, **span.headers}
        try:
            response = await self._transport.send(request, headers, timeout)
            outcome = response.status
            return response
        except TransportError as error:
            outcome = error.reason
            raise
        finally:
            if span is not None:
                span.end(outcome)
            self._observer.exchanged(request.operation, outcome, time.perf_counter() - started)

    async def _send_session_call(self, request: RestRequest, headers: dict[str, str]) -> RestResponse:
        if request is LOGOUT:
            return await self._log_out(headers)
        try:
            return await self._exchange(request, headers, _SESSION_CALL_TIMEOUT)
        except TransportError as error:
            error.was_sent = False  # The call that needs the session was not, or was answered with 401.
            raise

    async def _log_out(self, headers: Mapping[str, str]) -> RestResponse:
        """Ends a session. Past the breaker: vCenter may be back by now, and a session that is not closed takes up room.

        Ending it twice does no harm. So a kept connection that turns out to be dead is no reason to leave it open; the
        next try takes another one, or a new one when all are used up.
        """
        for _ in range(min(self._options.max_concurrent_calls, _MAX_DEAD_CONNECTIONS)):
            with contextlib.suppress(ConnectionLostError):
                return await self._observed(LOGOUT, headers, _LOGOUT_TIMEOUT)
        return await self._observed(LOGOUT, headers, _LOGOUT_TIMEOUT)

    async def _within(self, deadline: float, waiting: Any) -> Any:
        try:
            async with asyncio.timeout_at(deadline):
                return await waiting
        except TimeoutError:
            raise NotSentTimeoutError("the deadline passed while the session with vCenter was opened") from None


def _is_json(response: RestResponse) -> bool:
    return response.headers.get("content-type", "").startswith("application/json")


def _is_transient(error: GatewayError) -> bool:
    """Whether the same read may well succeed a moment later."""
    return error.reason == "RESOURCE_BUSY" or (
        error.code == code_pb2.UNAVAILABLE and error.metadata.get("http_status") in _TRANSIENT_STATUSES
    )
