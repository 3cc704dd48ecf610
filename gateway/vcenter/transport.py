"""One HTTP exchange with vCenter on asyncio. Foreign exceptions end here.

A failure is told apart by the one thing that matters for repeating a call: whether vCenter can have got it.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from google.rpc import code_pb2
from yarl import URL

from gateway import __version__
from gateway.files import ReloadedFile
from gateway.transcoding import GatewayError, Reason, RestRequest, RestResponse
from gateway.vcenter.options import VCenterOptions, ssl_context

__all__ = ["USER_AGENT", "ConnectionLostError", "NotSentError", "Transport", "TransportError"]

USER_AGENT = f"vcenter-gateway/{__version__}"
_LAST_MOMENT = 0.05


class TransportError(Exception):
    """No answer came. `reason` and the text go to the caller."""

    reason = Reason.VCENTER_UNREACHABLE
    code: int = code_pb2.UNAVAILABLE
    was_sent = True
    """Whether vCenter may have got the call."""
    may_pass = True
    """Whether the same call may well succeed a moment later."""


class NotSentError(TransportError):
    """vCenter certainly did not get the call: there was no connection."""

    was_sent = False


class CertificateError(NotSentError):
    """vCenter's certificate is not trusted; trying again does not help."""

    reason = Reason.VCENTER_CERTIFICATE_INVALID
    may_pass = False


class ConnectionLostError(TransportError):
    """The connection broke after the call was sent, or while the answer came."""

    reason = Reason.VCENTER_CONNECTION_LOST


class AnswerTimeoutError(TransportError):
    """The call was sent and no complete answer came in time."""

    reason = Reason.VCENTER_TIMEOUT
    code = code_pb2.DEADLINE_EXCEEDED
    may_pass = False


class NotSentTimeoutError(AnswerTimeoutError):
    """The caller's time was over before the call was sent."""

    was_sent = False


class ConnectTimeoutError(NotSentError):
    """There was no connection within the time that one may take."""

    reason = Reason.VCENTER_TIMEOUT


class AnswerTooLargeError(TransportError):
    """The answer exceeds the limit. The call was executed."""

    reason = Reason.VCENTER_RESPONSE_TOO_LARGE
    code = code_pb2.RESOURCE_EXHAUSTED
    may_pass = False


class _TlsConnector(aiohttp.TCPConnector):
    """Remembers the TLS side of the connection that was used last: once a short answer is there, aiohttp has forgotten
    which connection it came on."""

    tls: ssl.SSLObject | None = None

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            self.tls = connection.transport.get_extra_info("ssl_object")
        return connection


class Transport:
    """A pool of connections to one vCenter. To be made and closed within a running event loop.

    Raises ValueError for a file of authorities that cannot be used; one that changes is used for new connections.
    """

    def __init__(self, options: VCenterOptions) -> None:
        self._base = options.url
        self._options = options
        self._trust = _trust(options)
        kind = _TlsConnector if options.url.startswith("https:") else aiohttp.TCPConnector
        self._connector = kind(limit=options.max_concurrent_calls)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            skip_auto_headers=("Content-Type",),
            # The environment's proxies are not for vCenter, and .netrc must not add credentials.
            trust_env=False,
        )
        # aiohttp repeats PUT and DELETE by itself when a kept connection turns out to be closed. A mutating call must
        # not be sent twice; what may be repeated is decided by the client, from the rpc's idempotency level.
        self._session._retry_connection = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def certificate(self) -> bytes | None:
        """The certificate that vCenter showed on the connection used last, in DER form; None without TLS."""
        tls = self._connector.tls if isinstance(self._connector, _TlsConnector) else None
        return tls.getpeercert(binary_form=True) if tls is not None else None

    async def close(self) -> None:
        """Closes all connections; calls under way fail."""
        await self._session.close()

    async def send(self, request: RestRequest, headers: Mapping[str, str], timeout: float) -> RestResponse:
        """Sends one request, once, and reads the answer. `timeout` is in seconds and covers everything.

        Cancelling the call closes the connection. Raises a TransportError.
        """
        if request.body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        loop = asyncio.get_running_loop()
        # The connection, for which a call may have to wait, has to be there a moment earlier: when only the whole is
        # timed, nobody can tell whether the call was sent.
        connect = timeout - min(_LAST_MOMENT, timeout / 10)
        connected_by = loop.time() + connect
        try:
            async with self._session.request(
                request.method,
                URL(self._base + request.target, encoded=True),
                data=request.body,
                headers=headers,
                ssl=self._trust(),  # A new one makes new connections: aiohttp keeps them apart by this.
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=timeout,
                    connect=connect,
                    sock_connect=self._options.connect_timeout,
                    ceil_threshold=math.inf,  # Else aiohttp rounds more than five seconds up to full ones.
                ),
            ) as response:
                return RestResponse(
                    response.status,
                    {name.lower(): value for name, value in response.headers.items()},
                    await self._read(response),
                )
        except aiohttp.ClientConnectorCertificateError as error:
            raise CertificateError(certificate_text(error.certificate_error)) from None
        except aiohttp.ServerFingerprintMismatch as error:
            raise CertificateError(thumbprint_text(error.got.hex())) from None
        except aiohttp.ClientConnectorError as error:
            raise NotSentError(f"vCenter cannot be reached: {os_text(error.os_error)}") from None
        except aiohttp.ConnectionTimeoutError:
            if loop.time() >= connected_by:
                raise NotSentTimeoutError("the deadline passed before there was a connection to vCenter") from None
            raise ConnectTimeoutError("vCenter cannot be reached: no connection in time") from None
        except TimeoutError:
            raise AnswerTimeoutError("vCenter did not answer in time") from None
        except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError):
            raise ConnectionLostError("the connection to vCenter broke before its answer was complete") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._options.max_response_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                response.close()
                raise AnswerTooLargeError(f"vCenter's answer is larger than {limit} bytes")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _trust(options: VCenterOptions) -> Callable[[], aiohttp.Fingerprint | ssl.SSLContext | bool]:
    """Whom to trust, to be asked for each call: the file of authorities may have been renewed."""
    if options.thumbprint is not None:
        fingerprint = aiohttp.Fingerprint(bytes.fromhex(options.thumbprint))
        return lambda: fingerprint
    if not options.url.startswith("https:"):
        return lambda: True
    if options.ca_file is not None:
        return ReloadedFile(options.ca_file, lambda content: _context_of_file(options)).current
    context = ssl_context(options)  # Reads the system's authorities, which takes its time.
    return lambda: context


def _context_of_file(options: VCenterOptions) -> ssl.SSLContext:
    # OpenSSL reads the file by itself, and takes more forms of it than of a text.
    try:
        return ssl_context(options)
    except OSError:
        raise ValueError("it holds no certificate in PEM form") from None


def os_text(error: BaseException) -> str:
    """What the operating system or OpenSSL says; asyncio and urllib3 put words of their own in the place of those."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


def certificate_text(error: Exception) -> str:
    """Why a certificate is not trusted."""
    why = getattr(error, "verify_message", "") or "it is not trusted"
    return f"vCenter's certificate was refused: {why}"


def thumbprint_text(found: str) -> str:
    """That a certificate is another one; `found` is its SHA-256 thumbprint in hexadecimal digits."""
    pairs = ":".join(found[index : index + 2] for index in range(0, len(found), 2))
    return f"vCenter's certificate has the SHA-256 thumbprint {pairs}, which is not the configured one"


def transport_failure(error: TransportError, operation: str, may_have_executed: bool) -> GatewayError:
    """The status of a call that got no answer."""
    metadata = {"operation": operation}
    if may_have_executed:
        metadata["may_have_executed"] = "true"
    return GatewayError(error.code, error.reason, str(error), metadata=metadata)
