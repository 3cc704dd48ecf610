"""How many sessions are kept, which one goes when there are too many, and whose."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from gateway.contract import load_contract
from gateway.errors import GatewayError
from gateway.transcoding import RestResponse
from gateway.transcoding.error_response import error_reader
from gateway.vcenter import Basic
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.sessions import LOGIN, LOGOUT, SessionPool
from tests.held_vcenter import idle

LIMIT = 3
ERRORS = error_reader(load_contract())


class VCenter:
    """Opens a session for everybody whose password is `good`, and knows those that are open."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        """Users by their sessions."""
        self.logins: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self._numbers = count(1)

    async def send(self, exchange: Exchange) -> RestResponse:
        request, headers = exchange.request, exchange.headers
        if request is LOGOUT:
            del self.open[headers["vmware-api-session-id"]]
            return RestResponse(204, {}, b"")
        assert request is LOGIN
        user = next(user for user in USERS if headers["authorization"] in (user.header, wrong(user).header))
        self.logins.append(user.user)
        await self.answering.wait()
        if headers["authorization"] != user.header:
            return RestResponse(401, {}, b"")
        session = f"session-{next(self._numbers)}"
        self.open[session] = user.user
        return RestResponse(201, {}, f'"{session}"'.encode())


USERS = [Basic(f"user-{number}", "good") for number in range(10)]


def wrong(user: Basic) -> Basic:
    return Basic(user.user, "wrong")


def names(*numbers: int) -> list[str]:
    return [USERS[number].user for number in numbers]


async def get(pool: SessionPool, *credentials: Basic) -> None:
    for credential in credentials:
        await pool.get(credential)


async def test_how_many_are_kept() -> None:
    """Up to the limit all sessions stay open; beyond it, the longest unused one is closed."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, ERRORS, limit=LIMIT)
    await get(pool, *USERS[:LIMIT], USERS[0])
    await idle()
    assert sorted(vcenter.open.values()) == names(0, 1, 2)
    await get(pool, USERS[3])
    await idle()
    assert sorted(vcenter.open.values()) == names(0, 2, 3)
    assert (pool.open_sessions, pool.counts.displaced) == (LIMIT, 1)
    await pool.close()
    assert not vcenter.open


async def test_passwords_that_are_refused_end_no_session() -> None:
    """However many wrong passwords come, at once or one after the other, those who are logged in stay so."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, ERRORS, limit=LIMIT)
    await get(pool, *USERS[:LIMIT])
    refused = await asyncio.gather(*(pool.get(wrong(user)) for user in USERS), return_exceptions=True)
    assert [type(error) for error in refused] == [GatewayError] * len(USERS)
    await get(pool, *USERS[:LIMIT])
    assert vcenter.logins.count(USERS[0].user) == 2
    assert sorted(vcenter.open.values()) == names(0, 1, 2)
    assert pool.counts.displaced == 0
    await pool.close()


async def test_refusals_outlive_those_of_others() -> None:
    """A refused password is not tried again, however many others were refused since; nor under another spelling of the
    user's name."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, ERRORS, limit=LIMIT)
    for user in (*USERS, *USERS, Basic(USERS[0].user.upper(), "good")):
        with pytest.raises(GatewayError):
            await pool.get(wrong(user))
    assert vcenter.logins == names(*range(len(USERS)))


async def test_a_login_that_is_pushed_out() -> None:
    """A login during which many others begin is of use all the same, and no session is left open."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, ERRORS, limit=LIMIT)
    vcenter.answering.clear()
    first = asyncio.ensure_future(pool.get(USERS[0]))
    others = [asyncio.ensure_future(pool.get(wrong(user))) for user in USERS[1:]]
    await idle()
    again = asyncio.ensure_future(pool.get(USERS[0]))
    await idle()
    vcenter.answering.set()
    await asyncio.gather(first, again, *others, return_exceptions=True)
    await idle()
    assert list(vcenter.open.values()) == names(0)
    assert (await pool.get(USERS[0])).id in vcenter.open
    await pool.close()
    assert not vcenter.open


async def test_a_login_under_way_at_the_stop() -> None:
    """The session of a login that ends after the stop began is closed, also when the login was pushed out."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, ERRORS, limit=LIMIT)
    vcenter.answering.clear()
    logins = [asyncio.ensure_future(pool.get(user)) for user in USERS[: LIMIT + 1]]
    await idle()
    closing = asyncio.ensure_future(pool.close())
    await idle()
    assert not closing.done()
    vcenter.answering.set()
    await asyncio.gather(closing, *logins)
    assert len(vcenter.logins) == LIMIT + 1
    assert not vcenter.open


async def test_a_login_after_the_stop() -> None:
    """A call that comes late leaves no session open either."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, ERRORS, limit=LIMIT)
    await pool.close()
    await pool.get(USERS[0])
    await idle()
    assert len(vcenter.logins) == 1
    assert not vcenter.open
    assert pool.open_sessions == 0
