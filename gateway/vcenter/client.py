"""One vCenter: its connections, the sessions of the callers who gave a password, and the layers around each call.

What is promised about calls is kept in these layers, each in a module of its own. They are put together here, and
nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from google.rpc import code_pb2

from gateway.calls import Call, Layer, SessionId, Unary
from gateway.calls.credential import SESSION_HEADER
from gateway.calls.shared_reads import SharedReads
from gateway.contract import Contract
from gateway.errors import GatewayError, Reason
from gateway.events import Events
from gateway.tracing import Tracing
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.breaker import Breaker, guarded
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import TransportError
from gateway.vcenter.limiter import Limiter, limited, path_of
from gateway.vcenter.login import PROBE
from gateway.vcenter.observing import observing
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.retrying import on_any_connection, retrying
from gateway.vcenter.sessions import SessionPool
from gateway.vcenter.translating import translating
from gateway.vcenter.transport import Transport
from gateway.vcenter.version import VERSIONS
from gateway.vcenter.with_session import with_session

__all__ = ["VCenter"]

_QUESTION_SECONDS = 2.0


def _everybody(unary: Unary) -> Unary:
    return unary


class VCenter:
    """To be made and closed within a running event loop.

    `admission` is the layer that lets calls in. `clock` is the time, in seconds, by which sessions grow old and refused
    passwords are tried again.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policy, events = policy or RetryPolicy(), events or Events()
        self._errors = error_reader(contract)
        self._transport = Transport(options, events)
        self.breaker = Breaker(events=events, answers=self.answers)
        self.limiter = Limiter(options.max_concurrent_calls, options.max_waiting_calls)
        session_calls = Limiter(options.max_concurrent_logins, options.max_waiting_logins)

        # Each line puts a layer around those above it: the last one is the first that a call comes to.
        # Every exchange is told to log, metrics and traces.
        self._send = observing(events, tracing)(self._transport.send)
        # Nothing is sent to a vCenter that does not answer.
        guarded_send = guarded(self.breaker)(self._send)
        # Calls for sessions wait for places of their own, so that those of open sessions never wait behind them. A
        # logout goes past the breaker: vCenter may be back by now, and a session that is not closed takes up room.
        self._session_send = limited(session_calls)(guarded_send)
        log_out = limited(session_calls)(on_any_connection(self._send))
        self.sessions = SessionPool(
            self._session_send, log_out, self._errors, policy=policy, events=events, clock=clock
        )
        # Callers get their turns fairly, and vCenter no more calls at once than it can bear.
        in_turn = limited(self.limiter)(guarded_send)
        # A session is opened once, renewed when vCenter has ended it, and closed.
        in_session = with_session(self.sessions)(in_turn)
        # A call is checked before vCenter is asked, and errors lose nothing.
        translated = translating(events)(in_session)
        # What certainly did not run is sent again, and nothing else.
        retried = retrying(policy, policy.budget(), events, lambda: self.breaker.seconds_to_probe)(translated)
        # Reads whose callers accept an age share an answer, and changes drop what they show in.
        self.reads = SharedReads(retried, longest=options.max_timeout, lend=self._lend)
        # Nobody is served whom the policy does not allow, and no change without its record.
        self.call: Unary = admission(self.reads.call)

    @property
    def certificate(self) -> bytes | None:
        """vCenter's certificate as it was seen last, in DER form; None without TLS or before the first call."""
        return self._transport.certificate

    @property
    def connections(self) -> int:
        """Connections to vCenter that are open, in use or kept."""
        return self._transport.connections

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
            if self.sessions.was_refused(response):
                raise GatewayError(self._errors.read(PROBE.operation, response.status, response.headers, response.body))
        except (TransportError, TimeoutError):
            return
        except GatewayError as error:
            failure = error.failure
            if failure.code == code_pb2.UNAUTHENTICATED or failure.reason == Reason.SERVICE_ACCOUNT_REJECTED:
                raise

    async def close(self) -> None:
        """Logs every session out and closes the connections."""
        self.breaker.close()
        await self.sessions.close()
        await self._transport.close()

    async def answers(self) -> bool:
        """Whether vCenter answers a question that needs no session and does nothing."""
        deadline = asyncio.get_running_loop().time() + _QUESTION_SECONDS
        try:
            response = await self._send(Exchange(VERSIONS, {}, deadline))
        except TransportError:
            return False
        return response.status < 500

    def _lend(self, read: Call, call: Call) -> None:
        self.limiter.lend(read, path_of(call))
