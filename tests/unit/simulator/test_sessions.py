"""Logging in to the simulated vCenter, and everything that ends or prevents a session."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest

from gateway.simulator import DEFAULT_USERS, ManualClock, SessionLimits
from gateway.simulator.sessions import CHALLENGE
from tests.unit.simulator.harness import ADMIN, NOACCESS, READONLY, Api, basic

REQUIRED = "com.vmware.vapi.endpoint.method.authentication.required"
POWER = "/api/vcenter/vm/vm-1001/power"


def test_a_login_gives_an_identifier_that_opens_the_api(api: Api) -> None:
    """201 with a bare string, which is the session from then on."""
    answer = api.login()
    assert answer.status == 201
    assert len(answer.json) == 32
    assert api("GET", POWER).status == 200


def test_user_names_are_compared_without_case(api: Api) -> None:
    """vCenter's directory does not tell them apart."""
    assert api.login(ADMIN.upper()).status == 201


def test_a_session_tells_whose_it_is_and_since_when(api: Api, clock: ManualClock) -> None:
    """GET /api/session answers with the user and both times, and counts as a use."""
    clock.advance(90)
    assert api("GET", "/api/session").json == {
        "user": ADMIN,
        "created_time": "2026-01-15T12:00:00.000Z",
        "last_accessed_time": "2026-01-15T12:01:30.000Z",
    }


def test_a_logout_ends_the_session(api: Api) -> None:
    """204, then the identifier is worth nothing, not even to log out again."""
    assert api("DELETE", "/api/session").status == 204
    assert api("GET", POWER).status == 401
    assert api("DELETE", "/api/session").status == 401


@pytest.mark.parametrize("header", [{}, {"vmware-api-session-id": ""}, {"vmware-api-session-id": "0" * 32}])
def test_without_a_session_nothing_is_answered(api: Api, header: dict[str, str]) -> None:
    """401 with vCenter's message and its challenge, in the body and in the header."""
    answer = api.request("GET", POWER, headers=header)
    assert (answer.status, answer.error_type, answer.message_ids) == (401, "UNAUTHENTICATED", [REQUIRED])
    assert answer.json["challenge"] == answer.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer abc",
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"\xff\xfe:x").decode(),
        "Basic " + b64encode(b"administrator@vsphere.local").decode(),
        "Basic " + b64encode(b"administrator@vsphere.local:wrong").decode(),
        "Basic " + b64encode(b"nobody@vsphere.local:VMware1!").decode(),
    ],
)
def test_a_login_without_the_right_password_is_refused(api: Api, authorization: str) -> None:
    """Missing, unreadable or wrong credentials are all the same to the caller."""
    answer = api.request("POST", "/api/session", headers={"authorization": authorization})
    assert (answer.status, answer.message_ids) == (401, [REQUIRED])


def test_a_password_may_contain_colons(clock: ManualClock) -> None:
    """Only the first colon separates."""
    user = replace(DEFAULT_USERS[0], password="a:b:c")
    assert Api(clock, users=(user,)).login(user.name, "a:b:c").status == 201


@pytest.mark.parametrize(("idle", "status"), [(1799, 200), (1800, 401), (1801, 401)])
def test_a_session_ends_when_it_is_not_used(api: Api, clock: ManualClock, idle: float, status: int) -> None:
    """After half an hour without a call."""
    clock.advance(idle)
    assert api("GET", POWER).status == status


@pytest.mark.parametrize(("last", "status"), [(899, 200), (900, 401), (901, 401)])
def test_a_session_ends_after_a_day_however_busy(api: Api, clock: ManualClock, last: float, status: int) -> None:
    """Uses keep it from being idle and nothing more."""
    for _ in range(95):
        clock.advance(900)
        assert api("GET", POWER).status == 200
    clock.advance(last)
    assert api("GET", POWER).status == status


def test_a_refused_call_keeps_the_session_alive(api: Api, clock: ManualClock) -> None:
    """What counts is that the session was used, not what came of it."""
    clock.advance(1700)
    assert api("GET", "/api/vcenter/vm/vm-9/power").status == 404
    clock.advance(1700)
    assert api("GET", POWER).status == 200


def test_a_path_that_does_not_exist_does_not_keep_the_session_alive(api: Api, clock: ManualClock) -> None:
    """The web server answers those, and knows no sessions."""
    clock.advance(1700)
    assert api("GET", "/api/vcenter/nothing").status == 404
    clock.advance(100)
    assert api("GET", POWER).status == 401


def test_five_wrong_passwords_lock_the_account(api: Api, clock: ManualClock) -> None:
    """The right one is refused in the same words until five minutes have passed."""
    for _ in range(5):
        assert api.login(password="wrong").status == 401
    assert api.login().message_ids == [REQUIRED]
    clock.advance(299)
    assert api.login().status == 401
    clock.advance(1)
    assert api.login().status == 201


def test_a_lock_is_for_one_account(api: Api) -> None:
    """Others log in as before, and the open sessions of the locked one go on."""
    for _ in range(5):
        api.login(password="wrong")
    assert api("GET", POWER).status == 200
    assert api.login(READONLY).status == 201


def test_four_wrong_passwords_are_forgiven_by_a_right_one(api: Api) -> None:
    """The count begins anew after a login."""
    for _ in range(2):
        for _ in range(4):
            assert api.login(password="wrong").status == 401
        assert api.login().status == 201


@pytest.mark.parametrize(("pause", "status"), [(180, 401), (181, 201)])
def test_wrong_passwords_are_counted_for_three_minutes(api: Api, clock: ManualClock, pause: float, status: int) -> None:
    """An older failure does not add up with a new one."""
    api.login(password="wrong")
    clock.advance(pause)
    for _ in range(4):
        api.login(password="wrong")
    assert api.login().status == status


def test_a_user_has_at_most_so_many_sessions(clock: ManualClock) -> None:
    """Beyond the cap SERVICE_UNAVAILABLE as 503, for this user alone, until one of the sessions ends."""
    api = Api(clock, limits=SessionLimits(per_user=2, total=10))
    assert [api.login().status for _ in range(2)] == [201, 201]
    refused = api.login()
    assert (refused.status, refused.error_type) == (503, "SERVICE_UNAVAILABLE")
    assert refused.json["messages"] == [
        {
            "id": "com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached",
            "default_message": f"User session count is limited to 2. Existing sessions are 2 for user '{ADMIN}'.",
            "args": ["2", "2", ADMIN],
        }
    ]
    assert api.login(READONLY).status == 201
    api.sessions.logout(api.sessions.open_sessions()[0].identifier)
    assert api.login().status == 201


def test_all_users_together_have_at_most_so_many_sessions(clock: ManualClock) -> None:
    """The total stops a user who has no session at all; sessions that have expired do not count."""
    api = Api(clock, limits=SessionLimits(per_user=2, total=3))
    assert [api.login(user).status for user in (ADMIN, ADMIN, READONLY)] == [201, 201, 201]
    refused = api.login(NOACCESS)
    assert (refused.status, refused.json["messages"][0]["args"]) == (503, ["3", "0", NOACCESS])
    clock.advance(1800)
    assert api.login(NOACCESS).status == 201


def test_the_defaults_are_those_of_vcenter() -> None:
    """550 sessions for a user, 1000 for all; half an hour; a day."""
    limits = SessionLimits()
    assert (limits.per_user, limits.total, limits.idle, limits.absolute) == (550, 1000, 1800, 86400)


def test_logins_are_counted(clock: ManualClock) -> None:
    """What went well, what was refused and why, and what is open."""
    api = Api(clock, limits=SessionLimits(per_user=2))
    for password in ("VMware1!", "wrong", "VMware1!", "VMware1!"):
        api.login(ADMIN, password)
    api("DELETE", "/api/session")
    assert api.sessions.counts() == {
        "logins": 2,
        "rejected_logins": 1,
        "refused_by_cap": 1,
        "logouts": 1,
        "open": 1,
    }


def test_a_changed_password_holds_for_the_next_login(api: Api) -> None:
    """Open sessions stay."""
    api.sessions.set_password(ADMIN, "new")
    assert api("GET", POWER).status == 200
    assert [api.login().status, api.login(password="new").status] == [401, 201]


def test_all_sessions_can_be_ended_at_once(api: Api) -> None:
    """As a restart of vCenter does."""
    api.sessions.expire_all()
    assert api("GET", POWER).status == 401


def test_secrets_are_in_no_representation(api: Api) -> None:
    """Neither passwords nor identifiers of sessions show up where somebody prints the objects."""
    shown = repr(api.sessions.open_sessions()) + repr(DEFAULT_USERS)
    assert api.session not in shown
    assert "VMware1!" not in shown


def test_the_older_login_wraps_its_result(api: Api) -> None:
    """POST /rest/com/vmware/cis/session answers 200 with the identifier in an envelope; it opens /api as well."""
    target = "/rest/com/vmware/cis/session"
    answer = api.request("POST", target, headers=basic(ADMIN))
    assert answer.status == 200
    assert list(answer.json) == ["value"]
    session = answer.json["value"]
    assert api("GET", POWER, session=session).status == 200
    assert api("DELETE", target, session=session).status == 200
    assert api("GET", POWER, session=session).status == 401


def test_the_older_login_sets_a_cookie(api: Api) -> None:
    """The identifier comes in a cookie as well, and below /rest the cookie alone stands for the session."""
    target = "/rest/com/vmware/cis/session"
    answer = api.request("POST", target, headers=basic(ADMIN))
    cookie = f"vmware-api-session-id={answer.json['value']}"
    assert answer.headers["Set-Cookie"] == f"{cookie};Path=/rest;Secure;HttpOnly"
    assert api.request("POST", f"{target}?~action=get", headers={"cookie": cookie}).status == 200
    assert api.request("GET", "/api/session", headers={"cookie": cookie}).status == 401
    assert api.request("DELETE", target, headers={"cookie": cookie}).status == 200
    assert answer.json["value"] not in [session.identifier for session in api.sessions.open_sessions()]


def test_the_older_dialect_tells_about_a_session(api: Api) -> None:
    """POST with `~action=get` logs nobody in: clients ask so whether a session that they kept is still good."""
    target = "/rest/com/vmware/cis/session?~action=get"
    before = api.sessions.logins
    answer = api("POST", target)
    assert answer.status == 200
    assert answer.json == {"value": api("GET", "/api/session").json}
    assert api.request("POST", target, headers=basic(ADMIN)).status == 401
    assert api.sessions.logins == before


def test_the_older_login_names_its_errors_by_type(api: Api) -> None:
    """The body has a `type` and a `value` where the newer dialect has `error_type`."""
    answer = api.request("POST", "/rest/com/vmware/cis/session")
    assert answer.status == 401
    assert answer.json["type"] == "com.vmware.vapi.std.errors.unauthenticated"
    assert [message["id"] for message in answer.json["value"]["messages"]] == [REQUIRED]
    assert answer.headers["WWW-Authenticate"] == CHALLENGE
