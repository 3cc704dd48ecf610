"""Copies files to and from the URLs that vCenter returns, chunk by chunk.

The URL may point to the ESXi host that runs the machine instead of to vCenter. It is a secret itself, so nothing else
is sent with it: no session and no password. Memory does not depend on the size of a file: a chunk is read after the
last one has been consumed, so that a slow reader slows down the sender, and vice versa.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

import httptools

from gateway import USER_AGENT
from gateway.address import join_address
from gateway.outliving import outlived
from gateway.vcenter.connection import MAX_HEAD_BYTES
from gateway.vcenter.failures import (
    AnswerTimeoutError,
    CertificateError,
    ConnectionLostError,
    ConnectTimeoutError,
    NotSentError,
    certificate_text,
    os_text,
    thumbprint_text,
)
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.transport import trust_of

__all__ = ["Answered", "Download", "FileTransport", "HostCertificate"]

_BUFFER = 256 * 1024
"""Bytes that are read at a time. The same number may have arrived in addition."""
_IDLE_SECONDS = 60.0
_MAX_ERROR_BYTES = 64 * 1024

HostCertificate = Callable[[], Awaitable[bytes | None]]
"""Returns the certificate that vCenter reports for the machine's host, in DER form; None if it reports none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """The response to a transfer: its status, its headers, and the beginning of its body if it is an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Download:
    """A file being downloaded."""

    answered: Answered
    chunks: AsyncIterator[bytes]
    """The content after `offset`, in chunks of any size. Raises a TransportError."""


class FileTransport:
    """Opens a connection for each transfer. The other side may be idle for at most `idle_seconds`. Belongs to one event
    loop."""

    def __init__(self, options: VCenterOptions, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._options = options
        self._idle = idle_seconds
        self._vcenter = _authority(options.url)
        self._trusts: dict[bool, Callable[[], ssl.SSLContext | None]] = {}

    @contextlib.asynccontextmanager
    async def download(self, url: str, offset: int, certificate: HostCertificate) -> AsyncIterator[Download]:
        """Reads a file from its byte `offset` on. Raises a TransportError."""
        url = self._with_host(url)
        # A server without range support sends the whole file; the unwanted part is discarded.
        fields = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._opened(url, certificate) as (reader, writer):
            writer.write(_head("GET", url, fields))
            await _in_time(writer.drain(), self._idle)
            answer = _Answer(reader, self._idle)
            answered = await answer.head()
            if answered.is_success:
                skipped = offset if answered.status != 206 else 0
                yield Download(answered, _without(answer.body(), skipped))
            else:
                yield Download(await answer.error(answered), _nothing())

    async def upload(self, url: str, size: int, chunks: AsyncIterator[bytes], certificate: HostCertificate) -> Answered:
        """Writes a file of exactly `size` bytes. Raises a TransportError, and exceptions of `chunks`: the file is then
        incomplete."""
        url = self._with_host(url)
        async with self._opened(url, certificate) as (reader, writer):
            fields = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            writer.write(_head("PUT", url, fields))
            answer = _Answer(reader, self._idle)
            # It may arrive early, for example if there is no space.
            answering = asyncio.ensure_future(answer.head(while_sending=True))
            try:
                with contextlib.suppress(ConnectionError):
                    async for chunk in chunks:
                        if answering.done():
                            break
                        writer.write(chunk)
                        await _in_time(writer.drain(), self._idle)
                answered = await _in_time(outlived(answering), self._idle)
            finally:
                answering.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await answering
            return answered if answered.is_success else await answer.error(answered)

    @contextlib.asynccontextmanager
    async def _opened(
        self, url: str, certificate: HostCertificate
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await self._connect(url, certificate)
        try:
            yield reader, writer
        except ConnectionError as error:
            raise ConnectionLostError(f"the connection for the file broke: {os_text(error)}") from None
        finally:
            writer.transport.abort()

    async def _connect(
        self, url: str, certificate: HostCertificate
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._options.url.startswith("https:") and not url.startswith("https:"):
            raise NotSentError("vCenter returned a URL without TLS for the file")
        host, port = _authority(url)
        is_vcenter = (host, port) == self._vcenter
        try:
            opened = await self._open(host, port, self._trust(is_vcenter=is_vcenter), url)
        except ssl.SSLCertVerificationError as error:
            known = None if is_vcenter else await certificate()
            if known is None:
                raise CertificateError(certificate_text(error).replace("vCenter's", f"{host}'s")) from None
            return await self._open_known(host, port, known, url)
        if is_vcenter and self._options.thumbprint is not None:
            found = hashlib.sha256(_certificate(opened[1])).hexdigest()
            if found != self._options.thumbprint:
                opened[1].transport.abort()
                raise CertificateError(thumbprint_text(found))
        return opened

    async def _open_known(
        self, host: str, port: int, known: bytes, url: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects to a host whose certificate vCenter has reported."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        opened = await self._open(host, port, context, url)
        if _certificate(opened[1]) != known:
            opened[1].transport.abort()
            raise CertificateError(
                f"{host}'s certificate is neither trusted nor the one that vCenter reports for this host"
            )
        return opened

    async def _open(
        self, host: str, port: int, context: ssl.SSLContext | None, url: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = context if url.startswith("https:") else None
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                return await asyncio.open_connection(host, port, ssl=tls, limit=_BUFFER)
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError:
            raise ConnectTimeoutError(f"{host}, which has the file, cannot be reached: no connection in time") from None
        except OSError as error:
            raise NotSentError(f"{host}, which has the file, cannot be reached: {os_text(error)}") from None

    def _with_host(self, url: str) -> str:
        """The URL with vCenter's own name if it leaves the host open."""
        parts = urlsplit(url)
        if parts.hostname != "*":
            return url
        return parts._replace(netloc=join_address(self._vcenter[0], parts.port or self._vcenter[1])).geturl()

    def _trust(self, *, is_vcenter: bool) -> ssl.SSLContext | None:
        """The TLS context; for hosts without the thumbprint, which is vCenter's own."""
        if is_vcenter not in self._trusts:
            options = self._options if is_vcenter else replace(self._options, thumbprint=None)
            self._trusts[is_vcenter] = trust_of(options)
        return self._trusts[is_vcenter]()


class _Answer:
    """Reads a response: its head, then its body."""

    def __init__(self, reader: asyncio.StreamReader, idle_seconds: float) -> None:
        self._reader = reader
        self._idle = idle_seconds
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._chunks: list[bytes] = []
        self._has_head = self._is_complete = False

    async def head(self, *, while_sending: bool = False) -> Answered:
        """Status and headers, once they arrive. While the request is being sent, that may take a while."""
        while not self._has_head:
            await self._feed(None if while_sending else self._idle)
        return Answered(self._parser.get_status_code(), self._headers)

    async def body(self) -> AsyncIterator[bytes]:
        """The body, in chunks as they arrive."""
        while True:
            chunks, self._chunks = self._chunks, []
            for chunk in chunks:
                yield chunk
            if self._is_complete:
                return
            await self._feed(self._idle)

    async def error(self, answered: Answered) -> Answered:
        """The same with the beginning of the body, as far as it arrives."""
        body = bytearray()
        with contextlib.suppress(AnswerTimeoutError, ConnectionLostError, ConnectionError):
            async for chunk in self.body():
                body += chunk
                if len(body) >= _MAX_ERROR_BYTES:
                    break
        return replace(answered, body=bytes(body[:_MAX_ERROR_BYTES]))

    async def _feed(self, idle_seconds: float | None) -> None:
        data = await _in_time(self._reader.read(_BUFFER), idle_seconds)
        if not data:
            if self._has_head and not {"content-length", "transfer-encoding"} & self._headers.keys():
                self._is_complete = True  # It ends with the connection.
                return
            raise ConnectionLostError("the connection for the file broke before its end")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            raise ConnectionLostError("the server that has the file does not respond in HTTP/1.1") from None

    # httptools' callbacks.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        # A final response follows an interim one.
        self._has_head = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = self._parser.get_status_code() >= 200


async def _without(chunks: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """Everything after the first `count` bytes."""
    async for chunk in chunks:
        if count >= len(chunk):
            count -= len(chunk)
            continue
        yield chunk[count:] if count else chunk
        count = 0


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


async def _in_time(action: Awaitable[T], seconds: float | None) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await action
    except TimeoutError:
        raise AnswerTimeoutError(f"no data of the file was transferred for {seconds:g} seconds") from None


def _head(verb: str, url: str, fields: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    lines = [f"{verb} {target} HTTP/1.1", f"Host: {parts.netloc}", f"User-Agent: {USER_AGENT}", "Connection: close"]
    lines += ["Accept-Encoding: identity", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _authority(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _certificate(writer: asyncio.StreamWriter) -> bytes:
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return (tls.getpeercert(binary_form=True) if tls is not None else None) or b""
