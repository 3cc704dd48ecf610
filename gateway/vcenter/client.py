"""The client of one vCenter: its connections, the sessions of callers with passwords, and the layers around each call.

These layers, each in its own module, implement the guarantees about calls. They are combined only here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import astuple
from functools import cached_property
from typing import TYPE_CHECKING

from google.rpc import code_pb2

from gateway.calls import Call, Layer, SessionId, Unary
from gateway.calls.credential import SESSION_HEADER
from gateway.calls.shared_reads import SharedReads
from gateway.contract import Contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events
from gateway.tracing import Tracing
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.breaker import Breaker, guarded
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import TransportError
from gateway.vcenter.limiter import Limiter, limited, path_of
from gateway.vcenter.lockout import LockoutGuard
from gateway.vcenter.observing import observing
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.retrying import Retries, on_any_connection, retrying
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

_QUESTION_SECONDS = 2.0


def _everybody(unary: Unary) -> Unary:
    return unary


class VCenter:
    """Create and close it within a running event loop. `admission` is the layer that admits calls. `versions` reads the
    releases that vCenter supports, and is closed with the client. `clock` returns the time in seconds for the age of
    sessions and the retries of rejected passwords.
    """

    def __init__(
        self,
        options: VCenterOptions,
        contract: Contract,
        *,
        admission: Layer = _everybody,
        policy: RetryPolicy | None = None,
        events: Events | None = None,
        tracing: Tracing | None = None,
        versions: VersionReader | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policy, events = policy or RetryPolicy(), events or Events()
        self._errors = error_reader(contract)
        self._transport = Transport(options, events)
        self.breaker = Breaker(events=events, answers=self.answers)
        self.limiter = Limiter(options.max_concurrent_calls, options.max_waiting_calls)
        session_calls = Limiter(options.max_concurrent_logins, options.max_waiting_logins)

        # Each line adds a layer around those above it: a call reaches the last one first. Every exchange is reported to
        # log, metrics and traces.
        self._send = observing(events, tracing)(self._transport.send)
        # Nothing is sent to a vCenter that does not respond.
        guarded_send = guarded(self.breaker)(self._send)
        # Calls about sessions wait for separate places, so that calls with open sessions never wait for them. A logout
        # bypasses the breaker: vCenter may be back, and a session that is not closed counts against its limit.
        self._session_send = limited(session_calls)(guarded_send)
        log_out = limited(session_calls)(on_any_connection(self._send))
        guard = LockoutGuard(clock=clock)

        def sessions_of(api: SessionApi) -> SessionPool:
            return SessionPool(self._session_send, log_out, api, guard=guard, policy=policy, events=events, clock=clock)

        self.sessions = sessions_of(RestSessions(self._errors))
        # Callers get fair turns, and vCenter gets no more concurrent calls than it can handle.
        in_turn = limited(self.limiter)(guarded_send)
        # A session is opened once, renewed after vCenter has ended it, and closed.
        in_session = with_session(self.sessions)(in_turn)
        # A call is checked before vCenter is called, and errors keep all details.
        translated = translating(events, self.release)(in_session)
        # Only calls that certainly did not run are retried.
        self._retries = Retries(policy, policy.budget(), events, lambda: self.breaker.seconds_to_probe)
        retried = retrying(self._retries)(translated)
        # Reads whose callers accept an age share a response, and changes invalidate what they affect.
        self.reads = SharedReads(retried, longest=options.max_timeout, lend=self._lend)
        # The policy applies to every call, and every change is recorded.
        self.call: Unary = admission(self.reads.call)
        self.files = FileTransport(options)
        """Copies files to and from URLs that vCenter returns."""
        self._sessions_of, self._in_turn = sessions_of, in_turn
        self._options = options
        self._versions = versions or VersionReader(options)

    @property
    def certificate(self) -> bytes | None:
        """vCenter's certificate on the last connection, in DER form; None without TLS or before the first call."""
        return self._transport.certificate

    @property
    def connections(self) -> int:
        """Number of open connections to vCenter, in use or idle."""
        return self._transport.connections

    @cached_property
    def vim(self) -> Vim:
        """The client of vCenter's other API, for what REST lacks."""
        # Imported here: not every gateway needs it, and every start would take longer.
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
                retries=self._retries,
            )
        )

    @property
    def open_sessions(self) -> int:
        """Number of open sessions with vCenter, of both APIs."""
        return sum(pool.open_sessions for pool in self._pools)

    @property
    def session_counts(self) -> SessionCounts:
        """Counts of session events of both APIs so far."""
        return SessionCounts(*(sum(each) for each in zip(*(astuple(pool.counts) for pool in self._pools), strict=True)))

    @property
    def _pools(self) -> list[SessionPool]:
        own = self.vim.own_sessions if "vim" in vars(self) else None
        return [self.sessions] if own is None else [self.sessions, own]

    async def authenticate(self, call: Call) -> None:
        """Checks whether vCenter accepts the credential of `call`, for rpcs that the gateway answers itself. Raises
        GatewayError (UNAUTHENTICATED) if it does not. If vCenter does not respond, the credential counts as accepted.
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
            failure = error.failure
            if failure.code == code_pb2.UNAUTHENTICATED or failure.reason == Reason.SERVICE_ACCOUNT_REJECTED:
                raise

    async def release(self) -> str | None:
        """The version of vCenter's API, for example `8.0.3.0`; None when vCenter does not tell it."""
        return (await self._versions.current()).api

    def file_failure(self, operation: str, answered: Answered) -> Failure:
        """The failure of a transfer that got an error response."""
        return self._errors.read(operation, answered.status, answered.headers, answered.body)

    async def close(self) -> None:
        """Logs out of every session and closes the connections."""
        self.breaker.close()
        if "vim" in vars(self):
            await self.vim.close()
        await self.sessions.close()
        await self._versions.close()
        await self._transport.close()

    async def answers(self) -> bool:
        """Whether vCenter responds to a request that needs no session and has no effect."""
        deadline = asyncio.get_running_loop().time() + _QUESTION_SECONDS
        try:
            response = await self._send(Exchange(VERSIONS, {}, deadline))
        except TransportError:
            return False
        return response.status < 500

    def _lend(self, read: Call, call: Call) -> None:
        self.limiter.lend(read, path_of(call))
