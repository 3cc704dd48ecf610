"""Failures between the gateway and vCenter, distinguished by what matters for a retry: whether vCenter may have
received the call. The messages do not depend on the library that detected the failure."""

from __future__ import annotations

import os
import ssl
from typing import Protocol, Self

from google.rpc import code_pb2

from gateway.errors import BY_REASON, Failure, Reason

__all__ = [
    "NO_ANSWER",
    "NO_HTTP",
    "AnswerTimeoutError",
    "AnswerTooLargeError",
    "CertificateError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "NotSentError",
    "NotSentTimeoutError",
    "Operation",
    "TransportError",
    "certificate_text",
    "os_text",
    "thumbprint_text",
]

NO_ANSWER = "the connection to vCenter broke before its response was complete"
NO_HTTP = "vCenter's response is not HTTP/1.1"


class Operation(Protocol):
    """The called operation, of any of vCenter's APIs."""

    @property
    def operation(self) -> str:
        """Its name, for metrics and errors."""

    @property
    def is_read_only(self) -> bool:
        """Whether it has no side effects."""

    @property
    def task_form(self) -> str:
        """Full name of the rpc that starts the same operation as a task; empty if there is none."""


_HOW_TO_FIND_OUT = "vCenter may continue it, which cis.v1.TaskService/ListTasks shows; {} returns a task to follow"


class TransportError(Exception):
    """There was no response. The caller gets the text."""

    reason = Reason.VCENTER_UNREACHABLE
    code: int | None = None
    """The code, if it is not that of the reason."""
    was_sent = True
    """Whether vCenter may have received the request."""

    def before_call(self) -> Self:
        """The same error for a request that had to precede the call: the call itself was not sent."""
        error = type(self)(*self.args)
        error.was_sent = False
        return error

    def failure(self, method: Operation) -> Failure:
        """The failure of a call of `method`."""
        code = BY_REASON[self.reason] if self.code is None else self.code
        failure = Failure(code, self.reason, str(self), metadata={"operation": method.operation})
        if not self.was_sent or method.is_read_only:
            return failure
        failure = failure.leaving_open()
        if not method.task_form:
            return failure
        text = f"{failure.message}; {_HOW_TO_FIND_OUT.format(method.task_form.rpartition('/')[2])}"
        return failure.with_(message=text, metadata={"task_form": method.task_form})


class NotSentError(TransportError):
    """vCenter certainly did not receive the request: there was no connection."""

    was_sent = False


class CertificateError(NotSentError):
    """vCenter's certificate is not trusted."""

    reason = Reason.VCENTER_CERTIFICATE_INVALID


class ConnectionLostError(TransportError):
    """The connection broke after the request was sent, or while the response arrived, or the response is not HTTP."""

    reason = Reason.VCENTER_CONNECTION_LOST


class AnswerTimeoutError(TransportError):
    """The request was sent, but no complete response arrived in time."""

    reason = Reason.VCENTER_TIMEOUT


class NotSentTimeoutError(AnswerTimeoutError):
    """The caller's deadline expired before the request was sent."""

    was_sent = False


class ConnectTimeoutError(NotSentError):
    """No connection was opened within the connect timeout."""

    reason = Reason.VCENTER_TIMEOUT
    code = code_pb2.UNAVAILABLE


class AnswerTooLargeError(TransportError):
    """The response exceeds the limit. The call was executed."""

    reason = Reason.VCENTER_RESPONSE_TOO_LARGE


def os_text(error: BaseException) -> str:
    """The message of the operating system or OpenSSL, which asyncio and urllib3 replace with their own."""
    if isinstance(error, ssl.SSLError):
        # Its numbers are not those of the system. Without a reason, it has a text that ends with a location in C code.
        reason = getattr(error, "reason", None)
        return reason.replace("_", " ").lower() if reason else (error.strerror or str(error)).partition(" (_ssl.c")[0]
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


def certificate_text(error: Exception) -> str:
    """Why a certificate is not trusted."""
    why = getattr(error, "verify_message", "") or "it is not trusted"
    return f"vCenter's certificate was rejected: {why}"


def thumbprint_text(found: str) -> str:
    """The message for an unexpected certificate; `found` is its SHA-256 thumbprint in hexadecimal digits."""
    pairs = ":".join(found[index : index + 2] for index in range(0, len(found), 2))
    return f"vCenter's certificate has the SHA-256 thumbprint {pairs}, which is not the configured one"
