"""The layer that gives each exchange the session of its caller, and a new one where vCenter has ended it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.calls.credential import SESSION_HEADER, SessionId
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send, SendLayer
from gateway.vcenter.failures import NotSentTimeoutError
from gateway.vcenter.sessions import SessionPool

__all__ = ["with_session"]

T = TypeVar("T")


def with_session(sessions: SessionPool) -> SendLayer:
    """Sends exchanges of calls with a session. One that the caller brings is used as it is and never renewed."""

    def layer(send: Send) -> Send:
        async def send_as(exchange: Exchange) -> RestResponse:
            call = exchange.call
            if call is None:
                raise TypeError("only the exchange of a call has a session")
            if asyncio.get_running_loop().time() >= call.deadline:
                raise NotSentTimeoutError("the deadline passed before vCenter was called")
            credential = call.caller.credential
            if isinstance(credential, SessionId):
                return await send(exchange.with_headers({SESSION_HEADER: credential.value}))
            session = await _within(call.deadline, sessions.get(credential, call))
            sent = sessions.now()
            response = await send(exchange.with_headers({SESSION_HEADER: session.id}))
            if not sessions.was_refused(response):
                if session.doubts and call.binding.carries_secrets:
                    session.doubts = 0  # Refusals were about the passwords of users of the guest.
                return response
            renewed = await _within(call.deadline, sessions.renew(credential, session, sent, call))
            if renewed is session:
                return response
            # vCenter ran nothing: the one case in which any call may be sent again.
            return await send(exchange.with_headers({SESSION_HEADER: renewed.id}))

        return send_as

    return layer


async def _within(deadline: float, waiting: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout_at(deadline):
            return await waiting
    except TimeoutError:
        raise NotSentTimeoutError("the deadline passed while the session with vCenter was opened") from None
