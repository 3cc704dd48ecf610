"""Distinguishes a lasting state from an outage: vCenter responds with 503 SERVICE_UNAVAILABLE to both.

A part of vCenter may be unavailable; then the same call may succeed a moment later. Or VMware Tools is not running in a
guest, which lasts as long as the machine is off; then a repetition only costs vCenter work. Where the error's `data`
has vAPI's `is_transient`, that decides. Otherwise the ids of the messages do:

- `com.vmware.vapi.*` and `vapi.*` belong to the endpoint in front of the services. It could not pass the call on
  (`com.vmware.vapi.endpoint.cis.ServiceUnavailable`), or it has no room for another session
  (`com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached`). Both may pass.
- `vmsg.HostCommunication.*` and `vmsg.HostNotReachable.*` say that vCenter lost a host for the moment, which may pass.
- Every other id belongs to a service that runs and explains a lasting state. Known are
  `com.vmware.api.vcenter.vm.guest.tools_not_running`,
  `com.vmware.api.vcenter.vm.guest.information_not_available` and `vmsg.GuestOperationsUnavailable.summary`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

__all__ = ["is_lasting"]

_ERROR = "vapi.std.errors.v1.Error"
_MAY_PASS = ("com.vmware.vapi.", "vapi.", "vmsg.HostCommunication.", "vmsg.HostNotReachable.")


def is_lasting(reason: str, details: Iterable[Message]) -> bool:
    """Whether an error, given by its reason and details, is a lasting state that vCenter explains. False for temporary
    states, and for those that vCenter does not explain.
    """
    error: Any = next((detail for detail in details if detail.DESCRIPTOR.full_name == _ERROR), None)
    if reason != "SERVICE_UNAVAILABLE" or error is None:
        return False
    transient = _said_transient(error.data)
    if transient is not None:
        return not transient
    ids = [message.id for message in error.messages if message.id]
    return bool(ids) and not any(found.startswith(_MAY_PASS) for found in ids)


def _said_transient(data: Struct) -> bool | None:
    """The value of vAPI's structure `transient_indication`, bare or wrapped in its name; None if it is missing."""
    for fields in (data.fields, *(value.struct_value.fields for value in data.fields.values())):
        if fields.get("is_transient") is not None and fields["is_transient"].WhichOneof("kind") == "bool_value":
            return bool(fields["is_transient"].bool_value)
    return None
