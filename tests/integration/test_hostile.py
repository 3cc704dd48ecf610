"""Hostile callers and a hostile vCenter: no other operation than the one that was asked for, no hang, no raw text."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import grpc
import grpc.aio
import pytest

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.simulator import SimulatorOptions
from gateway.simulator.libraries import TEMPLATES
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Failure,
    System,
    failure,
    running_gateway,
    running_system,
)
from tests.integration.raw_http2 import raw_call
from tests.integration.raw_vcenter import Answer, after, http, raw_vcenter, saying

SESSION = (("vmware-api-session-id", "of-the-caller"),)
CREDENTIALS = (("authorization", Basic(ADMINISTRATOR, PASSWORD).header),)
CANARY = b"canary"
LIMIT = 1024 * 1024
NOT_FOUND, INVALID = "NOT_FOUND", "INVALID_ARGUMENT"
CREATE_ITEM_ID = "com.vmware.content.library.item.create"
CREATE_ITEM, ITEM = "content.library.v1.ItemService/CreateItem", {"library_id": TEMPLATES, "name": "new"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param("", INVALID, id="empty"),
        pytest.param(".", INVALID, id="dot"),
        pytest.param("..", INVALID, id="dots"),
        pytest.param("../vm-1001", NOT_FOUND, id="dots-and-slash"),
        pytest.param("a/b", NOT_FOUND, id="slash"),
        pytest.param("/", NOT_FOUND, id="slash-alone"),
        pytest.param("vm-1001/power?action=stop&x=", NOT_FOUND, id="another-operation"),
        pytest.param("vm-1001%2Fpower", NOT_FOUND, id="encoded-slash"),
        pytest.param("%2e%2e", NOT_FOUND, id="encoded-dots"),
        pytest.param("?x=1", NOT_FOUND, id="query"),
        pytest.param("vm-1001#", NOT_FOUND, id="fragment"),
        pytest.param("vm-1001;x=1", NOT_FOUND, id="matrix-parameter"),
        pytest.param("a\\b", NOT_FOUND, id="backslash"),
        pytest.param("vm-1001\0", NOT_FOUND, id="nul"),
        pytest.param("vm-1001\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1", NOT_FOUND, id="header-injection"),
        pytest.param(" vm-1001 ", NOT_FOUND, id="spaces"),
        pytest.param("vm-1001\u202e\U0001f600é", NOT_FOUND, id="unicode"),
        pytest.param("x" * 10_000, NOT_FOUND, id="10-kB"),
        pytest.param("x" * 20_000, INVALID, id="20-kB"),
        pytest.param("\U0001f600" * 3_000, INVALID, id="36-kB-when-encoded"),
    ],
)
@pytest.mark.parametrize(("rpc", "operation"), [(READ, READ_ID), (START, START_ID)], ids=["read", "change"])
async def test_path_values(system: System, rpc: str, operation: str, value: str, code: str) -> None:
    """Whatever stands in an identifier, vCenter gets the operation that was asked for and exactly that value."""
    with pytest.raises(Failure) as caught:
        await system.client.call(rpc, {"vm": value}, timeout=10)
    assert caught.value.code == code
    calls = [call for call in system.simulator.record if not call.target.startswith("/api/session")]
    assert not any(call.executed for call in calls)
    if code == INVALID:
        assert calls == []
    else:
        assert [(call.operation, unquote(call.target.split("/")[4])) for call in calls] == [(operation, value)]
        assert "x-evil" not in calls[0].headers


@pytest.mark.parametrize("release", ["8.0.2", "9.1"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x\r\nX-Evil: 1", id="another-header"),
        pytest.param("x\r\n\r\nDELETE /api/vcenter/vm/vm-1002 HTTP/1.1\r\nHost: x", id="another-request"),
        pytest.param("x\nX-Evil: 1", id="line-feed"),
        pytest.param("x\rX-Evil: 1", id="carriage-return"),
        pytest.param("x\0", id="nul"),
        pytest.param("x\x7f", id="delete"),
        pytest.param("x\t", id="tabulator"),
        pytest.param(" x", id="space-before"),
        pytest.param("x ", id="space-after"),
        pytest.param("é", id="latin-1"),
        pytest.param("\u2603", id="unicode"),
    ],
)
async def test_values_of_headers(release: str, value: str) -> None:
    """What newer releases expect in a header is refused if it is more than the value of one; vCenter is not called."""
    async with running_system(SimulatorOptions(release=release)) as system:
        with pytest.raises(Failure) as caught:
            await system.client.call(CREATE_ITEM, {"spec": ITEM, "client_token": value}, timeout=10)
        assert caught.value.code == INVALID
        [violation] = caught.value.details["google.rpc.BadRequest"]["field_violations"]
        assert (violation["field"], "printable ASCII" in violation["description"]) == ("client_token", True)
        assert system.simulator.record.of(CREATE_ITEM_ID) == []


@pytest.mark.parametrize("value", ["~", "!", "a b", "x" * 10_000, ""])
async def test_headers_that_are_passed_on(system: System, value: str) -> None:
    """What can be the value of a header reaches vCenter as it is."""
    with pytest.raises(Failure) as caught:
        await system.client.call(CREATE_ITEM, {"spec": ITEM, "client_token": value}, timeout=10)
    assert caught.value.reason == "INVALID_ARGUMENT"
    [call] = system.simulator.record.of(CREATE_ITEM_ID)
    assert call.headers["client-token"] == value


def requests() -> Iterator[tuple[str, bytes]]:
    """Two hundred requests: bytes at random, and such as have the form of a message with fields at random."""
    chance = random.Random(20260115)  # noqa: S311 - the same in each run
    rpcs = sorted(load_contract().methods)
    for number in range(200):
        if number % 2:
            data = chance.randbytes(chance.randrange(200))
        else:
            data = b"\x0a\x07vm-1001"
            for _ in range(chance.randrange(1, 5)):
                inner = bytes([chance.randrange(1, 12) << 3, chance.randrange(5)]) * chance.randrange(4)
                data += bytes([chance.randrange(2, 6) << 3 | 2, len(inner)]) + inner
        yield chance.choice(rpcs), data


async def test_requests_at_random(system: System) -> None:
    """No bytes that a caller can send make the gateway fail."""
    ends = set()
    for rpc, data in requests():
        call = system.client.channel.unary_unary(f"/{rpc}", request_serializer=None, response_deserializer=None)
        try:
            await call(data, metadata=CREDENTIALS, timeout=10)
            ends.add("OK")
        except grpc.aio.AioRpcError as error:
            found = failure(error, system.gateway.contract)
            assert found.code not in ("INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED"), (rpc, data, found)
            ends.add(found.reason)
    assert {"OK", "REQUEST_INVALID"} < ends, "the requests were all of one kind"


@pytest.mark.parametrize(
    ("path", "metadata", "ends"),
    [
        pytest.param(b"/" + READ.encode(), ("authorization", CREDENTIALS[0][1].encode()), ["OK"], id="good"),
        pytest.param(b"/\xff\xfe/Get", ("authorization", CREDENTIALS[0][1].encode()), [], id="path"),
        pytest.param(b"", ("authorization", CREDENTIALS[0][1].encode()), [], id="no-path"),
        pytest.param(
            b"/" + READ.encode(), ("authorization", b"Basic \xff\xfe"), ["CREDENTIALS_MALFORMED"], id="authorization"
        ),
        pytest.param(
            b"/" + READ.encode(), ("vmware-api-session-id", b"\xc3\xa9"), ["CREDENTIALS_MALFORMED"], id="session-id"
        ),
    ],
)
async def test_headers_beyond_ascii(system: System, path: bytes, metadata: tuple[str, bytes], ends: list[str]) -> None:
    """Whatever bytes stand in the headers of a call, it is answered, and the gateway goes on serving: no gRPC library
    sends such calls, but anybody can."""
    field = (metadata[0].encode(), metadata[1])
    assert await raw_call(system.address, path, [field], b"\x0a\x07vm-1001")
    assert [call.reason or call.code for call in system.calls] == ends
    async with grpc.aio.insecure_channel(system.address) as channel:
        assert await system.client.on(channel).call(READ, READ_REQUEST)


def ok(head: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head + b"\r\n" + body


LOST = ("UNAVAILABLE", "VCENTER_CONNECTION_LOST")
UNREADABLE = ("INTERNAL", "VCENTER_RESPONSE_INVALID")
TOO_LARGE = ("RESOURCE_EXHAUSTED", "VCENTER_RESPONSE_TOO_LARGE")
LATE = ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BOMB = gzip.compress(b" " * (64 * LIMIT))

ANSWERS = [
    pytest.param(saying(b""), LOST, id="nothing"),
    pytest.param(saying(b"220 mail.example.com ESMTP canary\r\n"), LOST, id="no-http"),
    pytest.param(saying(bytes(range(256)) * 64), LOST, id="binary"),
    pytest.param(saying(b"HTTP/1.1 canary\r\n\r\n"), LOST, id="no-status"),
    pytest.param(saying(ok(b"Content-Length: 100\r\n", b'{"state":')), LOST, id="cut-body"),
    pytest.param(saying(ok(b"Content-Length: -1\r\n", b"{}")), LOST, id="negative-length"),
    pytest.param(saying(ok(CHUNKED, b"canary\r\n{}\r\n0\r\n\r\n")), LOST, id="chunk-without-size"),
    pytest.param(saying(ok(b"Content-Encoding: gzip\r\nContent-Length: 6\r\n", CANARY)), UNREADABLE, id="no-gzip"),
    pytest.param(after(b"HTTP/1.1 200 OK\r\n", b"X-Canary: canary\r\n" * 1000, 0), LOST, id="endless-headers"),
    pytest.param(after(b"HTTP/1.1 200 OK\r\nX-Canary: ", CANARY * 10_000, 0), LOST, id="endless-header"),
    pytest.param(after(b"HTTP/1.1 ", b"2" * 10_000, 0), LOST, id="endless-status"),
    pytest.param(after(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), LATE, id="endless-continue"),
    pytest.param(after(ok(CHUNKED), b"1\r\n \r\n", 0.01), LATE, id="dripping-body"),
    pytest.param(after(ok(CHUNKED), b"10000\r\n" + b" " * 0x10000 + b"\r\n", 0), TOO_LARGE, id="endless-body"),
    pytest.param(after(ok(b"Content-Length: 99999999999\r\n"), b" " * 0x10000, 0), TOO_LARGE, id="huge-body"),
    pytest.param(
        saying(ok(b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(BOMB), BOMB)), UNREADABLE, id="gzip-bomb"
    ),
    pytest.param(http("200 OK", b'{"state": "\xff\xfecanary}'), UNREADABLE, id="not-utf-8-and-cut"),
    pytest.param(http("200 OK", b'{"state": "canary'), UNREADABLE, id="cut-json"),
    pytest.param(http("200 OK", b'{"state": NaN, "canary": 1e999}'), UNREADABLE, id="not-a-number"),
    pytest.param(http("200 OK", b"[" * 100_000 + b"]" * 100_000), UNREADABLE, id="deep-lists"),
    pytest.param(http("200 OK", b"{}," * 300_000), TOO_LARGE, id="too-many-values"),
    pytest.param(http("200 OK", b'{"state":' * 100_000 + b"1" + b"}" * 100_000), UNREADABLE, id="deep-objects"),
    pytest.param(http("200 OK", b'["canary"]'), UNREADABLE, id="another-type"),
    pytest.param(http("200 OK", b"<html>canary</html>", "text/html"), UNREADABLE, id="html"),
    pytest.param(http("200 OK", b"", "canary/\xff"), UNREADABLE, id="empty"),
    pytest.param(http("500 canary", b"<b>canary</b>", "text/html"), ("INTERNAL", "HTTP_500"), id="html-error"),
    pytest.param(http("500 E", b"[" * 100_000), ("INTERNAL", "HTTP_500"), id="deep-error"),
    pytest.param(http("400 E", b'{"messages": 1, "error_type": []}'), (INVALID, "HTTP_400"), id="wrong-error"),
    pytest.param(http("302 Found\r\nLocation: http://canary/", b""), ("UNKNOWN", "HTTP_302"), id="redirect"),
    pytest.param(http("777 canary", b"canary"), ("UNKNOWN", "HTTP_777"), id="unknown-status"),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
async def test_answers_to_a_read(answer: Answer, expected: tuple[str, str]) -> None:
    """Whatever answers in vCenter's place, the call ends in a clear status with nothing of the answer in it, and the
    gateway goes on."""
    found = await ending(READ, READ_REQUEST, answer, expected)
    assert not found.may_have_executed


# The operation that stands for all that change something has no result that could not be read.
@pytest.mark.parametrize(("answer", "expected"), [case for case in ANSWERS if case.values[1] != UNREADABLE])
async def test_answers_to_a_change(answer: Answer, expected: tuple[str, str]) -> None:
    """Likewise, and where the answer does not tell whether the operation ran, the status says so."""
    found = await ending(START, START_REQUEST, answer, expected)
    broke_down = expected[1] in ("HTTP_500", "HTTP_777")
    assert found.may_have_executed is (broke_down or expected in (LOST, TOO_LARGE, LATE))


async def ending(rpc: str, request: Mapping[str, str], answer: Answer, expected: tuple[str, str]) -> Failure:
    """What a call ends in that is answered like that, after what every such call has to keep to was checked."""
    async with (
        raw_vcenter(answer) as vcenter,
        running_gateway(VCenterOptions(vcenter.url, max_response_bytes=LIMIT)) as client,
    ):
        with pytest.raises(Failure) as caught:
            await client.call(rpc, request, user=None, metadata=SESSION, timeout=2 if expected == LATE else 20)
        assert (caught.value.code, caught.value.reason) == expected
        assert "canary" not in repr((caught.value, caught.value.trailing)).lower()
        assert rpc == READ or len(vcenter.heads) == 1

        vcenter.answer = http("200 OK", b'{"state": "POWERED_ON"}')
        assert await client.call(READ, READ_REQUEST, user=None, metadata=SESSION)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"value": "canary"}', id="an-object"),
        pytest.param(b'""', id="empty-id"),
        pytest.param(b'"canary\\r\\nX-Evil: 1"', id="header-injection"),
        pytest.param(b'"canary\\u0000"', id="nul"),
        pytest.param('"canary-é"'.encode(), id="beyond-ascii"),
        pytest.param(b'"' + CANARY * 10_000 + b'"', id="too-long"),
    ],
)
async def test_answers_to_the_login(body: bytes) -> None:
    """A login that is answered with no usable session id ends the call, which is not sent."""
    async with (
        raw_vcenter(http("201 Created", body)) as vcenter,
        running_gateway(VCenterOptions(vcenter.url)) as client,
    ):
        with pytest.raises(Failure) as caught:
            await client.call(START, START_REQUEST)
        assert (caught.value.code, caught.value.reason) == UNREADABLE
        assert "canary" not in repr((caught.value, caught.value.trailing))
        assert not caught.value.may_have_executed
        assert [head.split(b" HTTP")[0] for head in vcenter.heads] == [b"POST /api/session"]


async def test_many_lost_connections_at_once() -> None:
    """A vCenter that drops every connection leaves no call without an answer: each was sent once and may have run, or
    was not sent at all."""
    async with raw_vcenter(saying(b"")) as vcenter, running_gateway(VCenterOptions(vcenter.url)) as client:
        calls = (client.call(START, START_REQUEST, user=None, metadata=SESSION) for _ in range(300))
        results = await asyncio.gather(*calls, return_exceptions=True)
        failures = [result for result in results if isinstance(result, Failure)]
        assert [found.code for found in failures] == ["UNAVAILABLE"] * 300
        assert {found.reason for found in failures if not found.may_have_executed} <= {"VCENTER_CIRCUIT_OPEN"}
        # What else vCenter gets is the breaker's own question.
        sent = [head for head in vcenter.heads if head.startswith(b"POST")]
        assert len([found for found in failures if found.may_have_executed]) == len(sent) > 0
