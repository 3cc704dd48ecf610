"""Streams of requests: one by one, with credentials, until one side ends them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Protocol

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from vcenter.gateway.v1.guest_service_pb2 import (
    RunProgramRequest,
    RunProgramResponse,
    UploadFileRequest,
    UploadFileResponse,
)
from vcenter.gateway.v1.guest_service_pb2_grpc import GuestServiceStub

from vcenter_gateway_client import Credentials, Reason, VCenterError, aio, connect

from .conftest import FakeGateway

SECONDS = 30
STOPPING = ErrorInfo(reason="GATEWAY_STOPPING", domain="vcenter-gateway")


class Send(Protocol):
    """Makes a call with a stream of requests, and returns the messages that answer it."""

    def __call__(
        self,
        target: str,
        requests: Iterable[Any],
        on_message: Callable[[], None] = lambda: None,
        timeout: float | None = None,
        **options: Any,
    ) -> list[Any]:
        """The options are those of `connect`."""


async def asynchronous(requests: Iterable[Any]) -> AsyncIterator[Any]:
    """The same requests, which may take their time."""
    iterator = iter(requests)
    while (request := await asyncio.to_thread(next, iterator, None)) is not None:
        yield request


def upload_blocking(
    target: str,
    requests: Iterable[Any],
    on_message: Callable[[], None] = lambda: None,
    timeout: float | None = None,
    **options: Any,
) -> list[Any]:
    """`UploadFile` with `connect`."""
    with connect(target, **options) as channel:
        stub: Any = GuestServiceStub(channel)
        return [stub.UploadFile(iter(requests), timeout=timeout)]


def upload_aio(
    target: str,
    requests: Iterable[Any],
    on_message: Callable[[], None] = lambda: None,
    timeout: float | None = None,
    **options: Any,
) -> list[Any]:
    """`UploadFile` with `aio.connect`."""

    async def run() -> list[Any]:
        async with aio.connect(target, **options) as channel:
            stub: Any = GuestServiceStub(channel)
            return [await stub.UploadFile(asynchronous(requests), timeout=timeout)]

    return asyncio.run(run())


def dialog_blocking(
    target: str,
    requests: Iterable[Any],
    on_message: Callable[[], None] = lambda: None,
    timeout: float | None = None,
    **options: Any,
) -> list[Any]:
    """`RunProgram` with `connect`."""
    messages = []
    with connect(target, **options) as channel:
        stub: Any = GuestServiceStub(channel)
        for message in stub.RunProgram(iter(requests), timeout=timeout):
            messages.append(message)
            on_message()
    return messages


def dialog_aio(
    target: str,
    requests: Iterable[Any],
    on_message: Callable[[], None] = lambda: None,
    timeout: float | None = None,
    **options: Any,
) -> list[Any]:
    """`RunProgram` with `aio.connect`."""

    async def run() -> list[Any]:
        messages = []
        async with aio.connect(target, **options) as channel:
            stub: Any = GuestServiceStub(channel)
            async for message in stub.RunProgram(asynchronous(requests), timeout=timeout):
                messages.append(message)
                on_message()
        return messages

    return asyncio.run(run())


@pytest.fixture(
    params=[
        (upload_blocking, UploadFileRequest),
        (upload_aio, UploadFileRequest),
        (dialog_blocking, RunProgramRequest),
        (dialog_aio, RunProgramRequest),
    ],
    ids=["upload blocking", "upload aio", "dialog blocking", "dialog aio"],
)
def way(request: pytest.FixtureRequest) -> tuple[Send, Any]:
    """All ways of sending a stream, and a request for each."""
    send, request_class = request.param
    return send, request_class()


@pytest.mark.parametrize("upload", [upload_blocking, upload_aio], ids=["blocking", "aio"])
def test_requests_arrive_one_by_one_and_are_answered_once(gateway: FakeGateway, upload: Send) -> None:
    """The client makes the second only when the gateway has the first."""
    arrived = threading.Semaphore(0)
    received = []

    def script(requests: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
        for request in requests:
            received.append(UploadFileRequest.FromString(request).chunk)
            arrived.release()
        return UploadFileResponse(size=11).SerializeToString()

    def requests() -> Iterator[UploadFileRequest]:
        for chunk in (b"first", b"second"):
            yield UploadFileRequest(chunk=chunk)
            assert arrived.acquire(timeout=SECONDS)

    gateway.upload = script
    assert upload(gateway.target, requests()) == [UploadFileResponse(size=11)]
    assert received == [b"first", b"second"]


@pytest.mark.parametrize("dialog", [dialog_blocking, dialog_aio], ids=["blocking", "aio"])
def test_requests_and_messages_alternate(gateway: FakeGateway, dialog: Send) -> None:
    """The client makes the second request only when it has the answer to the first."""
    answered = threading.Semaphore(0)

    def script(requests: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        for request in requests:
            yield RunProgramResponse(output=RunProgramRequest.FromString(request).input).SerializeToString()

    def requests() -> Iterator[RunProgramRequest]:
        for text in (b"first", b"second"):
            yield RunProgramRequest(input=text)
            assert answered.acquire(timeout=SECONDS)

    gateway.dialog = script
    messages = dialog(gateway.target, requests(), answered.release)
    assert [message.output for message in messages] == [b"first", b"second"]


def test_a_stream_of_requests_carries_the_identity_and_has_no_deadline(
    gateway: FakeGateway, way: tuple[Send, Any]
) -> None:
    """Neither the usual one nor the one that was given for calls."""
    send, request = way
    send(gateway.target, [request], credentials=Credentials.session("own"), default_timeout=20)
    received = gateway.received[0]
    assert received.identity == [("vmware-api-session-id", "own")]
    assert received.seconds_left is None or received.seconds_left > 1e6


def test_a_deadline_of_its_own_ends_it(gateway: FakeGateway, way: tuple[Send, Any]) -> None:
    """And leaves open what became of it, since it changes something."""
    send, request = way

    def requests() -> Iterator[Any]:
        yield request
        gateway.cancelled.wait(SECONDS)

    with pytest.raises(VCenterError) as caught:
        send(gateway.target, requests(), timeout=0.2)
    assert (caught.value.code, caught.value.may_have_executed) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)


def test_an_error_ends_it_while_requests_go_on(gateway: FakeGateway, way: tuple[Send, Any]) -> None:
    """It is the typed error, and nothing is sent again."""
    send, request = way
    gateway.fail(grpc.StatusCode.UNAVAILABLE, "this replica stops", [STOPPING])

    def requests() -> Iterator[Any]:
        yield request
        gateway.cancelled.wait(SECONDS)

    with pytest.raises(VCenterError, match="this replica stops") as caught:
        send(gateway.target, requests())
    assert (caught.value.code, caught.value.may_have_executed) == (grpc.StatusCode.UNAVAILABLE, False)
    assert caught.value.gateway_reason is Reason.GATEWAY_STOPPING
    assert len(gateway.received) == 1


@pytest.mark.parametrize(
    ("send", "request_class"),
    [(upload_aio, UploadFileRequest), (dialog_aio, RunProgramRequest)],
    ids=["upload aio", "dialog aio"],
)
def test_requests_that_fail_end_the_call_with_their_exception(
    gateway: FakeGateway, send: Send, request_class: type[Any]
) -> None:
    """And tell the gateway that nobody waits any longer."""

    def requests() -> Iterator[Any]:
        yield request_class()
        while not gateway.received:
            time.sleep(0.01)
        raise ValueError("the file is gone")

    with pytest.raises(ValueError, match="the file is gone"):
        send(gateway.target, requests())
    assert gateway.cancelled.wait(SECONDS)


def test_without_a_token_nothing_is_sent(gateway: FakeGateway, way: tuple[Send, Any]) -> None:
    """It fails like one that was refused."""
    send, request = way

    def token() -> str:
        raise OSError

    with pytest.raises(VCenterError) as caught:
        send(gateway.target, [request], credentials=Credentials.bearer(token))
    assert (caught.value.code, caught.value.may_have_executed) == (grpc.StatusCode.UNAUTHENTICATED, False)
    assert gateway.received == []


def test_a_client_that_cancels_tells_the_gateway(gateway: FakeGateway) -> None:
    """Although it has more to say."""
    with connect(gateway.target) as channel:

        def requests() -> Iterator[RunProgramRequest]:
            yield RunProgramRequest()
            gateway.cancelled.wait(SECONDS)

        stream: Any = GuestServiceStub(channel).RunProgram(requests())
        next(stream)
        stream.cancel()
        with pytest.raises(VCenterError) as caught:
            next(stream)
        assert (caught.value.code, caught.value.may_have_executed) == (grpc.StatusCode.CANCELLED, True)
        assert gateway.cancelled.wait(SECONDS)


def test_requests_can_be_written_with_asyncio(gateway: FakeGateway) -> None:
    """In place of an iterator; what ends the call is the typed error there as well."""

    async def run() -> None:
        async with aio.connect(gateway.target) as channel:
            stub: Any = GuestServiceStub(channel)
            upload = stub.UploadFile()
            await upload.write(UploadFileRequest())
            await upload.done_writing()
            assert await upload == UploadFileResponse()

            dialog = stub.RunProgram()
            await dialog.write(RunProgramRequest())
            assert await dialog.read() == RunProgramResponse()
            dialog.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialog.read()
        assert await asyncio.to_thread(gateway.cancelled.wait, SECONDS)

    asyncio.run(run())
