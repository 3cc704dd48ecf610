"""Maps errors to gRPC: the reasons of the gateway's own errors, and the tables that determine the code of every error.

vCenter's answer with an `error_type`  --BY_ERROR_TYPE-->   code, reason = the error type verbatim
vCenter's answer without one           --BY_HTTP_STATUS-->  code, reason = HTTP_<status>
what the gateway itself refuses or fails to do  --BY_REASON-->  code, reason = a `Reason`
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from google.rpc import code_pb2

__all__ = ["BY_ERROR_TYPE", "BY_HTTP_STATUS", "BY_REASON", "SERVER_FAULTS", "Reason"]


class Reason(enum.StrEnum):
    """Reasons of the gateway's own errors: `vcenter.gateway.v1.Reason` without the prefix.

    The proto documents each. A contract test compares the two.
    """

    REQUEST_INVALID = "REQUEST_INVALID"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_MALFORMED = "CREDENTIALS_MALFORMED"
    CREDENTIALS_REJECTED = "CREDENTIALS_REJECTED"
    VCENTER_UNREACHABLE = "VCENTER_UNREACHABLE"
    VCENTER_CONNECTION_LOST = "VCENTER_CONNECTION_LOST"
    VCENTER_CERTIFICATE_INVALID = "VCENTER_CERTIFICATE_INVALID"
    VCENTER_TIMEOUT = "VCENTER_TIMEOUT"
    VCENTER_RESPONSE_INVALID = "VCENTER_RESPONSE_INVALID"
    VCENTER_RESPONSE_TOO_LARGE = "VCENTER_RESPONSE_TOO_LARGE"
    VCENTER_CIRCUIT_OPEN = "VCENTER_CIRCUIT_OPEN"
    OVERLOADED = "OVERLOADED"
    CALLER_REJECTED = "CALLER_REJECTED"
    POLICY_DENIED = "POLICY_DENIED"
    GATEWAY_BUG = "GATEWAY_BUG"
    GATEWAY_STOPPING = "GATEWAY_STOPPING"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    AUDIT_UNAVAILABLE = "AUDIT_UNAVAILABLE"
    SERVICE_ACCOUNT_REJECTED = "SERVICE_ACCOUNT_REJECTED"
    VCENTER_TOO_OLD = "VCENTER_TOO_OLD"
    CONDITION_NOT_MET = "CONDITION_NOT_MET"
    TOO_MANY_TRANSFERS = "TOO_MANY_TRANSFERS"
    FILE_MISMATCH = "FILE_MISMATCH"
    FILE_CHANGED = "FILE_CHANGED"
    PROGRAM_TIMEOUT = "PROGRAM_TIMEOUT"
    PROGRAM_OUTPUT_TOO_LARGE = "PROGRAM_OUTPUT_TOO_LARGE"
    ISSUER_UNREACHABLE = "ISSUER_UNREACHABLE"


BY_REASON: Mapping[Reason, int] = {
    Reason.REQUEST_INVALID: code_pb2.INVALID_ARGUMENT,
    Reason.CREDENTIALS_MISSING: code_pb2.UNAUTHENTICATED,
    Reason.CREDENTIALS_MALFORMED: code_pb2.UNAUTHENTICATED,
    Reason.CREDENTIALS_REJECTED: code_pb2.UNAUTHENTICATED,
    Reason.VCENTER_UNREACHABLE: code_pb2.UNAVAILABLE,
    Reason.VCENTER_CONNECTION_LOST: code_pb2.UNAVAILABLE,
    Reason.VCENTER_CERTIFICATE_INVALID: code_pb2.UNAVAILABLE,
    Reason.VCENTER_TIMEOUT: code_pb2.DEADLINE_EXCEEDED,
    Reason.VCENTER_RESPONSE_INVALID: code_pb2.INTERNAL,
    Reason.VCENTER_RESPONSE_TOO_LARGE: code_pb2.RESOURCE_EXHAUSTED,
    Reason.VCENTER_CIRCUIT_OPEN: code_pb2.UNAVAILABLE,
    Reason.OVERLOADED: code_pb2.RESOURCE_EXHAUSTED,
    Reason.CALLER_REJECTED: code_pb2.UNAUTHENTICATED,
    Reason.POLICY_DENIED: code_pb2.PERMISSION_DENIED,
    Reason.GATEWAY_BUG: code_pb2.INTERNAL,
    Reason.GATEWAY_STOPPING: code_pb2.UNAVAILABLE,
    Reason.TOO_MANY_STREAMS: code_pb2.RESOURCE_EXHAUSTED,
    Reason.AUDIT_UNAVAILABLE: code_pb2.UNAVAILABLE,
    Reason.SERVICE_ACCOUNT_REJECTED: code_pb2.UNAVAILABLE,
    Reason.VCENTER_TOO_OLD: code_pb2.UNIMPLEMENTED,
    Reason.CONDITION_NOT_MET: code_pb2.DEADLINE_EXCEEDED,
    Reason.TOO_MANY_TRANSFERS: code_pb2.RESOURCE_EXHAUSTED,
    Reason.FILE_MISMATCH: code_pb2.DATA_LOSS,
    Reason.FILE_CHANGED: code_pb2.FAILED_PRECONDITION,
    Reason.PROGRAM_TIMEOUT: code_pb2.DEADLINE_EXCEEDED,
    Reason.PROGRAM_OUTPUT_TOO_LARGE: code_pb2.RESOURCE_EXHAUSTED,
    Reason.ISSUER_UNREACHABLE: code_pb2.UNAVAILABLE,
}
"""gRPC codes of the gateway's own errors."""

BY_ERROR_TYPE: Mapping[str, int] = {
    "ALREADY_EXISTS": code_pb2.ALREADY_EXISTS,
    "ALREADY_IN_DESIRED_STATE": code_pb2.FAILED_PRECONDITION,
    "CANCELED": code_pb2.CANCELLED,
    "CONCURRENT_CHANGE": code_pb2.ABORTED,
    "ERROR": code_pb2.UNKNOWN,
    "FEATURE_IN_USE": code_pb2.FAILED_PRECONDITION,
    "INTERNAL_SERVER_ERROR": code_pb2.INTERNAL,
    "INVALID_ARGUMENT": code_pb2.INVALID_ARGUMENT,
    "INVALID_ELEMENT_CONFIGURATION": code_pb2.INVALID_ARGUMENT,
    "INVALID_ELEMENT_TYPE": code_pb2.INVALID_ARGUMENT,
    "INVALID_REQUEST": code_pb2.INVALID_ARGUMENT,
    "NOT_ALLOWED_IN_CURRENT_STATE": code_pb2.FAILED_PRECONDITION,
    "NOT_FOUND": code_pb2.NOT_FOUND,
    "OPERATION_NOT_FOUND": code_pb2.UNIMPLEMENTED,
    "RESOURCE_BUSY": code_pb2.ABORTED,
    "RESOURCE_IN_USE": code_pb2.FAILED_PRECONDITION,
    "RESOURCE_INACCESSIBLE": code_pb2.FAILED_PRECONDITION,
    "SERVICE_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "TIMED_OUT": code_pb2.DEADLINE_EXCEEDED,
    "UNABLE_TO_ALLOCATE_RESOURCE": code_pb2.RESOURCE_EXHAUSTED,
    "UNAUTHENTICATED": code_pb2.UNAUTHENTICATED,
    "UNAUTHORIZED": code_pb2.PERMISSION_DENIED,
    "UNEXPECTED_INPUT": code_pb2.INVALID_ARGUMENT,
    "UNSUPPORTED": code_pb2.UNIMPLEMENTED,
    "UNVERIFIED_PEER": code_pb2.FAILED_PRECONDITION,
}
"""gRPC codes of vAPI's standard errors. The HTTP status does not distinguish them: vCenter uses 400 for ten of them."""

BY_HTTP_STATUS: Mapping[int, int] = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    408: code_pb2.DEADLINE_EXCEEDED,
    409: code_pb2.ABORTED,
    412: code_pb2.FAILED_PRECONDITION,
    413: code_pb2.INVALID_ARGUMENT,
    414: code_pb2.INVALID_ARGUMENT,
    415: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    431: code_pb2.INVALID_ARGUMENT,
    499: code_pb2.CANCELLED,
    500: code_pb2.INTERNAL,
    501: code_pb2.UNIMPLEMENTED,
    502: code_pb2.UNAVAILABLE,
    503: code_pb2.UNAVAILABLE,
    504: code_pb2.DEADLINE_EXCEEDED,
}
"""gRPC codes of responses without an error type; UNKNOWN for every other status."""

SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Names of the codes that mean that the gateway or vCenter failed, and not the caller: logged at WARNING, errors in
traces, and counted by alerts. OpenTelemetry also counts UNIMPLEMENTED; here, it is the response for an operation that
this vCenter does not have."""
