"""One vCenter: its connections, the sessions of the callers who gave a password, and the layers around each call.

What is promised about calls to vCenter is kept in these layers, each in a module of its own; here they are put
together.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import astuple
from functools import cached_property
from typing import TYPE_CHECKING

from google.rpc import code_pb2

from gateway.calls import Call, Unary
from gateway.contract import Contract
from gateway.errors import Failure, GatewayError
from gateway.events import Events
from gateway.tracing import Tracing
from gateway.transcoding import RestResponse
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.breaker import Breaker, guarded
from gateway.vcenter.credential import SESSION_HEADER, SessionId
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import ConnectionLostError, TransportError
from gateway.vcenter.limiter import Limiter, limited
from gateway.vcenter.lockout import LockoutGuard
from gateway.vcenter.observing import observing
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.retrying import retrying
from gateway.vcenter.session_api import PROBE, RestSessions, SessionApi
from gateway.vcenter.sessions import SessionCounts, SessionPool
from gateway.vcenter.transfers import Answered, FileTransport
from gateway.vcenter.translating import translating
from gateway.vcenter.transport import Transport
from gateway.vcenter.version import VERSIONS, VersionReader
from gateway.vcenter.with_session import with_session

if TYPE_CHECKING:
    from gateway.vim.client import Vim

__all__ = ["VCenter"]

_SESSION_CALLS = 8
_WAITING_SESSION_CALLS = 512
"""Logins wait for places of their own, so that calls of open sessions never wait behind them."""
_MAX_DEAD_CONNECTIONS = 8
_QUESTION_SECONDS = 2.0


class VCenter:
    """To be made and closed within a running event loop.

    `versions` tells which releases vCenter speaks; others may ask it too, and it is closed with this. `clock` is the
    time, in seconds, by which sessions grow old and refused passwords are tried again.
    """

    def __init__(
        self,
        options: VCenterOptions,
        contract: Contract,
        *,
        policy: RetryPolicy | None = None,
        events: Events | None = None,
        tracing: Tracing | None = None,
        versions: VersionReader | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policy, events = policy or RetryPolicy(), events or Events()
        self._transport = Transport(options)
        self._send = observing(self._transport.send, events, tracing)
        self.breaker = Breaker(events=events, answers=self.answers)
        self.limiter = Limiter(options.max_concurrent_calls, options.max_waiting_calls)
        session_calls = Limiter(_SESSION_CALLS, _WAITING_SESSION_CALLS)
        guarded_send = guarded(self.breaker, self._send)
        self._session_send = limited(session_calls, guarded_send)
        self._errors = error_reader(contract)
        guard = LockoutGuard(clock=clock)

        def sessions_of(api: SessionApi) -> SessionPool:
            # Past the breaker: vCenter may be back by now, and a session that is not closed takes up room.
            log_out = limited(session_calls, _on_any_connection(self._send))
            return SessionPool(self._session_send, log_out, api, guard=guard, policy=policy, events=events, clock=clock)

        self.sessions = sessions_of(RestSessions(self._errors))
        in_turn = limited(self.limiter, guarded_send)
        translated = translating(with_session(self.sessions, in_turn), events, self.release)
        self.call: Unary = retrying(policy, policy.budget(), events)(translated)
        """Has vCenter carry out a call."""
        self.files = FileTransport(options)
        """Copies files to and from URLs that vCenter gives."""
        self._sessions_of, self._in_turn = sessions_of, in_turn
        self._options, self._policy, self._events = options, policy, events
        self._versions = versions or VersionReader(options)

    @property
    def certificate(self) -> bytes | None:
        """vCenter's certificate as it was seen last, in DER form; None without TLS or before the first call."""
        return self._transport.certificate()

    @property
    def connections(self) -> int:
        """Connections to vCenter that are open, in use or kept."""
        return self._transport.connections

    @cached_property
    def vim(self) -> Vim:
        """vCenter's other API, for what REST does not have."""
        # Only here: not every gateway needs it, and every start would take longer.
        from gateway.vim.client import Vim, VimParts

        return Vim(
            VimParts(
                options=self._options,
                errors=self._errors,
                versions=self._versions,
                sessions=self.sessions,
                own_sessions=self._sessions_of,
                send=self._in_turn,
                send_wait=self._send,
                policy=self._policy,
                budget=self._policy.budget(),
                events=self._events,
            )
        )

    @property
    def open_sessions(self) -> int:
        """Sessions with vCenter that are open, of both APIs."""
        return sum(pool.open_sessions for pool in self._pools)

    @property
    def session_counts(self) -> SessionCounts:
        """What happened to the sessions of both APIs so far."""
        return SessionCounts(*(sum(each) for each in zip(*(astuple(pool.counts) for pool in self._pools), strict=True)))

    @property
    def _pools(self) -> list[SessionPool]:
        own = self.vim.own_sessions if "vim" in vars(self) else None
        return [self.sessions] if own is None else [self.sessions, own]

    async def authenticate(self, call: Call) -> None:
        """Finds out whether vCenter accepts the credential of `call`, for what the gateway answers by itself.

        Raises GatewayError (UNAUTHENTICATED) when it does not. A vCenter that does not answer has nothing against it.
        """
        credential = call.caller.credential
        deadline = min(call.deadline, asyncio.get_running_loop().time() + _QUESTION_SECONDS)
        try:
            if not isinstance(credential, SessionId):
                async with asyncio.timeout_at(deadline):
                    await self.sessions.get(credential, call)
                return
            headers = {SESSION_HEADER: credential.value}
            response = await self._session_send(Exchange(PROBE, headers, deadline, call))
            if self.sessions.api.was_refused(response):
                raise GatewayError(self._errors.read(PROBE.operation, response.status, response.headers, response.body))
        except (TransportError, TimeoutError):
            return
        except GatewayError as error:
            if error.failure.code == code_pb2.UNAUTHENTICATED:
                raise

    async def release(self) -> str | None:
        """The version of vCenter's API, for instance `8.0.3.0`; None when vCenter does not tell it."""
        return (await self._versions.current()).api

    def file_failure(self, operation: str, answered: Answered) -> Failure:
        """What a transfer ended in that was answered with an error."""
        return self._errors.read(operation, answered.status, answered.headers, answered.body)

    async def close(self) -> None:
        """Logs every session out and closes the connections."""
        self.breaker.close()
        if "vim" in vars(self):
            await self.vim.close()
        await self.sessions.close()
        await self._versions.close()
        await self._transport.close()

    async def answers(self) -> bool:
        """Whether vCenter answers a question that needs no session and does nothing."""
        deadline = asyncio.get_running_loop().time() + _QUESTION_SECONDS
        try:
            response = await self._send(Exchange(VERSIONS, {}, deadline))
        except TransportError:
            return False
        return response.status < 500


def _on_any_connection(send: Send) -> Send:
    """Sends what does no harm when it is sent twice. A kept connection that turns out to be dead is no reason to give
    up; the next try takes another one, or a new one when all are used up."""

    async def try_again(exchange: Exchange) -> RestResponse:
        for _ in range(_MAX_DEAD_CONNECTIONS):
            with contextlib.suppress(ConnectionLostError):
                return await send(exchange)
        return await send(exchange)

    return try_again
