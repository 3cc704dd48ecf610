"""The layer that adds the caller's session to each exchange, and a new one if vCenter has ended it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.calls.credential import Basic, SessionId
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send, SendLayer
from gateway.vcenter.failures import NotSentTimeoutError
from gateway.vcenter.session_api import SessionApi
from gateway.vcenter.sessions import SessionPool

__all__ = ["in_session", "with_session"]

T = TypeVar("T")


def with_session(sessions: SessionPool) -> SendLayer:
    """Sends exchanges of calls with a session. A caller's own session is used unchanged and never renewed."""

    def layer(send: Send) -> Send:
        async def send_as(exchange: Exchange) -> RestResponse:
            call = exchange.call
            if call is None:
                raise TypeError("only the exchange of a call has a session")
            if asyncio.get_running_loop().time() >= call.deadline:
                raise NotSentTimeoutError("the deadline passed before vCenter was called")
            credential = call.caller.credential
            if isinstance(credential, SessionId):
                return await send(exchange.with_headers(sessions.api.header(credential.value)))
            secrets = call.binding.carries_secrets
            return await in_session(sessions, sessions.api, credential, exchange, send, carries_secrets=secrets)

        return send_as

    return layer


async def in_session(
    sessions: SessionPool,
    api: SessionApi,
    credential: Basic,
    exchange: Exchange,
    send: Send,
    *,
    carries_secrets: bool = False,
) -> RestResponse:
    """Sends an exchange of `api` with the session of a credential, and once more with a new one if vCenter rejected it.
    `carries_secrets` means that a rejection may be about another password, that of a guest user."""
    call = exchange.call
    session = await _within(exchange.deadline, sessions.get(credential, call))
    sent = sessions.now()
    response = await send(exchange.with_headers(api.header(session.id)))
    if not api.was_refused(response):
        if session.doubts and carries_secrets:
            session.doubts = 0  # The rejections were about passwords of guest users.
        return response
    renewing = sessions.renew(credential, session, sent, call, carries_secrets=carries_secrets)
    renewed = await _within(exchange.deadline, renewing)
    if renewed is session:
        return response
    # vCenter executed nothing: the only case in which any call may be sent again.
    return await send(exchange.with_headers(api.header(renewed.id)))


async def _within(deadline: float, waiting: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout_at(deadline):
            return await waiting
    except TimeoutError:
        raise NotSentTimeoutError("the deadline passed while the session with vCenter was opened") from None
