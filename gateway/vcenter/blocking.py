"""The blocking counterpart of the client, based on requests, for the command line. It shares the transcoding core."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import ssl
import time
from types import TracebackType
from typing import Any, Self, cast

import requests
import urllib3
from google.protobuf.message import Message
from requests.adapters import HTTPAdapter

from gateway import USER_AGENT
from gateway.calls import Call, Caller
from gateway.calls.credential import SESSION_HEADER, Credential, SessionId
from gateway.calls.identity import ANONYMOUS
from gateway.contract import Contract, load_contract
from gateway.errors import GatewayError
from gateway.transcoding import Binding, RestRequest, RestResponse
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.failures import (
    NO_ANSWER,
    NO_HTTP,
    AnswerTimeoutError,
    AnswerTooLargeError,
    CertificateError,
    ConnectionLostError,
    ConnectTimeoutError,
    NotSentError,
    NotSentTimeoutError,
    TransportError,
    certificate_text,
    os_text,
    thumbprint_text,
)
from gateway.vcenter.options import VCenterOptions, ssl_context
from gateway.vcenter.proxy import open_socket
from gateway.vcenter.releases import form_for, with_release
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.session_api import LOGIN, LOGOUT, login_refused, read_session_id
from gateway.vcenter.version import VERSIONS, read_releases

__all__ = ["BlockingVCenter"]

_CHUNK = 64 * 1024
_RELEASE_SECONDS = 2.0
_MOST_CONNECTIONS = 64
"""As many calls as `call --parallel` makes at a time."""


class BlockingVCenter:
    """A session with one vCenter for one credential. A context manager: leaving it logs out."""

    def __init__(
        self,
        options: VCenterOptions,
        credential: Credential,
        contract: Contract | None = None,
        *,
        policy: RetryPolicy | None = None,
    ) -> None:
        contract = contract or load_contract()
        self._options = options
        self._credential = credential
        self._policy = policy or RetryPolicy()
        self._errors = error_reader(contract)
        self._session_id = credential.value if isinstance(credential, SessionId) else None
        self._http = requests.Session()
        self._http.trust_env = False
        # requests requires a verified chain on its own, regardless of the adapter's context.
        self._http.verify = options.verify and options.thumbprint is None
        self._http.headers = requests.structures.CaseInsensitiveDict(
            {"User-Agent": USER_AGENT, "Accept": "application/json"}
        )
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, _Adapter(options))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Logs out of sessions that were opened here, and closes the connections."""
        try:
            if self._session_id is not None and not isinstance(self._credential, SessionId):
                self.send(LOGOUT, {SESSION_HEADER: self._session_id}, 5.0)
        except TransportError:
            pass  # vCenter ends idle sessions itself.
        finally:
            self._session_id = None
            self._http.close()

    def call(self, binding: Binding, message: Message, timeout: float | None = None) -> Message:
        """Makes one call; `timeout` is in seconds and covers the login and the retries of the policy. Raises
        GatewayError."""
        end = time.monotonic() + self._options.seconds_for(binding.is_read_only, timeout)
        call = Call(binding, message, Caller(ANONYMOUS, self._credential), end, os.urandom(16).hex())
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._try(call)
            except GatewayError as error:
                failure = self._policy.advised(error.failure)
            delay = self._policy.next(failure, attempt, is_repeatable=binding.is_repeatable(message))
            if delay is None or time.monotonic() + delay >= end:
                raise GatewayError(self._policy.told(failure))
            time.sleep(delay)

    def _try(self, call: Call) -> Message:
        binding = call.binding
        request = binding.encode(call.message)
        try:
            if self._session_id is None:
                try:
                    self.login(call.deadline - time.monotonic())
                except TransportError as error:
                    raise error.before_call() from None
            if request.newer is not None:
                request = form_for(self.release(), request)
            headers = {SESSION_HEADER: self._session_id or "", "X-Request-ID": call.request_id, **request.headers}
            return binding.decode(self.send(request, headers, call.deadline - time.monotonic()))
        except TransportError as error:
            raise GatewayError(error.failure(binding.method)) from None
        except GatewayError as error:
            if error.failure.reason == "OPERATION_NOT_FOUND" and binding.method.since:
                raise GatewayError(with_release(error.failure, binding.method, self.release())) from None
            raise

    def release(self) -> str | None:
        """The version of vCenter's API, for example `8.0.3.0`; None if vCenter does not report it."""
        try:
            answer = self.send(VERSIONS, {}, _RELEASE_SECONDS)
        except TransportError:
            return None
        return next(iter(read_releases(answer.body)), None)

    def login(self, timeout: float) -> None:
        """Opens the session. Raises GatewayError if vCenter refuses it, TransportError if vCenter cannot be reached."""
        if isinstance(self._credential, SessionId):
            return
        response = self.send(LOGIN, {"Authorization": self._credential.header}, timeout)
        if not 200 <= response.status < 300:
            raise GatewayError(login_refused(self._errors, response))
        self._session_id = read_session_id(response)

    def send(self, request: RestRequest, headers: dict[str, str], timeout: float) -> RestResponse:
        """One HTTP exchange. Raises TransportError."""
        if timeout <= 0:
            raise NotSentTimeoutError("the deadline passed before vCenter was called")
        if request.body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        prepared = self._http.prepare_request(requests.Request(request.method, self._options.url, headers=headers))
        prepared.url = self._options.url + request.target  # Unchanged: nothing may normalize the path again.
        prepared.prepare_body(request.body, None)
        end = time.monotonic() + timeout
        try:
            with self._http.send(
                prepared,
                timeout=(min(self._options.connect_timeout, timeout), timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                fields = {name.lower(): value for name, value in response.headers.items()}
                return RestResponse(response.status_code, fields, self._read(response.raw, end))
        except ConnectTimeoutError:
            if time.monotonic() >= end:
                raise NotSentTimeoutError("the deadline passed before there was a connection to vCenter") from None
            raise
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise AnswerTimeoutError("vCenter did not answer in time") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ConnectionLostError(NO_HTTP if _is_no_http(error) else NO_ANSWER) from None

    def _read(self, response: Any, end: float) -> bytes:
        limit = self._options.max_response_bytes
        body = bytearray()
        # Whatever has arrived, not a full chunk, for which requests would wait indefinitely.
        while chunk := response.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > limit:
                raise AnswerTooLargeError(f"vCenter's response is larger than {limit} bytes")
            if time.monotonic() > end:
                raise AnswerTimeoutError("vCenter did not answer in time")
        return bytes(body)


def _is_no_http(error: BaseException) -> bool:
    """Whether the response is not HTTP. requests and urllib3 wrap http.client's exception."""
    causes = [error, *error.args]
    causes += [cause for wrapped in error.args if isinstance(wrapped, BaseException) for cause in wrapped.args]
    wrong = (http.client.BadStatusLine, http.client.UnknownProtocol, http.client.LineTooLong)
    return any(isinstance(cause, wrong) and not isinstance(cause, http.client.RemoteDisconnected) for cause in causes)


class _Opening:
    """A connection whose failures report, through all layers above it, that nothing was sent yet."""

    proxy_address: str | None = None
    unreachable = "vCenter cannot be reached"

    def _new_conn(self) -> socket.socket:
        if self.proxy_address is None:
            return cast(socket.socket, super()._new_conn())  # type: ignore[misc]
        this: Any = self
        return open_socket(self.proxy_address, this.host, this.port, this.timeout)

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(certificate_text(error)) from None
        except urllib3.exceptions.NewConnectionError as error:
            cause = error.__cause__
            raise NotSentError(f"{self.unreachable}: {os_text(cause if cause else error)}") from None
        except (urllib3.exceptions.TimeoutError, TimeoutError):
            raise ConnectTimeoutError(f"{self.unreachable}: no connection in time") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NotSentError(f"{self.unreachable}: {os_text(error)}") from None


class _HttpConnection(_Opening, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(_Opening, urllib3.connection.HTTPSConnection):
    def connect(self) -> None:
        # Compared here instead of by urllib3, so that the error can name the thumbprint found.
        wanted, self.assert_fingerprint = self.assert_fingerprint, None
        try:
            super().connect()
        finally:
            self.assert_fingerprint = wanted
        if wanted is not None:
            shown = cast(ssl.SSLSocket, self.sock).getpeercert(binary_form=True) or b""
            found = hashlib.sha256(shown).hexdigest()
            if found != wanted:
                self.close()
                raise CertificateError(thumbprint_text(found))
        # As the options require; urllib3 would warn about anything less.
        self.is_verified = True


def _pool(base: type[Any], connection: type[Any], proxy: str | None) -> type[Any]:
    """The pool of these connections. urllib3 creates both itself, without passing our arguments on."""
    how = {} if proxy is None else {"unreachable": f"{connection.unreachable} through the proxy {proxy}"}
    kind = type(connection.__name__, (connection,), {"proxy_address": proxy, **how})
    return type(base.__name__, (base,), {"ConnectionCls": kind})


class _Adapter(HTTPAdapter):
    """Connections with the given options. Never retries a request."""

    def __init__(self, options: VCenterOptions) -> None:
        self._vcenter = options
        super().__init__(max_retries=0, pool_maxsize=_MOST_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = ssl_context(self._vcenter)
        kwargs["assert_fingerprint"] = self._vcenter.thumbprint
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(urllib3.HTTPConnectionPool, _HttpConnection, self._vcenter.proxy),
            "https": _pool(urllib3.HTTPSConnectionPool, _HttpsConnection, self._vcenter.proxy),
        }

    def close(self) -> None:
        """Closes the connections now; urllib3 would keep them open as long as one of their exceptions is referenced."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - no mapping that could be iterated over
            pools[key].close()
        super().close()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leaves verification to the context created above; requests would use its own bundle."""
