"""The blocking twin of the client, on requests: for the command line. The translation is the same core."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import orjson
import requests
from google.protobuf.message import Message
from google.rpc import code_pb2
from requests.adapters import HTTPAdapter

from gateway.contract import Contract, load_contract
from gateway.transcoding import Binding, GatewayError, Reason, RestRequest, RestResponse
from gateway.transcoding.decoder import Decoders
from gateway.transcoding.error_response import ErrorReader
from gateway.vcenter.identity import SESSION_HEADER, Identity, SessionId
from gateway.vcenter.options import VCenterOptions, ssl_context
from gateway.vcenter.sessions import LOGIN, LOGOUT
from gateway.vcenter.transport import (
    USER_AGENT,
    AnswerTimeoutError,
    AnswerTooLargeError,
    CertificateError,
    ConnectionLostError,
    ConnectTimeoutError,
    NotSentError,
    TransportError,
    transport_failure,
)

__all__ = ["BlockingVCenter"]

_CHUNK = 64 * 1024


class BlockingVCenter:
    """A session with one vCenter for one identity. A context manager: leaving it logs out."""

    def __init__(self, options: VCenterOptions, identity: Identity, contract: Contract | None = None) -> None:
        contract = contract or load_contract()
        self._options = options
        self._identity = identity
        self._errors = ErrorReader(contract, Decoders(contract))
        self._session_id = identity.value if isinstance(identity, SessionId) else None
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers = requests.structures.CaseInsensitiveDict(
            {"User-Agent": USER_AGENT, "Accept": "application/json"}
        )
        self._http.mount("https://", _Adapter(options))
        self._http.mount("http://", HTTPAdapter(max_retries=0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Logs out what was logged in here, and closes the connections."""
        try:
            if self._session_id is not None and not isinstance(self._identity, SessionId):
                self.send(LOGOUT, {SESSION_HEADER: self._session_id}, 5.0)
        except TransportError:
            pass  # vCenter ends idle sessions by itself.
        finally:
            self._session_id = None
            self._http.close()

    def call(self, binding: Binding, message: Message, timeout: float | None = None) -> Message:
        """Makes one call; `timeout` is in seconds. Raises GatewayError."""
        request = binding.encode(message)
        timeout = self._options.timeout if timeout is None else timeout
        try:
            if self._session_id is None:
                self.login(timeout)
            return binding.decode(self.send(request, {SESSION_HEADER: self._session_id or ""}, timeout))
        except TransportError as error:
            may_have_executed = not (binding.is_read_only or isinstance(error, NotSentError))
            raise transport_failure(error, binding.method.operation, may_have_executed) from None

    def login(self, timeout: float) -> None:
        """Opens the session. Raises GatewayError when vCenter refuses it, TransportError when it is not reached."""
        if isinstance(self._identity, SessionId):
            return
        response = self.send(LOGIN, {"Authorization": self._identity.header}, timeout)
        if not 200 <= response.status < 300:
            error = self._errors.read("POST /api/session", response.status, response.headers, response.body)
            if response.status == 401:
                error.reason = Reason.CREDENTIALS_REJECTED
            raise error
        try:
            session_id = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            session_id = None
        if not isinstance(session_id, str):
            raise GatewayError(
                code_pb2.INTERNAL, Reason.VCENTER_RESPONSE_INVALID, "vCenter's answer to the login holds no session id"
            )
        self._session_id = session_id

    def send(self, request: RestRequest, headers: dict[str, str], timeout: float) -> RestResponse:
        """One HTTP exchange. Raises TransportError."""
        if request.body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        prepared = self._http.prepare_request(requests.Request(request.method, self._options.url, headers=headers))
        prepared.url = self._options.url + request.target  # As it is: nothing may normalize the path again.
        prepared.prepare_body(request.body, None)
        end = time.monotonic() + timeout
        try:
            with self._http.send(
                prepared,
                timeout=(min(self._options.connect_timeout, timeout), timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = bytearray()
                for chunk in response.iter_content(_CHUNK):
                    body += chunk
                    if len(body) > self._options.max_response_bytes:
                        raise AnswerTooLargeError(
                            f"vCenter's answer is larger than {self._options.max_response_bytes} bytes"
                        )
                    if time.monotonic() > end:
                        raise AnswerTimeoutError("vCenter did not answer in time")
                fields = {name.lower(): value for name, value in response.headers.items()}
                return RestResponse(response.status_code, fields, bytes(body))
        except requests.exceptions.SSLError as error:
            raise CertificateError(f"vCenter's certificate was refused: {_root_cause(error)}") from None
        except requests.exceptions.ConnectTimeout:
            raise ConnectTimeoutError("vCenter cannot be reached: no connection in time") from None
        except requests.exceptions.Timeout:
            raise AnswerTimeoutError("vCenter did not answer in time") from None
        except requests.exceptions.ConnectionError as error:
            if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
                raise NotSentError(f"vCenter cannot be reached: {_root_cause(error)}") from None
            raise ConnectionLostError("the connection to vCenter broke before its answer was complete") from None
        except requests.exceptions.RequestException:
            raise ConnectionLostError("the connection to vCenter broke before its answer was complete") from None


class _Adapter(HTTPAdapter):
    """TLS as the options say. Never repeats a request."""

    def __init__(self, options: VCenterOptions) -> None:
        self._vcenter = options
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = ssl_context(self._vcenter)
        if self._vcenter.thumbprint is not None:
            kwargs["assert_fingerprint"] = self._vcenter.thumbprint
            kwargs["assert_hostname"] = False
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leaves the verification to the context made above; requests would put its own bundle in place."""


def _root_cause(error: BaseException) -> str:
    """The innermost reason, in the words of the operating system or of OpenSSL."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        if inner is None:
            inner = error.__cause__
        if not isinstance(inner, BaseException):
            return getattr(error, "strerror", None) or getattr(error, "verify_message", None) or str(error)
        error = inner
