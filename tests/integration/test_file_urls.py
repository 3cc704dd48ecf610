"""The URLs that vCenter gives for files: what is sent to them, whom is trusted, and what becomes of bad ways."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.contract import load_contract
from gateway.events import Events
from gateway.live.guest import Guest, GuestTools
from gateway.transcoding import compile_bindings
from gateway.vcenter import VCenterOptions
from gateway.vcenter.failures import (
    AnswerTimeoutError,
    CertificateError,
    ConnectionLostError,
    NotSentError,
    TransportError,
)
from gateway.vcenter.transfers import Answered, FileTransport
from tests.calls import ALICE, call_of
from tests.integration.certificates import Authority, Pair
from tests.integration.harness import eventually
from tests.integration.soap_vcenter import NOT_AUTHENTICATED, soap, soap_vcenter
from tests.integration.vim_servers import running_vcenter
from tests.soap import response

Serve = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATH = "/guestFile?id=1&token=s3cret"
CONTENT = bytes(range(256)) * 4096


@dataclass
class Host:
    """What has the file."""

    url: str
    heads: list[bytes] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    sent: int = 0


@asynccontextmanager
async def host(serve: Serve, pair: Pair | None = None, folder: Path | None = None) -> AsyncIterator[Host]:
    """Serves one request a connection, with TLS where it has a certificate."""
    tls = None
    if pair is not None and folder is not None:
        (folder / "host.pem").write_bytes(pair.certificate + pair.key)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "host.pem")

    serving: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            running.heads.append(head)
            await serve(head, reader, writer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=65536)
    port = server.sockets[0].getsockname()[1]
    running = Host(f"{'https' if tls else 'http'}://127.0.0.1:{port}{PATH}")
    async with server:
        yield running
        if serving:
            await asyncio.wait(serving, timeout=10)


def answers(data: bytes) -> Serve:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return serve


def ok(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def no_certificate() -> bytes | None:
    """vCenter tells none."""
    return None


def plain() -> FileTransport:
    return FileTransport(VCenterOptions("http://127.0.0.1:1"))


async def downloaded(files: FileTransport, url: str, offset: int = 0) -> tuple[Answered, bytes]:
    async with files.download(url, offset, no_certificate) as download:
        return download.answered, b"".join([piece async for piece in download.chunks])


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


# Down


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(CONTENT), id="length"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT, id="until-the-end"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n"
            + CONTENT[:0x80000]
            + b"\r\n80000\r\n"
            + CONTENT[0x80000:]
            + b"\r\n0\r\n\r\n",
            id="chunked",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(CONTENT), id="interim"),
    ],
)
async def test_a_file_in_any_form(answer: bytes) -> None:
    """A file is read whole, however its end is told; nothing but the URL is sent for it."""
    async with host(answers(answer)) as server:
        answered, content = await downloaded(plain(), server.url)
    assert (answered.status, content) == (200, CONTENT)
    [head] = server.heads
    assert head.startswith(f"GET {PATH} HTTP/1.1\r\n".encode())
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert names == {b"host", b"user-agent", b"connection", b"accept-encoding"}


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("offset", [1, 70_000, len(CONTENT) - 1])
async def test_the_rest_of_a_file(knows_ranges: bool, offset: int) -> None:
    """The rest is asked for, and cut off the whole where a server does not know ranges."""
    answer = ok(CONTENT[offset:], "206 Partial Content") if knows_ranges else ok(CONTENT)
    async with host(answers(answer)) as server:
        _, content = await downloaded(plain(), server.url, offset)
    assert content == CONTENT[offset:]
    assert f"Range: bytes={offset}-".encode() in server.heads[0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(CONTENT)[:-1], id="cut"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="cut-head"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"220 smtp ready\r\n", id="no-http"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n", id="large-head"),
    ],
)
async def test_a_way_that_breaks(answer: bytes) -> None:
    """A file that does not come whole is an error, and never taken for a shorter one."""
    async with host(answers(answer)) as server:
        with pytest.raises(ConnectionLostError) as caught:
            await downloaded(plain(), server.url)
    assert "s3cret" not in str(caught.value)


async def test_an_error_instead_of_a_file() -> None:
    """An error comes with what it says."""
    async with (
        host(answers(ok(b"gone", "404 Not Found"))) as server,
        plain().download(server.url, 0, no_certificate) as download,
    ):
        assert (download.answered.status, download.answered.body) == (404, b"gone")
        assert [piece async for piece in download.chunks] == []


async def test_a_slow_reader_slows_the_sender() -> None:
    """What is not taken is not read: a file of any size takes the same memory."""
    size = 64 * 1024**2

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 65536):
            writer.write(bytes(65536))
            await writer.drain()
            server.sent += 65536

    async with host(serve) as server, plain().download(server.url, 0, no_certificate) as download:
        chunks = aiter(download.chunks)
        first = await anext(chunks)
        before = -1
        while server.sent != before:  # Until the sender stands still.
            before = server.sent
            await asyncio.sleep(0.2)
        assert server.sent < size // 4, "the kernel's buffers are full, and no more"
        total = len(first) + sum([len(piece) async for piece in chunks])
    assert total == size


@pytest.mark.parametrize("sent", [0, 10, 1000], ids=["nothing", "half-a-head", "half-a-file"])
async def test_a_sender_that_does_nothing(sent: int) -> None:
    """A transfer in which nothing moves ends."""

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(CONTENT)[:sent])
        await reader.read()

    async with host(serve) as server:
        files = FileTransport(VCenterOptions("http://127.0.0.1:1"), idle_seconds=0.05)
        with pytest.raises(AnswerTimeoutError):
            await downloaded(files, server.url)


# Up


async def takes(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a file of the size that is announced."""
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(size)
    writer.write(ok(b""))


async def test_a_file_goes_up() -> None:
    """A file is sent as it is, with its size, and nothing else that is said."""

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.received += await reader.readexactly(len(CONTENT))
        writer.write(ok(b""))

    async with host(serve) as server:
        content = pieces(CONTENT[:1000], CONTENT[1000:])
        answered = await plain().upload(server.url, len(CONTENT), content, no_certificate)
    assert (answered.status, bytes(server.received)) == (200, CONTENT)
    names = {line.partition(b":")[0].lower() for line in server.heads[0].split(b"\r\n")[1:] if line}
    assert names == {b"host", b"user-agent", b"connection", b"accept-encoding", b"content-type", b"content-length"}


async def test_an_early_refusal() -> None:
    """A server that refuses a file need not get all of it."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(65536)
            await asyncio.sleep(0)

    async with host(answers(ok(b"full", "507 Insufficient Storage"))) as server:
        answered = await plain().upload(server.url, 2**40, endless(), no_certificate)
    assert (answered.status, answered.body) == (507, b"full")
    assert taken < 10_000


async def test_content_that_fails() -> None:
    """What goes wrong with the content is said, and the server never takes a part for the whole."""
    seen: list[bytes] = []

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    async def broken() -> AsyncIterator[bytes]:
        yield b"part"
        raise ValueError("broken")

    async with host(serve) as server:
        with pytest.raises(ValueError, match="broken"):
            await plain().upload(server.url, 1000, broken(), no_certificate)
        await eventually(lambda: seen, "the connection is closed")
    assert seen == [b"part"]


async def test_a_slow_server_slows_the_caller() -> None:
    """Content is asked for as fast as it is taken."""
    asked = 0
    going_on = asyncio.Event()

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await going_on.wait()
        await takes(head, reader, writer)

    async def content() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(1024):
            asked += 1
            yield bytes(65536)

    async with host(serve) as server:
        sending = asyncio.ensure_future(plain().upload(server.url, 1024 * 65536, content(), no_certificate))
        before = -1
        while asked != before:
            before = asked
            await asyncio.sleep(0.2)
        assert asked < 256
        going_on.set()
        assert (await sending).status == 200


# Whom to trust


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("host", names=["127.0.0.1"])


def der(pair: Pair) -> bytes:
    return x509.load_pem_x509_certificate(pair.certificate).public_bytes(Encoding.DER)


def telling(certificate: bytes | None) -> Callable[[], Awaitable[bytes | None]]:
    async def tell() -> bytes | None:
        return certificate

    return tell


async def fetch(options: VCenterOptions, url: str, certificate: bytes | None = None) -> int:
    """Raises TransportError."""
    async with FileTransport(options).download(url, 0, telling(certificate)) as download:
        return download.answered.status


async def test_a_host_of_the_same_authority(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    """A host whose certificate is of an authority that is trusted for vCenter is trusted too."""
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    async with host(answers(ok(b"x")), pair, tmp_path) as server:
        options = VCenterOptions("https://vcenter.example.com", ca_file=str(tmp_path / "ca.pem"))
        assert await fetch(options, server.url) == 200


@pytest.mark.parametrize("thumbprint", [None, "0" * 64], ids=["authorities", "thumbprint"])
async def test_a_host_that_vcenter_knows(tmp_path: Path, pair: Pair, thumbprint: str | None) -> None:
    """A host of an unknown authority is trusted by the certificate that vCenter has told, and by no other."""
    options = VCenterOptions("https://vcenter.example.com", thumbprint=thumbprint)
    other = der(Authority().issue("host", names=["127.0.0.1"]))
    async with host(answers(ok(b"x")), pair, tmp_path) as server:
        assert await fetch(options, server.url, der(pair)) == 200
        for certificate in (other, None):
            with pytest.raises(CertificateError):
                await fetch(options, server.url, certificate)
    assert len(server.heads) == 1, "nothing is sent to a host that is not trusted"


@pytest.mark.parametrize("is_right", [True, False])
async def test_vcenter_itself(tmp_path: Path, pair: Pair, is_right: bool) -> None:
    """Where the URL leads to vCenter, its thumbprint counts, whatever it tells of itself."""
    async with host(answers(ok(b"x")), pair, tmp_path) as server:
        thumbprint = hashlib.sha256(der(pair)).hexdigest() if is_right else "0" * 64
        options = VCenterOptions(server.url.removesuffix(PATH), thumbprint=thumbprint)
        if is_right:
            assert await fetch(options, server.url) == 200
        else:
            with pytest.raises(CertificateError):
                await fetch(options, server.url, der(pair))


async def test_no_step_down() -> None:
    """With a vCenter of TLS, a URL without is refused."""
    async with host(answers(ok(b"x"))) as server:
        with pytest.raises(NotSentError):
            await fetch(VCenterOptions("https://vcenter.example.com"), server.url)
    assert server.heads == []


async def test_a_host_that_is_left_open() -> None:
    """An asterisk stands for vCenter, as it is reached."""
    async with host(answers(ok(b"x"))) as server:
        options = VCenterOptions(server.url.removesuffix(PATH))
        port = server.url.removesuffix(PATH).rpartition(":")[2]
        assert await fetch(options, f"http://*:{port}{PATH}") == 200
        assert await fetch(options, f"http://*{PATH}") == 200


async def test_nobody_listens() -> None:
    """A host that cannot be reached is named, and the URL's secret is not."""
    with pytest.raises(TransportError) as caught:
        await fetch(VCenterOptions("http://127.0.0.1:1"), f"http://127.0.0.1:1{PATH}")
    assert "127.0.0.1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_the_certificate_of_a_host(pair: Pair) -> None:
    """vCenter is asked for the certificate of the host that runs the machine; what it does not tell is not trusted."""
    numbers = "".join(f"<byte>{number - 256 if number > 127 else number}</byte>" for number in pair.certificate)
    told = (
        "<objects><obj type='VirtualMachine'>vm-1</obj><propSet><name>runtime.host</name>"
        "<val xsi:type='ManagedObjectReference' type='HostSystem'>host-1</val></propSet></objects>",
        "<objects><obj type='HostSystem'>host-1</obj><propSet><name>config.certificate</name>"
        f"<val xsi:type='ArrayOfByte'>{numbers}</val></propSet></objects>",
    )
    async with soap_vcenter() as vcenter, running_vcenter(vcenter.url) as client:
        calls: Any = None  # Nothing of the REST API is asked.
        tools = GuestTools(calls, lambda call: client.vim.client(ALICE), client, Events())
        binding = compile_bindings(load_contract())["vcenter.gateway.v1.GuestService/DownloadFile"]
        guest = Guest(tools, call_of(binding), "vm-1", None)
        vcenter.answer("RetrievePropertiesEx", *(soap(response("RetrievePropertiesEx", each)) for each in told))
        assert await guest.host_certificate() == der(pair)
        vcenter.answer("RetrievePropertiesEx", NOT_AUTHENTICATED)
        assert await guest.host_certificate() is None
