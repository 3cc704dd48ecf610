"""What becomes of the faults of the VIM API: the errors that callers know from the REST API."""

from __future__ import annotations

from typing import Any

import pytest
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.errors import BY_ERROR_TYPE, VCENTER_DOMAIN, Failure
from gateway.transcoding.error_response import error_reader
from gateway.vim import Data, Fault, Ref
from gateway.vim.faults import BY_FAULT, error_type_of, failure_of
from gateway.vim.schema import load_schema

SCHEMA = load_schema()
ERRORS = error_reader(load_contract())


def fault(name: str, text: str = "It failed.", **members: Any) -> Fault:
    return Fault(name, text, Data(name, **members))


def failure(name: str, text: str = "It failed.", **members: Any) -> Failure:
    return failure_of(SCHEMA, ERRORS, "vim.VirtualMachine.PowerOnVM_Task", fault(name, text, **members))


@pytest.mark.parametrize(
    ("name", "error_type", "code"),
    [
        ("NotAuthenticated", "UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("InvalidLogin", "UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("PasswordExpired", "UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("NoPermission", "UNAUTHORIZED", "PERMISSION_DENIED"),
        ("RestrictedVersion", "UNAUTHORIZED", "PERMISSION_DENIED"),
        ("RestrictedByAdministrator", "UNAUTHORIZED", "PERMISSION_DENIED"),
        ("ManagedObjectNotFound", "NOT_FOUND", "NOT_FOUND"),
        ("NotFound", "NOT_FOUND", "NOT_FOUND"),
        ("MethodNotFound", "OPERATION_NOT_FOUND", "UNIMPLEMENTED"),
        ("NotImplemented", "OPERATION_NOT_FOUND", "UNIMPLEMENTED"),
        ("NotSupported", "UNSUPPORTED", "UNIMPLEMENTED"),
        ("HostAccessRestrictedToManagementServer", "UNSUPPORTED", "UNIMPLEMENTED"),
        ("InvalidArgument", "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("InvalidIndexArgument", "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("InvalidProperty", "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("InvalidRequest", "INVALID_REQUEST", "INVALID_ARGUMENT"),
        ("InvalidType", "INVALID_REQUEST", "INVALID_ARGUMENT"),
        ("InvalidDeviceBacking", "INVALID_ELEMENT_CONFIGURATION", "INVALID_ARGUMENT"),
        ("TooManyDevices", "INVALID_ELEMENT_CONFIGURATION", "INVALID_ARGUMENT"),
        ("CpuHotPlugNotSupported", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("InvalidSnapshotFormat", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("InvalidPowerState", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("QuestionPending", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("MethodDisabled", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("OperationDisallowedOnHost", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("TaskInProgress", "RESOURCE_BUSY", "ABORTED"),
        ("VAppTaskInProgress", "RESOURCE_BUSY", "ABORTED"),
        ("ConcurrentAccess", "CONCURRENT_CHANGE", "ABORTED"),
        ("DuplicateName", "ALREADY_EXISTS", "ALREADY_EXISTS"),
        ("FileAlreadyExists", "ALREADY_EXISTS", "ALREADY_EXISTS"),
        ("MemorySnapshotOnIndependentDisk", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("ApplicationQuiesceFault", "NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("TooManySnapshotLevels", "UNABLE_TO_ALLOCATE_RESOURCE", "RESOURCE_EXHAUSTED"),
        ("NoDiskSpace", "UNABLE_TO_ALLOCATE_RESOURCE", "RESOURCE_EXHAUSTED"),
        ("InsufficientMemoryResourcesFault", "UNABLE_TO_ALLOCATE_RESOURCE", "RESOURCE_EXHAUSTED"),
        ("FileLocked", "RESOURCE_IN_USE", "FAILED_PRECONDITION"),
        ("FileNotFound", "RESOURCE_INACCESSIBLE", "FAILED_PRECONDITION"),
        ("InvalidDatastorePath", "RESOURCE_INACCESSIBLE", "FAILED_PRECONDITION"),
        ("HostNotReachable", "RESOURCE_INACCESSIBLE", "FAILED_PRECONDITION"),
        ("MigrationFault", "RESOURCE_INACCESSIBLE", "FAILED_PRECONDITION"),
        ("ToolsUnavailable", "SERVICE_UNAVAILABLE", "UNAVAILABLE"),
        ("GuestOperationsUnavailable", "SERVICE_UNAVAILABLE", "UNAVAILABLE"),
        ("InvalidGuestLogin", "UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("Timedout", "TIMED_OUT", "DEADLINE_EXCEEDED"),
        ("RequestCanceled", "CANCELED", "CANCELLED"),
        ("SystemError", "INTERNAL_SERVER_ERROR", "INTERNAL"),
        ("UnexpectedFault", "INTERNAL_SERVER_ERROR", "INTERNAL"),
        ("VimFault", "ERROR", "UNKNOWN"),
        ("InvalidCollectorVersion", "ERROR", "UNKNOWN"),
        ("Invented", "ERROR", "UNKNOWN"),
    ],
)
def test_errors_of_faults(name: str, error_type: str, code: str) -> None:
    """A fault is the vAPI error that it or the closest fault above it stands for, and keeps its name."""
    found = failure(name)
    assert (found.reason, found.code_name) == (error_type, code)
    assert found.domain == VCENTER_DOMAIN
    assert dict(found.metadata) == {"operation": "vim.VirtualMachine.PowerOnVM_Task", "vi_fault": name}
    assert found.message == "It failed."


def test_the_table() -> None:
    """It speaks of faults that there are, and of error types that have a code."""
    assert [name for name in BY_FAULT if SCHEMA.shape(name) is None] == []
    assert set(BY_FAULT.values()) <= set(BY_ERROR_TYPE)


def test_every_fault_has_an_error() -> None:
    """No fault of the API is without one: what is derived from VimFault is an error of no certain kind."""
    names = [name for name in SCHEMA._types if "MethodFault" in SCHEMA.lineage(name)]
    assert len(names) > 500
    assert {error_type_of(SCHEMA, fault(name)) for name in names} <= set(BY_ERROR_TYPE)


def test_a_machine_that_is_as_it_should_be() -> None:
    """What is in the wanted state already is told from what is in a wrong one."""
    same = failure("InvalidPowerState", requestedState="poweredOn", existingState="poweredOn")
    other = failure("InvalidPowerState", requestedState="poweredOn", existingState="suspended")
    assert (same.reason, other.reason) == ("ALREADY_IN_DESIRED_STATE", "NOT_ALLOWED_IN_CURRENT_STATE")


@pytest.mark.parametrize("place", ["text", "details"])
def test_a_limit_of_vcenter(place: str) -> None:
    """An administrator's bound on statistics is a matter of the amount and not of permission."""
    text = "config.vpxd.stats.maxQueryMetrics"
    found = (
        failure("RestrictedByAdministrator", text)
        if place == "text"
        else failure("RestrictedByAdministrator", details=text)
    )
    assert found.code == code_pb2.RESOURCE_EXHAUSTED


def test_details() -> None:
    """The details are those of a vAPI error: the text, and which objects and arguments it is about."""
    found = failure("TaskInProgress", "Busy.", task=Ref("Task", "task-0"))
    [error, text] = found.details
    assert (error.messages[0].id, error.messages[0].default_message) == ("vim.fault.TaskInProgress", "Busy.")
    assert dict(error.data) == {"task": "task-0"}
    assert text.message == "Busy."


def test_a_fault_that_says_nothing() -> None:
    """Without a text of vCenter's, its name is what is shown."""
    assert failure("TaskInProgress", "").message == "vCenter reported TaskInProgress"


def test_what_lasts() -> None:
    """A guest without tools is not asked again for a while: that is its state, and no outage."""
    assert failure("ToolsUnavailable").is_lasting
