"""The one exception that operations raise, and its representation on the wire.

Every failure of the simulated vCenter is a `VapiError`: one of the 25 standard error types with its messages. Only the
endpoint turns it into the HTTP status and the JSON body of the `/api` dialect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gateway.simulator.catalogue import load

__all__ = [
    "INSTANCE_UUID",
    "Message",
    "VapiError",
    "already_in_desired_state",
    "device_not_found",
    "error",
    "http_status",
    "internal_server_error",
    "invalid_argument",
    "not_allowed",
    "not_found",
    "of_type",
    "operation_not_found",
    "resource_busy",
    "resource_in_use",
    "resource_inaccessible",
    "service_unavailable",
    "unable_to_allocate",
    "unauthenticated",
    "unauthorized",
    "unknown_url",
    "unsupported",
]

# The catalogue has a status for 17 of the 25 types; that of a conflict is in the OpenAPI document of the content
# libraries. The other seven never occur; these are the statuses that vCenter's REST endpoint uses for malformed
# requests and timeouts.
_UNDOCUMENTED_STATUS = {
    "CANCELED": 400,
    "CONCURRENT_CHANGE": 409,
    "FEATURE_IN_USE": 400,
    "INVALID_ELEMENT_TYPE": 400,
    "INVALID_REQUEST": 400,
    "OPERATION_NOT_FOUND": 404,
    "TIMED_OUT": 504,
    "UNEXPECTED_INPUT": 400,
}

# The virtual center behind the API has its own identifier, which it appends to those of the objects it manages.
INSTANCE_UUID = "5d2c7a4e-91f0-4b86-a3c5-1e6f0d8b42a7"


@dataclass(frozen=True, slots=True)
class Message:
    """A localizable message: its id, the English text with the arguments filled in, and the arguments."""

    id: str
    default_message: str
    args: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The message as in an error body."""
        return {"id": self.id, "default_message": self.default_message, "args": list(self.args)}


_FAILED = Message("com.vmware.api.vcenter.error", "An error has occurred while invoking the operation.")


def http_status(error_type: str) -> int:
    """The HTTP status of a standard error; 500 for a type outside the 25."""
    documented = load().error_statuses.get(error_type)
    return documented or _UNDOCUMENTED_STATUS.get(error_type, HTTPStatus.INTERNAL_SERVER_ERROR)


class VapiError(Exception):
    """A standard error of vCenter: its type, messages, and for some types a data structure or a challenge.

    An ERROR caused by a fault of the VIM API (`vmsg.`) has a first message that states only that.
    """

    def __init__(
        self,
        error_type: str,
        messages: Sequence[Message],
        *,
        data: dict[str, Any] | None = None,
        challenge: str | None = None,
    ) -> None:
        super().__init__(f"{error_type}: {'; '.join(message.default_message for message in messages)}")
        self.error_type = error_type
        is_fault = error_type == "ERROR" and bool(messages) and messages[0].id.startswith("vmsg.")
        self.messages = [_FAILED, *messages] if is_fault else list(messages)
        self.data = data
        self.challenge = challenge

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return http_status(self.error_type)

    def to_json(self) -> dict[str, Any]:
        """The body of the response, without optional parts that are not set."""
        body: dict[str, Any] = {
            "error_type": self.error_type,
            "messages": [message.to_json() for message in self.messages],
        }
        if self.data is not None:
            body["data"] = self.data
        if self.challenge is not None:
            body["challenge"] = self.challenge
        return body


def of_type(error_type: str, message_id: str, text: str, *args: str, data: dict[str, Any] | None = None) -> VapiError:
    """An error with one message; the arguments replace `{0}`, `{1}` in the text, as in vCenter's catalogs."""
    for position, value in enumerate(args):
        text = text.replace(f"{{{position}}}", value)
    return VapiError(error_type, [Message(message_id, text, args)], data=data)


def not_found(kind: str, identifier: str, *, data: dict[str, Any] | None = None) -> VapiError:
    """NOT_FOUND for a virtual machine (`vm`) or any other kind of object, which the kind names."""
    if kind == "vm":
        text = "Virtual machine with identifier '{0}' does not exist."
        return of_type(
            "NOT_FOUND", "com.vmware.api.vcenter.vm.not_found", text, f"{identifier}:{INSTANCE_UUID}", data=data
        )
    text = kind.replace("_", " ").capitalize() + " with identifier '{0}' does not exist."
    return of_type("NOT_FOUND", f"com.vmware.api.vcenter.{kind}.not_found", text, identifier, data=data)


def device_not_found(device: str, vm: str) -> VapiError:
    """NOT_FOUND for a virtual device (disk, nic, CD-ROM, port...) of a virtual machine."""
    text = "Device with identifier {0} does not exist on the virtual machine {1}."
    return of_type("NOT_FOUND", "com.vmware.api.vcenter.vm.device.not_found", text, device, vm)


def not_allowed(message_id: str, text: str, *args: str, data: dict[str, Any] | None = None) -> VapiError:
    """NOT_ALLOWED_IN_CURRENT_STATE: the power state, the configuration or the guest currently forbids it."""
    return of_type("NOT_ALLOWED_IN_CURRENT_STATE", message_id, text, *args, data=data)


def already_in_desired_state(message_id: str, text: str, *args: str) -> VapiError:
    """ALREADY_IN_DESIRED_STATE: there is nothing to do."""
    return of_type("ALREADY_IN_DESIRED_STATE", message_id, text, *args)


def invalid_argument(message_id: str, text: str, *args: str, data: dict[str, Any] | None = None) -> VapiError:
    """INVALID_ARGUMENT: a value that the operation does not accept."""
    return of_type("INVALID_ARGUMENT", message_id, text, *args, data=data)


def resource_in_use(message_id: str, text: str, *args: str) -> VapiError:
    """RESOURCE_IN_USE: an address, a file or a name is taken."""
    return of_type("RESOURCE_IN_USE", message_id, text, *args)


def resource_busy(message_id: str, text: str, *args: str) -> VapiError:
    """RESOURCE_BUSY: another operation is running on the same object."""
    return of_type("RESOURCE_BUSY", message_id, text, *args)


def resource_inaccessible(message_id: str, text: str, *args: str) -> VapiError:
    """RESOURCE_INACCESSIBLE: the configuration currently cannot be read or written."""
    return of_type("RESOURCE_INACCESSIBLE", message_id, text, *args)


def unable_to_allocate(message_id: str, text: str, *args: str) -> VapiError:
    """UNABLE_TO_ALLOCATE_RESOURCE: a limit is reached, or there is no space."""
    return of_type("UNABLE_TO_ALLOCATE_RESOURCE", message_id, text, *args)


def unsupported(message_id: str, text: str, *args: str) -> VapiError:
    """UNSUPPORTED: this virtual machine does not support it in any state."""
    return of_type("UNSUPPORTED", message_id, text, *args)


def service_unavailable(message_id: str, text: str, *args: str) -> VapiError:
    """SERVICE_UNAVAILABLE: a part of vCenter does not respond."""
    return of_type("SERVICE_UNAVAILABLE", message_id, text, *args)


def unauthorized(message_id: str, text: str, *args: str) -> VapiError:
    """UNAUTHORIZED: the user lacks the privilege."""
    return of_type("UNAUTHORIZED", message_id, text, *args)


def unauthenticated(message_id: str, text: str, *args: str, challenge: str | None = None) -> VapiError:
    """UNAUTHENTICATED: by vCenter (then with a challenge), or by the guest operating system."""
    failure = of_type("UNAUTHENTICATED", message_id, text, *args)
    failure.challenge = challenge
    return failure


def error(message_id: str, text: str, *args: str) -> VapiError:
    """ERROR: the system failed for a reason without its own type."""
    return of_type("ERROR", message_id, text, *args)


def internal_server_error(message_id: str, text: str, *args: str) -> VapiError:
    """INTERNAL_SERVER_ERROR: a defect of the server."""
    return of_type("INTERNAL_SERVER_ERROR", message_id, text, *args)


def operation_not_found(message_id: str, text: str, *args: str) -> VapiError:
    """OPERATION_NOT_FOUND: the service has no such operation."""
    return of_type("OPERATION_NOT_FOUND", message_id, text, *args)


def unknown_url() -> VapiError:
    """NOT_FOUND from the REST layer itself: it has no service for this path and verb."""
    return of_type("NOT_FOUND", "com.vmware.vapi.rest.httpNotFound", "Not found.")
