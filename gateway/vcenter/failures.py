"""What can go wrong on the way to vCenter, in words that do not depend on the library that noticed it.

A failure is told apart by the one thing that matters for repeating a call: whether vCenter can have got it.
"""

from __future__ import annotations

import os
import ssl

from google.rpc import code_pb2

from gateway.transcoding import GatewayError, Reason

__all__ = [
    "AnswerTimeoutError",
    "AnswerTooLargeError",
    "CertificateError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "NotSentError",
    "NotSentTimeoutError",
    "TransportError",
    "certificate_text",
    "os_text",
    "thumbprint_text",
    "transport_failure",
]


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
    """The connection broke after the call was sent, or while the answer came, or the answer is no HTTP."""

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
