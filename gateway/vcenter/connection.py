"""One connection to vCenter: HTTP/1.1 on an asyncio transport, one exchange at a time.

With aiohttp's client a call cost 545 microseconds of CPU, with this 391, of which gRPC alone takes 205. What is needed
here is little: no redirects, no cookies, no compression, and answers that are read whole. The grammar of
HTTP is httptools' matter; here is what an answer means for the call that waits for it.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable

import httptools

from gateway.transcoding import RestResponse
from gateway.vcenter.failures import (
    NO_ANSWER,
    NO_HTTP,
    AnswerTimeoutError,
    AnswerTooLargeError,
    ConnectionLostError,
    NotSentError,
    NotSentTimeoutError,
    TransportError,
)

__all__ = ["MAX_HEAD_BYTES", "Connection"]

MAX_HEAD_BYTES = 64 * 1024
"""Size of all header fields of an answer, trailers included, each with its name and four further characters."""
_AROUND_FIELD = len(": \r\n")
_COOKIE = "set-cookie"
_NOT_ASKED = "vCenter cannot be called: the server in its place responds before it gets a request"
_CLOSED = "vCenter cannot be reached: it closed the connection immediately"
_LATE = "vCenter did not answer in time"
_LARGE_HEAD = f"the head of vCenter's response is larger than {MAX_HEAD_BYTES} bytes"


class Connection(asyncio.Protocol):
    """A connection that was made. `on_lost` is called when it is gone."""

    def __init__(self, max_body_bytes: int, on_lost: Callable[[Connection], None]) -> None:
        self.idle_since = 0.0
        """When the last exchange ended, in the event loop's time."""
        self._max_body = max_body_bytes
        self._on_lost = on_lost
        self._transport: asyncio.Transport
        self._arrivals = select.poll()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[RestResponse] | None = None
        self._asked = False
        """Whether the request has been sent whose answer is awaited."""
        self._is_new = True
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._head_bytes = 0
        self._bytes_without_body = 0
        self._has_head = False
        self._reusable = False

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it, as far as is known here."""
        return not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether another exchange can follow the one that ended."""
        return self._reusable and self.is_open and not self._transport.get_write_buffer_size()

    def has_input(self) -> bool:
        """Whether something has come that the event loop has not seen yet. On a connection that nobody uses this is its
        end, or bytes that nobody has asked for: a request sent now would be lost, or answered by those."""
        return bool(self._arrivals.poll(0))

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS side, None where there is none."""
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return found

    def exchange(self, request: bytes) -> asyncio.Future[RestResponse]:
        """Sends a request and gives the answer to come, or a TransportError.

        Whoever does not want the answer any more calls `abort`.
        """
        self._answer = answer = asyncio.get_running_loop().create_future()
        self._has_head = self._reusable = False
        self._ask(request)
        return answer

    def _ask(self, request: bytes) -> None:
        """Sends the request; on a new connection as soon as everything was read that came before it, else that would be
        taken for the answer. With TLS something always comes: tickets to resume the session with."""
        if self._answer is None:
            return  # Given up, or refused.
        if not self.is_open:
            self.fail(NotSentError(_CLOSED))
            return
        if self._is_new and self.has_input():
            asyncio.get_running_loop().call_soon(self._ask, request)
            return
        self._is_new = False
        self._asked = True
        self._transport.write(request)

    def time_is_over(self) -> None:
        """Ends the exchange because of its deadline."""
        self.fail(AnswerTimeoutError(_LATE) if self._asked else NotSentTimeoutError(_LATE))

    def fail(self, error: TransportError) -> None:
        """Closes the connection at once; an exchange that is under way ends in the error."""
        answer = self._answer
        if not self._asked and error.was_sent:
            error = NotSentError(str(error))
        self.abort()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def abort(self) -> None:
        """Closes the connection at once, whatever is under way."""
        self._answer = None
        self._reusable = False
        self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # a stream's
        self._arrivals.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self._bytes_without_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.fail(ConnectionLostError(NO_HTTP))
        else:
            # A field without an end, or whatever else is no part of a body.
            if self._bytes_without_body > 2 * MAX_HEAD_BYTES:
                self.fail(ConnectionLostError(_LARGE_HEAD))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None:
            if error is None and self._has_head and self._ends_with_connection():
                self._complete(self._parser.get_status_code(), reusable=False)
            else:
                self.fail(ConnectionLostError(NO_ANSWER))
        self._on_lost(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if not self._asked:
            self.fail(NotSentError(_NOT_ASKED))
        self._headers = {}
        self._head_bytes = 0
        self._has_head = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + _AROUND_FIELD
        if self._head_bytes > MAX_HEAD_BYTES:
            self.fail(ConnectionLostError(_LARGE_HEAD))
        if not self._has_head:  # A trailer says nothing about the answer that its head has not said.
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            # Of several cookies each counts; of any other field the last one.
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers and key == _COOKIE else text

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        self._bytes_without_body = 0
        if len(self._body) + len(data) <= self._max_body:
            self._body += data
        else:
            self.fail(AnswerTooLargeError(f"vCenter's response is larger than {self._max_body} bytes"))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._complete(status, reusable=self._parser.should_keep_alive())
        elif status < 100 or status == 101:
            self.fail(ConnectionLostError(NO_HTTP))
        else:
            self._has_head = False  # The answer proper is still to come.

    def _ends_with_connection(self) -> bool:
        """Whether the answer has no other end than that of the connection."""
        return "content-length" not in self._headers and "transfer-encoding" not in self._headers

    def _complete(self, status: int, *, reusable: bool) -> None:
        answer, self._answer, self._asked = self._answer, None, False
        if answer is None or answer.done():
            return
        body = bytes(self._body)
        self._body.clear()
        self._bytes_without_body = 0
        self._reusable = reusable
        answer.set_result(RestResponse(status, self._headers, body))
