"""Errors: one frozen value, one exception, and the tables that give every error its gRPC code.

The domain of the `google.rpc.ErrorInfo` distinguishes vCenter's errors (`vcenter.vmware.com`) from the gateway's own
(`vcenter-gateway`).
"""

from gateway.errors.bugs import failure_of, log_bug
from gateway.errors.failure import GATEWAY_DOMAIN, VCENTER_DOMAIN, Failure, GatewayError
from gateway.errors.status import MAX_DETAILS_BYTES, MAX_MESSAGE_BYTES, status_of
from gateway.errors.tables import BY_ERROR_TYPE, BY_HTTP_STATUS, BY_REASON, SERVER_FAULTS, Reason

__all__ = [
    "BY_ERROR_TYPE",
    "BY_HTTP_STATUS",
    "BY_REASON",
    "GATEWAY_DOMAIN",
    "MAX_DETAILS_BYTES",
    "MAX_MESSAGE_BYTES",
    "SERVER_FAULTS",
    "VCENTER_DOMAIN",
    "Failure",
    "GatewayError",
    "Reason",
    "failure_of",
    "log_bug",
    "status_of",
]
