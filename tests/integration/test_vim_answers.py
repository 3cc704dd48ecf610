"""What the client of the VIM API makes of answers that are faults, pages, cut, hostile, or nothing at all; and of
sessions, for which vCenter's releases have different rules."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.calls import Basic, SessionId
from gateway.errors import Failure, GatewayError
from gateway.vcenter.client import VCenter
from gateway.vim import Data, Ref
from gateway.vim.client import VimClient
from gateway.vim.filters import in_view
from tests.calls import ALICE
from tests.integration.harness import eventually
from tests.integration.raw_vcenter import Answer, http, saying, silence
from tests.integration.soap_vcenter import NOT_AUTHENTICATED, SoapVCenter, cut, soap, soap_vcenter
from tests.integration.vim_servers import running_vcenter
from tests.soap import envelope, fault, response

VM = Ref("VirtualMachine", "vm-1")
SEARCH = Ref("SearchIndex", "SearchIndex")
FOUND = soap(response("FindByUuid", ' type="VirtualMachine">vm-1'))
TASK = soap(response("PowerOnVM_Task", ' type="Task">task-1'))


@pytest.fixture
async def server() -> AsyncIterator[SoapVCenter]:
    """A vCenter in which sessions of REST and VIM are apart."""
    async with soap_vcenter() as running:
        yield running


@pytest.fixture
async def vcenter(server: SoapVCenter) -> AsyncIterator[VCenter]:
    """A client of it."""
    async with running_vcenter(server.url) as client:
        yield client


@pytest.fixture
def client(vcenter: VCenter) -> VimClient:
    """The same, as Alice."""
    return vcenter.vim.client(ALICE)


async def read(client: VimClient) -> Any:
    """A method that only reads."""
    return await client.call(SEARCH, "FindByUuid", {"uuid": "u", "vmSearch": True})


async def change(client: VimClient) -> Any:
    """A method that changes something."""
    return await client.call(VM, "PowerOnVM_Task")


async def failed(call: Any) -> Failure:
    with pytest.raises(GatewayError) as caught:
        await call
    return caught.value.failure


# Answers


async def test_an_answer(server: SoapVCenter, client: VimClient) -> None:
    """A call is one request, with the release that is spoken, in a session of its own."""
    server.answer("FindByUuid", FOUND)
    assert await read(client) == VM
    assert server.names() == ["Login", "FindByUuid"]
    head = server.said[-1].head
    assert head.startswith(b"POST /sdk HTTP/1.1\r\n")
    assert b'SOAPAction: "urn:vim25/8.0.2.0"\r\n' in head
    assert b'Cookie: vmware_soap_session="s-1"\r\n' in head
    assert b"Content-Type: text/xml; charset=utf-8\r\n" in head


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">]>'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http("200 OK", b"", "text/xml"), "VCENTER_RESPONSE_INVALID"),
        (http("200 OK", b"<html>Sign in</html>", "text/html"), "VCENTER_RESPONSE_INVALID"),
        (http("200 OK", b'{"value": 1}'), "VCENTER_RESPONSE_INVALID"),
        (http("204 No Content", b""), "VCENTER_RESPONSE_INVALID"),
        (soap(response("FindByUuid", ">x")[:-20]), "VCENTER_RESPONSE_INVALID"),
        (soap(BOMB + b"<a>&b;</a>"), "VCENTER_RESPONSE_INVALID"),
        (soap(envelope("")), "VCENTER_RESPONSE_INVALID"),
        (soap(response("Logout")), "VCENTER_RESPONSE_INVALID"),
        (http("500 Internal Server Error", b"no healthy upstream", "text/plain"), "HTTP_500"),
        (http("500 Internal Server Error", response("FindByUuid"), "text/xml"), "HTTP_500"),
        (http("404 Not Found", b"", "text/html"), "HTTP_404"),
        (http("302 Found", b"", "text/html"), "HTTP_302"),
        (saying(b"SSH-2.0-OpenSSH_9\r\n"), "VCENTER_CONNECTION_LOST"),
        (soap(response("FindByUuid", f">{'x' * 300_000}")), "VCENTER_RESPONSE_TOO_LARGE"),
    ],
    ids=[
        "nothing",
        "a page",
        "json",
        "no content",
        "cut XML",
        "bomb",
        "empty envelope",
        "another method",
        "a page of the proxy",
        "an answer with the status of an error",
        "not found",
        "redirected",
        "no HTTP",
        "large",
    ],
)
async def test_what_is_no_answer(server: SoapVCenter, answer: Answer, reason: str) -> None:
    """It ends in an error that says so and repeats nothing of it, for a change with what is not known."""
    server.answer("FindByUuid", answer)
    server.answer("PowerOnVM_Task", answer)
    async with running_vcenter(server.url, max_response_bytes=200_000) as vcenter:
        client = vcenter.vim.client(ALICE)
        found = await failed(read(client))
        assert found.reason == reason
        assert not found.may_have_executed
        assert len(found.message) < 250
        is_refused = reason in ("HTTP_404", "HTTP_302")
        assert (await failed(change(client))).may_have_executed is not is_refused


async def test_a_fault(server: SoapVCenter, client: VimClient) -> None:
    """A fault has status 500 and is an answer all the same: the call is not repeated, and was not carried out."""
    server.answer("PowerOnVM_Task", soap(fault("TaskInProgress", "Busy.", "<task type='Task'>task-0</task>")))
    found = await failed(change(client))
    assert (found.code_name, found.reason, found.message) == ("ABORTED", "RESOURCE_BUSY", "Busy.")
    assert dict(found.metadata) == {"operation": "vim.VirtualMachine.PowerOnVM_Task", "vi_fault": "TaskInProgress"}
    assert found.retry_delay is not None
    assert len(server.only("PowerOnVM_Task")) == 1


@pytest.mark.parametrize("lost", [cut(response("FindByUuid")), saying(b""), http("503 Service Unavailable", b"")])
async def test_a_read_that_is_lost(server: SoapVCenter, client: VimClient, lost: Answer) -> None:
    """What only reads is sent again; its caller notices nothing."""
    server.answer("FindByUuid", lost, FOUND)
    assert await read(client) == VM
    assert len(server.only("FindByUuid")) == 2


@pytest.mark.parametrize("lost", [cut(response("PowerOnVM_Task")), saying(b""), http("502 Bad Gateway", b"")])
async def test_a_change_that_is_lost(server: SoapVCenter, client: VimClient, lost: Answer) -> None:
    """A change is sent once, and its caller learns that it may have been carried out."""
    server.answer("PowerOnVM_Task", lost, TASK)
    found = await failed(change(client))
    assert found.code_name == "UNAVAILABLE"
    assert found.may_have_executed
    assert len(server.only("PowerOnVM_Task")) == 1


async def test_a_deadline(server: SoapVCenter, client: VimClient) -> None:
    """A call ends with its time, and tells of a change that it may have been carried out."""
    server.answer("PowerOnVM_Task", silence)
    found = await failed(client.call(VM, "PowerOnVM_Task", timeout=0.3))
    assert (found.code_name, found.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
    assert found.may_have_executed


async def test_a_text_that_cannot_be_sent(server: SoapVCenter, client: VimClient) -> None:
    """A control character is the caller's mistake, which vCenter does not see."""
    found = await failed(client.call(VM, "Rename_Task", {"newName": "a\x00b"}))
    assert (found.code_name, found.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert server.names() == []


async def test_a_large_answer_is_read_beside(
    server: SoapVCenter, vcenter: VCenter, client: VimClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of many machines is read by another thread, so that other calls are not held up."""
    threads: list[threading.Thread] = []
    decode = vcenter.vim.codec.decode

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return decode(*arguments)

    monkeypatch.setattr(vcenter.vim.codec, "decode", watched)
    objects = "".join(
        f"<objects><obj type='VirtualMachine'>vm-{number}</obj><propSet><name>name</name>"
        f"<val xsi:type='xsd:string'>machine {number}</val></propSet></objects>"
        for number in range(3000)
    )
    server.answer("RetrievePropertiesEx", soap(response("RetrievePropertiesEx", objects)))
    found = await client.properties([VM], ["name"])
    assert [content.values["name"] for content in found] == [f"machine {number}" for number in range(3000)]
    assert threading.main_thread() not in threads
    assert len(threads) == 1


# Waits


async def test_a_wait_that_is_lost(server: SoapVCenter, client: VimClient) -> None:
    """A wait that loses its connection is not sent again: what it has missed only its caller can tell."""
    server.answer("WaitForUpdatesEx", saying(b""))
    found = await failed(client.wait_for_updates(Ref("PropertyCollector", "1"), "1", seconds=60, most=100))
    assert (found.code_name, found.reason) == ("UNAVAILABLE", "VCENTER_CONNECTION_LOST")
    assert len(server.only("WaitForUpdatesEx")) == 1


async def test_a_wait_that_vcenter_ends(server: SoapVCenter, client: VimClient) -> None:
    """That a wait was cancelled is told apart from whatever else there may be."""
    server.answer("WaitForUpdatesEx", soap(fault("RequestCanceled")))
    found = await failed(client.wait_for_updates(Ref("PropertyCollector", "1"), "1", seconds=60, most=100))
    assert (found.code_name, found.metadata["vi_fault"]) == ("CANCELLED", "RequestCanceled")


async def test_a_wait_that_is_given_up_is_cancelled(server: SoapVCenter, vcenter: VCenter, client: VimClient) -> None:
    """vCenter is told before the connection is closed; a vCenter that does not listen does not hold up the stop."""
    server.answer("WaitForUpdatesEx", silence)
    server.answer("CancelWaitForUpdates", silence)
    waiting = asyncio.ensure_future(client.wait_for_updates(Ref("PropertyCollector", "1"), "1", seconds=60, most=9))
    await eventually(lambda: server.only("WaitForUpdatesEx"), "vCenter has the wait")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(20):
        await vcenter.close()
    assert "CancelWaitForUpdates" in server.names()


# Sessions


async def test_one_session_for_both_apis() -> None:
    """From release 8.0.3 on, the session of the REST API serves here, as a cookie; one logout ends it."""
    async with soap_vcenter("8.0.3.0") as server:
        server.answer("FindByUuid", FOUND)
        async with running_vcenter(server.url) as vcenter:
            assert await read(vcenter.vim.client(ALICE)) == VM
            assert vcenter.sessions.open_sessions == 1
        assert server.names() == ["POST /api/session", "FindByUuid", "DELETE /api/session"]
        assert b'Cookie: vmware_soap_session="rest-1"\r\n' in server.only("FindByUuid")[0].head


async def test_a_session_that_a_caller_brings() -> None:
    """From release 8.0.3 on it serves as it is: it is neither renewed nor logged out."""
    async with soap_vcenter("9.0.0.0") as server:
        server.answer("FindByUuid", FOUND, NOT_AUTHENTICATED)
        async with running_vcenter(server.url) as vcenter:
            client = vcenter.vim.client(SessionId("brought"))
            assert await read(client) == VM
            found = await failed(read(client))
            assert found.code_name == "UNAUTHENTICATED"
        assert server.names() == ["FindByUuid", "FindByUuid"]
        assert b'Cookie: vmware_soap_session="brought"\r\n' in server.said[0].head


async def test_a_session_id_that_is_no_cookie() -> None:
    """What cannot stand in a cookie is refused, and writes nothing else into the head."""
    async with soap_vcenter("9.0.0.0") as server, running_vcenter(server.url) as vcenter:
        found = await failed(read(vcenter.vim.client(SessionId('x";other="y'))))
        assert (found.code_name, found.reason) == ("UNAUTHENTICATED", "CREDENTIALS_MALFORMED")
        assert server.names() == []


async def test_a_session_that_has_ended(server: SoapVCenter, client: VimClient) -> None:
    """vCenter ran nothing: even a change is sent again, in a new session. The old one is asked for once."""
    server.answer("PowerOnVM_Task", NOT_AUTHENTICATED, TASK)
    server.has_session = False
    assert await change(client) == Ref("Task", "task-1")
    assert len(server.only("Login")) == len(server.only("PowerOnVM_Task")) == 2


async def test_a_fault_about_permission(server: SoapVCenter, client: VimClient) -> None:
    """NotAuthenticated is derived from NoPermission, but not the other way round: the session stays."""
    server.answer("PowerOnVM_Task", soap(fault("NoPermission", "NotAuthenticated is not what this is.")))
    found = await failed(change(client))
    assert (found.code_name, found.reason) == ("PERMISSION_DENIED", "UNAUTHORIZED")
    assert server.names() == ["Login", "PowerOnVM_Task"]


HOLLOW = soap(response("RetrievePropertiesEx"))
UNSEEN = soap(
    response(
        "RetrievePropertiesEx",
        "<objects><obj type='VirtualMachine'>vm-1</obj><missingSet><path>name</path>"
        "<fault><fault xsi:type='NotAuthenticated'/><localizedMessage/></fault></missingSet></objects>",
    )
)
CURRENT = soap(
    response(
        "RetrievePropertiesEx",
        "<objects><obj type='SessionManager'>SessionManager</obj><propSet><name>currentSession</name>"
        "<val xsi:type='UserSession'><key>1</key></val></propSet></objects>",
    )
)
NAMED = soap(
    response(
        "RetrievePropertiesEx",
        "<objects><obj type='VirtualMachine'>vm-1</obj>"
        "<propSet><name>name</name><val xsi:type='xsd:string'>web</val></propSet></objects>",
    )
)


@pytest.mark.parametrize(
    "answers", [(UNSEEN, HOLLOW, NAMED), (HOLLOW, HOLLOW, HOLLOW, NAMED)], ids=["as missing properties", "as nothing"]
)
async def test_no_session_and_no_error(server: SoapVCenter, client: VimClient, answers: tuple[Answer, ...]) -> None:
    """vCenter answers a question for properties without a session too, with nothing. It is asked again in a new one."""
    server.answer("RetrievePropertiesEx", *answers)
    [found] = await client.properties([VM], ["name"])
    assert found.values == {"name": "web"}
    assert len(server.only("Login")) == 2


async def test_more_than_comes_at_once(server: SoapVCenter, client: VimClient) -> None:
    """Where vCenter gives a part although all was asked for, the whole is read by a collector of its own."""
    named = "<objects><obj type='VirtualMachine'>vm-{}</obj></objects>"
    part, first = (response("RetrievePropertiesEx", f"<token>{token}</token>" + named.format(1)) for token in "ab")
    server.answer("RetrievePropertiesEx", soap(part), soap(first))
    server.answer("CancelRetrievePropertiesEx", soap(response("CancelRetrievePropertiesEx")))
    server.answer("CreatePropertyCollector", soap(response("CreatePropertyCollector", ' type="PropertyCollector">c')))
    rest = response("ContinueRetrievePropertiesEx", named.format(2))
    server.answer("ContinueRetrievePropertiesEx", soap(rest))
    server.answer("DestroyPropertyCollector", soap(response("DestroyPropertyCollector")))
    found = await client.properties([VM, Ref("VirtualMachine", "vm-2")], ["name"])
    assert [content.obj.value for content in found] == ["vm-1", "vm-2"]
    [continued] = server.only("ContinueRetrievePropertiesEx")
    assert b"<token>b</token>" in continued.body
    await eventually(lambda: server.only("DestroyPropertyCollector"), "the collector is destroyed")
    [cancelled] = server.only("CancelRetrievePropertiesEx")
    assert b"<token>a</token>" in cancelled.body


async def test_nothing_that_is_true(server: SoapVCenter, client: VimClient) -> None:
    """In a session that is alive, nothing means that there is nothing."""
    server.answer("RetrievePropertiesEx", HOLLOW, CURRENT)
    assert await client.properties([VM], ["name"]) == []
    assert len(server.only("Login")) == 1


async def test_an_inventory_without_a_session(server: SoapVCenter, client: VimClient) -> None:
    """An empty page is believed only when there is a session; else the caller learns that nobody knows."""
    server.answer("CreatePropertyCollector", soap(response("CreatePropertyCollector", ' type="PropertyCollector">c')))
    server.answer("DestroyPropertyCollector", soap(response("DestroyPropertyCollector")))
    server.answer("RetrievePropertiesEx", HOLLOW)
    filters = [in_view(Ref("ContainerView", "v"), "VirtualMachine", ["name"])]
    with pytest.raises(GatewayError) as caught:
        [page async for page in client.retrieve(filters)]
    assert caught.value.failure.code_name == "UNAVAILABLE"
    server.answer("RetrievePropertiesEx", HOLLOW, CURRENT)
    assert [page async for page in client.retrieve(filters)] == []


async def test_a_wrong_password(server: SoapVCenter, vcenter: VCenter, client: VimClient) -> None:
    """A password that one of the APIs refused is tried at neither, so that both together do not lock the account."""
    server.answer(
        "Login", soap(fault("InvalidLogin", "Cannot complete login due to an incorrect user name or password."))
    )
    found = await failed(read(client))
    assert (found.code_name, found.reason) == ("UNAUTHENTICATED", "CREDENTIALS_REJECTED")
    assert ALICE.password not in repr(found)
    assert await failed(read(client)) is not None
    with pytest.raises(GatewayError):
        await vcenter.sessions.get(ALICE)
    assert server.names() == ["Login"]


async def test_a_user_without_any_role(server: SoapVCenter, vcenter: VCenter) -> None:
    """A login that is refused for another reason than the password does not count against the account."""
    server.answer("Login", soap(fault("NoPermission")))
    for number in range(5):
        found = await failed(read(vcenter.vim.client(Basic("alice", f"password-{number}"))))
        assert found.code_name == "PERMISSION_DENIED"
    assert server.names() == ["Login"] * 5


async def test_many_wrong_passwords(server: SoapVCenter, vcenter: VCenter) -> None:
    """However many passwords of one user come, and through whichever API, vCenter sees fewer than lock the account."""
    server.answer("Login", soap(fault("InvalidLogin")))
    server.answer("POST /api/session", http("401 Unauthorized", b'{"error_type": "UNAUTHENTICATED", "messages": []}'))
    guesses = [Basic("Alice", f"guess-{number}") for number in range(10)]
    by_vim = [failed(read(vcenter.vim.client(guess))) for guess in guesses[:5]]
    by_rest = [failed(vcenter.sessions.get(guess)) for guess in guesses[5:]]
    found = await asyncio.gather(*by_vim, *by_rest)
    assert {failure.reason for failure in found} == {"CREDENTIALS_REJECTED"}
    assert len(server.said) <= 3


@pytest.mark.parametrize(
    "answer",
    [
        soap(response("Login", "<key>1</key>")),
        soap(response("Login", "<key>1</key>"), 'Set-Cookie: vmware_soap_session=""'),
        soap(response("Login", "<key>1</key>"), "Set-Cookie: other_vmware_soap_session=1"),
        http("200 OK", b"<html>Sign in</html>", "text/html"),
    ],
    ids=["no cookie", "an empty one", "another one", "a page"],
)
async def test_a_login_without_a_session(server: SoapVCenter, client: VimClient, answer: Answer) -> None:
    """A login that opens no session has failed, and is not tried again for a moment."""
    server.answer("Login", answer)
    for _ in range(2):
        found = await failed(read(client))
        assert found.reason == "VCENTER_RESPONSE_INVALID"
    assert server.names() == ["Login"]


async def test_several_cookies(server: SoapVCenter, client: VimClient) -> None:
    """A load balancer's cookie beside vCenter's does not hide it."""
    ours = 'Set-Cookie: vmware_soap_session="s-9"; Path=/; HttpOnly; Secure'
    server.answer("Login", soap(response("Login", "<key>1</key>"), ours, "Set-Cookie: BALANCER=a; path=/"))
    server.answer("FindByUuid", FOUND)
    assert await read(client) == VM
    assert b'Cookie: vmware_soap_session="s-9"\r\n' in server.said[-1].head


async def test_a_vcenter_that_tells_no_release() -> None:
    """Without the release nobody knows whose sessions are needed: the call fails, and says why."""
    async with soap_vcenter("nothing") as server, running_vcenter(server.url) as vcenter:
        found = await failed(read(vcenter.vim.client(ALICE)))
        assert (found.code_name, found.reason) == ("INTERNAL", "VCENTER_RESPONSE_INVALID")
        assert server.names() == []


async def test_a_vcenter_that_is_away() -> None:
    """What is wrong with the connection is said as for any other call."""
    async with running_vcenter("http://127.0.0.1:9") as vcenter:
        found = await failed(read(vcenter.vim.client(ALICE)))
        assert (found.code_name, found.reason) == ("UNAVAILABLE", "VCENTER_UNREACHABLE")


async def test_a_newer_vcenter() -> None:
    """With a vCenter that is newer than the gateway, the newest release is spoken that both know."""
    async with soap_vcenter("99.0.0.0") as server, running_vcenter(server.url) as vcenter:
        server.answer("FindByUuid", FOUND)
        await read(vcenter.vim.client(ALICE))
        assert b'SOAPAction: "urn:vim25/7.0.3.2"\r\n' in server.only("FindByUuid")[0].head


async def test_singletons_are_asked_for_once(server: SoapVCenter, client: VimClient) -> None:
    """Where vCenter's singletons are does not change while it speaks the same release."""
    content = "<rootFolder type='Folder'>group-d1</rootFolder><about><name>vCenter</name></about>"
    server.answer("RetrieveServiceContent", soap(response("RetrieveServiceContent", content)))
    first, second = await client.content(), await client.content()
    assert (
        first
        == second
        == Data("ServiceContent", rootFolder=Ref("Folder", "group-d1"), about=Data("AboutInfo", name="vCenter"))
    )
    assert len(server.only("RetrieveServiceContent")) == 1
