"""The connections to one vCenter, and one HTTP exchange on one of them. Foreign exceptions are translated here."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohappyeyeballs

from gateway import USER_AGENT
from gateway.events import CertificateChanged, Events
from gateway.files import ReloadedFile
from gateway.outliving import outlived
from gateway.transcoding import RestRequest, RestResponse
from gateway.vcenter.connection import Connection
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import (
    CertificateError,
    ConnectionLostError,
    ConnectTimeoutError,
    NotSentError,
    NotSentTimeoutError,
    certificate_text,
    os_text,
    thumbprint_text,
)
from gateway.vcenter.options import VCenterOptions, ssl_context
from gateway.vcenter.proxy import open_tunnel, place

__all__ = ["Transport", "trust_of"]

_KEEP_SECONDS = 15.0
"""How long an idle connection is kept."""
_ADDRESSES_SECONDS = 10.0
"""How long the resolved addresses of vCenter's name are cached."""
_NEXT_ADDRESS_SECONDS = 0.25
"""How long one address is tried before another one is tried in parallel (RFC 8305)."""
_LAST_MOMENT = 0.05
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


class Transport:
    """A pool of connections to one vCenter. Create and close it within a running event loop. Raises ValueError if the
    file of authorities cannot be used; new connections use a changed file.
    """

    def __init__(self, options: VCenterOptions, events: Events | None = None) -> None:
        parts = urlsplit(options.url)
        self._host = parts.hostname or ""
        self._name = self._host.partition("%")[0]
        """Without a zone, which is meaningful only on this machine."""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._options = options
        self._place = place(options.proxy, self._host, self._port)
        """The address of connections."""
        through = f" through the proxy {options.proxy}" if options.proxy else ""
        self._unreachable = f"vCenter cannot be reached{through}"
        self._trust = trust_of(options)
        self._trusted: ssl.SSLContext | None = None
        """The context of the idle connections."""
        self._common = (
            f" HTTP/1.1\r\nHost: {parts.netloc.replace(self._host, self._name)}\r\nUser-Agent: {USER_AGENT}\r\nAccept: "
        )
        self._idle: list[Connection] = []
        """The most recently used one is last."""
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._resolving: asyncio.Future[None] | None = None
        self._addresses: list[_AddressInfo] = []
        self._addresses_until = 0.0
        self._events = events or Events()
        self.certificate: bytes | None = None
        """The certificate on the last opened connection, in DER form; None without TLS."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connections(self) -> int:
        """Number of open connections, in use or idle."""
        return len(self._open)

    async def close(self) -> None:
        """Closes all connections; calls in flight fail."""
        for pending in (self._sweep, self._resolving):
            if pending is not None:
                pending.cancel()
        for connection in list(self._open):
            connection.fail(ConnectionLostError("the gateway closed its connections to vCenter"))
        self._idle.clear()
        await asyncio.sleep(0)  # The sockets are closed in the loop's next iteration.

    async def send(self, exchange: Exchange) -> RestResponse:
        """Sends one request once, and reads the response, all before its deadline. Cancelling it closes the connection.
        Raises a TransportError.
        """
        loop = asyncio.get_running_loop()
        now, deadline = loop.time(), exchange.deadline
        # The connection must be open a moment earlier: with a single timeout for everything, it would be unknown
        # whether the request was sent.
        connect_by = deadline - min(_LAST_MOMENT, (deadline - now) / 10)
        trusted = self._trust()
        connection = self._kept(trusted, now) or await self._connect(trusted, connect_by)
        answer = connection.exchange(self._serialize(exchange.request, exchange.headers))
        timer = loop.call_at(deadline, connection.time_is_over)
        try:
            response = await answer
        except BaseException:
            connection.abort()
            raise
        finally:
            timer.cancel()
        self._keep(connection, trusted, loop)
        return response

    def _serialize(self, request: RestRequest, headers: Mapping[str, str]) -> bytes:
        values = "".join([request.target, *headers.values()])
        if "\r" in values or "\n" in values:
            raise ValueError("the URL or a header of a request to vCenter has a line break")
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        media_type = request.media_type
        head = f"{request.method} {request.target}{self._common}{media_type}\r\nAccept-Encoding: identity\r\n{lines}"
        if request.body is not None:
            head += f"Content-Type: {media_type}\r\nContent-Length: {len(request.body)}\r\n\r\n"
            return head.encode("latin-1") + request.body
        return (head + ("Content-Length: 0\r\n\r\n" if request.method in _WITH_BODY else "\r\n")).encode("latin-1")

    def _kept(self, trusted: ssl.SSLContext | None, now: float) -> Connection | None:
        """An idle connection that can be used, opened with the current trust settings."""
        if trusted is not self._trusted:
            self._trusted = trusted
            for connection in self._idle:
                connection.abort()
            self._idle.clear()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable and now - connection.idle_since < _KEEP_SECONDS and not connection.has_input():
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection, trusted: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> None:
        if not connection.is_reusable or trusted is not self._trusted:
            connection.abort()
            return
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(_KEEP_SECONDS, self._close_unused, loop)

    def _close_unused(self, loop: asyncio.AbstractEventLoop) -> None:
        """Closes connections that were idle for too long, and reschedules itself as long as any are idle."""
        oldest = loop.time() - _KEEP_SECONDS
        for connection in [connection for connection in self._idle if connection.idle_since <= oldest]:
            self._idle.remove(connection)
            connection.abort()
        self._sweep = None
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].idle_since + _KEEP_SECONDS, self._close_unused, loop)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _connect(self, trusted: ssl.SSLContext | None, until: float) -> Connection:
        loop = asyncio.get_running_loop()
        by = min(until, loop.time() + self._options.connect_timeout)
        try:
            async with asyncio.timeout_at(by):
                connection = await self._open_connection(trusted, loop)
        except TimeoutError as error:
            if isinstance(error, OSError) and error.errno:  # The network's timeout, not ours.
                raise NotSentError(f"{self._unreachable}: {os_text(error)}") from None
            if by == until:
                raise _no_time() from None
            raise ConnectTimeoutError(f"{self._unreachable}: no connection in time") from None
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(certificate_text(error)) from None
        except OSError as error:
            raise NotSentError(f"{self._unreachable}: {os_text(error)}") from None
        if not connection.is_open:
            raise NotSentError(f"{self._unreachable}: it closes connections immediately")
        self._open.add(connection)
        if (tls := connection.tls) is not None:
            self._look_at(tls.getpeercert(binary_form=True) or b"", connection)
        return connection

    async def _open_connection(self, trusted: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> Connection:
        def make() -> Connection:
            return Connection(self._options.max_response_bytes, self._lost)

        name = self._name if trusted is not None else None
        addresses = await self._resolved(loop)
        tunnel = self._options.proxy is not None
        if len(addresses) == 1 and not tunnel and not _has_zone(addresses[0]):
            host, port = addresses[0][4][:2]
            _, connection = await loop.create_connection(make, host, port, ssl=trusted, server_hostname=name)
            return connection
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1, loop=loop
        )
        try:
            if tunnel:
                await open_tunnel(sock, self._host, self._port)
            _, connection = await loop.create_connection(make, sock=sock, ssl=trusted, server_hostname=name)
        except BaseException:
            sock.close()
            raise
        return connection

    async def _resolved(self, loop: asyncio.AbstractEventLoop) -> list[_AddressInfo]:
        if loop.time() >= self._addresses_until:
            if self._resolving is None:
                self._resolving = asyncio.ensure_future(self._resolve(loop))
            # Continues if its caller cancels. If a name server is down, a response may take longer than a call's
            # deadline; restarted for each call, it would never arrive.
            await outlived(self._resolving)
        return self._addresses

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            found = await loop.getaddrinfo(*self._place, type=socket.SOCK_STREAM)
            self._addresses = [tuple(info) for info in found]  # type: ignore[misc]
            self._addresses_until = loop.time() + _ADDRESSES_SECONDS
        finally:
            self._resolving = None

    def _look_at(self, certificate: bytes, connection: Connection) -> None:
        """Reports a changed certificate; rejects it if it is not the configured one."""
        if certificate != self.certificate:
            before, self.certificate = self.certificate, certificate
            self._events.certificate_changed(CertificateChanged(certificate, before is None))
        if self._options.thumbprint is None:
            return
        found = hashlib.sha256(certificate).hexdigest()
        if found != self._options.thumbprint:
            connection.abort()
            raise CertificateError(thumbprint_text(found))


def _has_zone(address: _AddressInfo) -> bool:
    """Whether it has a zone (network interface), which its text does not include."""
    return len(address[4]) == 4 and address[4][3] != 0


def _no_time() -> NotSentTimeoutError:
    return NotSentTimeoutError("the deadline passed before there was a connection to vCenter")


def trust_of(options: VCenterOptions) -> Callable[[], ssl.SSLContext | None]:
    """Returns the TLS context; call it for each call, because the file of authorities may have been renewed."""
    if not options.url.startswith("https:"):
        return lambda: None
    if options.ca_file is not None and options.thumbprint is None:
        return ReloadedFile(options.ca_file, lambda content: _context_of_file(options)).current
    context = ssl_context(options)  # Reads the system's authorities, which takes a while.
    return lambda: context


def _context_of_file(options: VCenterOptions) -> ssl.SSLContext:
    # OpenSSL reads the file itself, because it accepts more formats from a file than from text.
    try:
        return ssl_context(options)
    except OSError:
        raise ValueError("it contains no certificate in PEM format") from None
