"""How many sessions the pool keeps, and that none is left open which nobody can use any more."""

from __future__ import annotations

import asyncio

import pytest

from gateway.contract import load_contract
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.decoder import Decoders
from gateway.transcoding.error_response import ErrorReader
from gateway.vcenter import Basic
from gateway.vcenter.identity import SESSION_HEADER
from gateway.vcenter.sessions import LOGIN, LOGOUT, SessionPool
from tests.held_vcenter import idle

A, B, C = (Basic(name, "secret") for name in "abc")


class Sessions:
    """A vCenter that opens and closes sessions and has nothing else; while `answers` is not set, its logins wait."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    def pool(self, limit: int = 512) -> SessionPool:
        return SessionPool(self.send, ErrorReader(load_contract(), Decoders()), limit=limit)

    async def send(self, request: RestRequest, headers: dict[str, str]) -> RestResponse:
        if request is LOGOUT:
            self.closed.append(headers[SESSION_HEADER])
            return RestResponse(204, {}, b"")
        assert request is LOGIN
        self.opened += 1
        number = self.opened
        await self.answers.wait()
        return RestResponse(201, {}, b'"session-%d"' % number)


@pytest.fixture
async def sessions() -> Sessions:
    return Sessions()


@pytest.mark.parametrize(("limit", "closed"), [(4, []), (3, []), (2, ["session-2"])], ids=["below", "at", "above"])
async def test_how_many_are_kept(sessions: Sessions, limit: int, closed: list[str]) -> None:
    """Beyond the limit the longest unused session is closed, to make room for another credential's."""
    pool = sessions.pool(limit)
    for credential in (A, B, A, C):
        await pool.get(credential)
    await idle()
    assert sessions.closed == closed
    assert (pool.open_sessions, pool.counts.displaced) == (3 - len(closed), len(closed))


async def test_displaced_while_it_is_opened(sessions: Sessions) -> None:
    """A session whose place went to another credential before it was open is closed as soon as it is."""
    sessions.answers.clear()
    pool = sessions.pool(1)
    waiting = [asyncio.ensure_future(pool.get(credential)) for credential in (A, B)]
    await idle()
    sessions.answers.set()
    await asyncio.gather(*waiting)
    await idle()
    assert sessions.closed == ["session-1"]
    assert pool.open_sessions == 1


async def test_opened_while_the_pool_is_closed(sessions: Sessions) -> None:
    """Closing waits for a login under way, and closes its session too."""
    sessions.answers.clear()
    pool = sessions.pool()
    waiting = asyncio.ensure_future(pool.get(A))
    await idle()
    closing = asyncio.ensure_future(pool.close())
    await idle()
    assert not closing.done()
    sessions.answers.set()
    await asyncio.gather(waiting, closing)
    assert sessions.closed == ["session-1"]


async def test_opened_after_the_pool_was_closed(sessions: Sessions) -> None:
    """A call that comes late leaves no session open either."""
    pool = sessions.pool()
    await pool.close()
    await pool.get(A)
    await idle()
    assert sessions.closed == ["session-1"]
    assert pool.open_sessions == 0
