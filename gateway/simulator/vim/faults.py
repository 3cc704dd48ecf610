"""Faults: the errors of methods and tasks of the VIM API, and how they correspond to errors of the REST API.

Many operations of the REST API are internally calls of this API. The identifiers of their messages show it:
`vmsg.InvalidPowerState.summary` is the fault InvalidPowerState.
"""

import re
from typing import Any

from gateway.simulator.errors import Message, VapiError
from gateway.simulator.vim.values import Data, Ref, Typed, write, write_any

__all__ = [
    "VimError",
    "fault_of",
    "invalid_argument",
    "invalid_power_state",
    "localized",
    "no_permission",
    "not_authenticated",
    "not_found",
    "soap_fault",
]

_SUMMARY = re.compile(r"vmsg\.(\w+)\.summary")

# The faults for errors of the REST API whose messages do not name one, and the errors for faults in the REST API.
_BY_TYPE = {
    "ALREADY_EXISTS": "DuplicateName",
    "ALREADY_IN_DESIRED_STATE": "InvalidState",
    "CANCELED": "RequestCanceled",
    "CONCURRENT_CHANGE": "ConcurrentAccess",
    "INVALID_ARGUMENT": "InvalidArgument",
    "INVALID_ELEMENT_CONFIGURATION": "InvalidVmConfig",
    "INVALID_REQUEST": "InvalidRequest",
    "NOT_ALLOWED_IN_CURRENT_STATE": "InvalidState",
    "NOT_FOUND": "ManagedObjectNotFound",
    "RESOURCE_BUSY": "TaskInProgress",
    "RESOURCE_INACCESSIBLE": "InvalidDatastore",
    "RESOURCE_IN_USE": "ResourceInUse",
    "SERVICE_UNAVAILABLE": "ToolsUnavailable",
    "TIMED_OUT": "Timedout",
    "UNABLE_TO_ALLOCATE_RESOURCE": "InsufficientResourcesFault",
    "UNAUTHENTICATED": "NotAuthenticated",
    "UNAUTHORIZED": "NoPermission",
    "UNSUPPORTED": "NotSupported",
}
_BY_FAULT = {fault: kind for kind, fault in _BY_TYPE.items() if kind != "ALREADY_IN_DESIRED_STATE"} | {
    "InvalidPowerState": "NOT_ALLOWED_IN_CURRENT_STATE",
    "NotFound": "NOT_FOUND",
}
# Faults that message identifiers name although the API has another name for them.
_RENAMED = {"NotAFile": "FileFault", "UnsupportedVmVersion": "UnsupportedVmxLocation"}


class VimError(VapiError):
    """A fault with its members. For clients of the REST API, it is also an error."""

    def __init__(self, name: str, text: str = "", /, **members: Any) -> None:
        text = text or f"The operation failed: {name}."
        super().__init__(_BY_FAULT.get(name, "ERROR"), [Message(f"vmsg.{name}.summary", text)])
        self.fault = Data(name, members)
        self.text = text


def fault_of(error: VapiError) -> VimError:
    """The fault for an error in this API."""
    if isinstance(error, VimError):
        return error
    # The most specific message: that of a fault is not the first one if others precede it.
    told = next((message for message in error.messages if _SUMMARY.fullmatch(message.id)), error.messages[0])
    found = _SUMMARY.fullmatch(told.id)
    name = found[1] if found else _BY_TYPE.get(error.error_type, "SystemError")
    name = _RENAMED.get(name, name)
    members: dict[str, Any] = {"reason": told.default_message} if name == "SystemError" else {}
    if name == "InvalidArgument":
        members = {"invalidProperty": "spec"}
    return VimError(name, told.default_message, **members)


def invalid_argument(name: str, text: str = "") -> VimError:
    """InvalidArgument: a parameter is missing or invalid."""
    return VimError("InvalidArgument", text or f"A specified parameter was not correct: {name}", invalidProperty=name)


def not_found(ref: Ref) -> VimError:
    """ManagedObjectNotFound."""
    text = f"The object 'vim.{ref.type}:{ref.id}' has already been deleted or has not been completely created"
    return VimError("ManagedObjectNotFound", text, obj=ref)


def not_authenticated(ref: Ref) -> VimError:
    """NotAuthenticated: no session, or one that has ended."""
    return VimError("NotAuthenticated", "The session is not authenticated.", object=ref, privilegeId="System.View")


def no_permission(ref: Ref, privilege: str = "System.Read") -> VimError:
    """NoPermission: the user of the session lacks a privilege."""
    return VimError("NoPermission", "Permission to perform this operation was denied.", object=ref,
                    privilegeId=privilege)  # fmt: skip


def invalid_power_state(requested: str, existing: str) -> VimError:
    """InvalidPowerState, with the states in this API's form (`poweredOn`)."""
    name = re.sub(r"([A-Z])", lambda letter: f" {letter[1].lower()}", existing).capitalize()
    return VimError(
        "InvalidPowerState",
        f"The attempted operation cannot be performed in the current state ({name}).",
        requestedState=requested,
        existingState=existing,
    )


def localized(error: VapiError) -> Data:
    """The fault inside other data: LocalizedMethodFault."""
    fault = fault_of(error)
    return Data("LocalizedMethodFault", fault=Typed(fault.fault), localizedMessage=fault.text)


def soap_fault(error: VapiError) -> str:
    """The fault as a response."""
    fault = fault_of(error)
    detail = write_any(f"{fault.fault.type}Fault", fault.fault).replace(" ", ' xmlns="urn:vim25" ', 1)
    return (
        f"<soapenv:Fault><faultcode>ServerFaultCode</faultcode>{write('faultstring', fault.text)}"
        f"<detail>{detail}</detail></soapenv:Fault>"
    )
