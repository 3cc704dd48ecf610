"""Maps faults of the VIM API: each becomes the vAPI error that the REST API would return, and thereby a failure.

Callers see one kind of error, no matter which of vCenter's APIs a call uses. The names of the faults are included,
because this mapping is the gateway's and not vCenter's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from gateway.errors import Failure
from gateway.transcoding.error_response import ErrorReader
from gateway.vim.schema import Schema
from gateway.vim.values import Data, Fault, Ref

__all__ = ["BY_FAULT", "error_type_of", "failure_of"]

BY_FAULT: Mapping[str, str] = {
    # In vCenter, NotAuthenticated is derived from NoPermission.
    "NotAuthenticated": "UNAUTHENTICATED",
    "InvalidLogin": "UNAUTHENTICATED",
    "AuthenticationRequired": "UNAUTHENTICATED",
    "NoPermission": "UNAUTHORIZED",
    "SecurityError": "UNAUTHORIZED",
    "RestrictedVersion": "UNAUTHORIZED",
    "RestrictedByAdministrator": "UNAUTHORIZED",
    "GuestPermissionDenied": "UNAUTHORIZED",
    # Like the REST API for a guest user with a wrong password.
    "InvalidGuestLogin": "UNAUTHENTICATED",
    "ManagedObjectNotFound": "NOT_FOUND",
    "NotFound": "NOT_FOUND",
    "MethodNotFound": "OPERATION_NOT_FOUND",
    "NotImplemented": "OPERATION_NOT_FOUND",
    "NotSupported": "UNSUPPORTED",
    "InvalidArgument": "INVALID_ARGUMENT",
    "InvalidProperty": "INVALID_ARGUMENT",
    "InvalidName": "INVALID_ARGUMENT",
    "InvalidLocale": "INVALID_ARGUMENT",
    "InvalidPrivilege": "INVALID_ARGUMENT",
    "OutOfBounds": "INVALID_ARGUMENT",
    "InvalidRequest": "INVALID_REQUEST",
    "InvalidVmConfig": "INVALID_ELEMENT_CONFIGURATION",
    "TooManyDevices": "INVALID_ELEMENT_CONFIGURATION",
    "VmConfigFault": "NOT_ALLOWED_IN_CURRENT_STATE",
    "InvalidState": "NOT_ALLOWED_IN_CURRENT_STATE",
    "MethodDisabled": "NOT_ALLOWED_IN_CURRENT_STATE",
    "MethodAlreadyDisabledFault": "NOT_ALLOWED_IN_CURRENT_STATE",
    "OperationDisallowedOnHost": "NOT_ALLOWED_IN_CURRENT_STATE",
    "DisallowedOperationOnFailoverHost": "NOT_ALLOWED_IN_CURRENT_STATE",
    "SnapshotFault": "NOT_ALLOWED_IN_CURRENT_STATE",
    "TaskInProgress": "RESOURCE_BUSY",
    "ConcurrentAccess": "CONCURRENT_CHANGE",
    "DuplicateName": "ALREADY_EXISTS",
    "AlreadyExists": "ALREADY_EXISTS",
    "FileAlreadyExists": "ALREADY_EXISTS",
    "TooManySnapshotLevels": "UNABLE_TO_ALLOCATE_RESOURCE",
    "LimitExceeded": "UNABLE_TO_ALLOCATE_RESOURCE",
    "NotEnoughLicenses": "UNABLE_TO_ALLOCATE_RESOURCE",
    "NoDiskSpace": "UNABLE_TO_ALLOCATE_RESOURCE",
    "InsufficientResourcesFault": "UNABLE_TO_ALLOCATE_RESOURCE",
    "FileLocked": "RESOURCE_IN_USE",
    "FileFault": "RESOURCE_INACCESSIBLE",
    "InvalidDatastore": "RESOURCE_INACCESSIBLE",
    "MigrationFault": "RESOURCE_INACCESSIBLE",
    "HostCommunication": "RESOURCE_INACCESSIBLE",
    "HostConnectFault": "RESOURCE_INACCESSIBLE",
    "ToolsUnavailable": "SERVICE_UNAVAILABLE",
    "GuestOperationsUnavailable": "SERVICE_UNAVAILABLE",
    "Timedout": "TIMED_OUT",
    "RequestCanceled": "CANCELED",
    "SystemError": "INTERNAL_SERVER_ERROR",
    "RuntimeFault": "INTERNAL_SERVER_ERROR",
    "MethodFault": "ERROR",
}
"""vAPI error types by fault name, including all derived faults: the closest one decides."""

_STATISTICS = "vpxd.stats"
_LIMITS = frozenset({"RestrictedByAdministrator"})
_MAX_ARGUMENTS = 20
_FAULT_STATUS = 500
"""The HTTP status of every fault."""


def error_type_of(schema: Schema, fault: Fault) -> str:
    """The vAPI error type of a fault."""
    if fault.type == "InvalidPowerState":
        wanted, found = fault.data.get("requestedState"), fault.data.get("existingState")
        if wanted is not None and wanted == found:
            return "ALREADY_IN_DESIRED_STATE"
    if fault.type in _LIMITS and _STATISTICS in fault.message + str(fault.data.get("details", "")):
        return "UNABLE_TO_ALLOCATE_RESOURCE"
    return next((BY_FAULT[name] for name in schema.lineage(fault.type) if name in BY_FAULT), "ERROR")


def failure_of(schema: Schema, errors: ErrorReader, operation: str, fault: Fault) -> Failure:
    """The failure of a call of `operation` that got this fault, made like those from responses of the REST API."""
    error = {
        "error_type": error_type_of(schema, fault),
        "messages": [
            {
                "id": f"vim.fault.{fault.type}",
                "default_message": fault.message or f"vCenter reported {fault.type}",
                "args": [],
            }
        ],
        "data": _plain(fault.data),
    }
    failure = errors.read(operation, _FAULT_STATUS, {}, orjson.dumps(error))
    # The HTTP status of a fault is meaningless, and the fault of a task has none.
    return replace(failure, metadata={"operation": operation, "vi_fault": fault.type})


def _plain(data: Data) -> dict[str, Any]:
    """The members of a fault that identify its object, argument or state, as JSON."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Ref):
            found[name] = value.value
        elif isinstance(value, str | int | float | bool):
            found[name] = value
        elif isinstance(value, Fault):
            found[name] = value.type
        if len(found) >= _MAX_ARGUMENTS:
            break
    return found
