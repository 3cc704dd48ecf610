"""The conditions of `WaitForVm`, and the messages about what is still missing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from google.rpc import code_pb2

from gateway.errors import VCENTER_DOMAIN, Failure, GatewayError, Reason
from gateway.transcoding.encoder import Violation

__all__ = ["Condition", "condition_of"]

Look = tuple[Mapping[str, Any] | None, str]
"""What is missing, empty if the condition is met, and the fields of the response."""

_OF_POLLS = frozenset({"power_state", "removed"})
_FAMILIES = {"ADDRESS_FAMILY_IPV4": 4, "ADDRESS_FAMILY_IPV6": 6}


class Condition:
    """One condition of a machine."""

    def __init__(self, kind: str, condition: Any, state: type[Any]) -> None:
        self._kind = kind
        self._condition = condition
        self._state = state

    def check_source(self, source: str) -> None:
        """Raises GatewayError (UNIMPLEMENTED) if the source does not provide the required state."""
        if source == "SOURCE_POLL" and self._kind not in _OF_POLLS:
            text = "only vCenter's VIM API reports the state of guests, and these credentials do not give access to it"
            raise GatewayError(Failure.of(Reason.VCENTER_TOO_OLD, text))

    def look(self, state: Any) -> Look:
        """Checks an existing machine."""
        missing, more = getattr(self, f"_{self._kind}")(state)
        return (None, missing) if missing else ({"vm": state, **more}, "")

    def gone(self, vm: str) -> Look:
        """The result if the machine does not exist. Raises GatewayError (NOT_FOUND) unless the condition allows
        this."""
        if self._kind == "removed":
            return {"vm": self._state(vm=vm)}, ""
        text = f"there is no virtual machine {vm[:100]!r}, or these credentials may not see it"
        raise GatewayError(Failure(code_pb2.NOT_FOUND, "NOT_FOUND", text, domain=VCENTER_DOMAIN))

    def _power_state(self, state: Any) -> tuple[str, Mapping[str, Any]]:
        if state.power_state == self._condition.power_state:
            return "", {}
        return f"it is {_name(state, 'power_state')}, not {_name(self._condition, 'power_state')}", {}

    def _tools_running(self, state: Any) -> tuple[str, Mapping[str, Any]]:
        if _name(state, "tools") == "RUNNING":
            return "", {}
        return f"VMware Tools is not running{_because_off(state)}", {}

    def _guest_ready(self, state: Any) -> tuple[str, Mapping[str, Any]]:
        missing, _ = self._tools_running(state)
        if not missing and _name(state, "guest_state") != "RUNNING":
            missing = f"the guest operating system is {_name(state, 'guest_state') or 'UNKNOWN'}, not RUNNING"
        return missing, {}

    def _removed(self, state: Any) -> tuple[str, Mapping[str, Any]]:
        return "it still exists", {}

    def _address(self, state: Any) -> tuple[str, Mapping[str, Any]]:
        wanted = self._condition.address
        family = _FAMILIES.get(wanted.DESCRIPTOR.fields_by_name["family"].enum_type.values[wanted.family].name)
        network = wanted.network_name if wanted.HasField("network_name") else None
        nics = [nic for nic in state.addresses.nics if network is None or nic.network_name == network]
        found = [address for nic in nics for address in nic.ip_addresses]
        if network is None and state.addresses.primary:
            found.insert(0, state.addresses.primary)
        for address in found:
            if _counts(address, family):
                return "", {"address": address}
        kind = f"an IPv{family} address" if family else "an address"
        where = f" on the network {network!r}" if network is not None else ""
        if _name(state, "tools") != "RUNNING":
            return f"it does not have {kind}{where}: VMware Tools is not running{_because_off(state)}", {}
        return f"VMware Tools has not reported {kind}{where}", {}


def condition_of(request: Any, state: type[Any]) -> Condition:
    """The condition of a request of `WaitForVm`; `state` is the class of `VmState`. Raises GatewayError
    (INVALID_ARGUMENT)."""
    violations = []
    if not request.vm:
        violations.append(Violation("vm", "is required"))
    kind = request.condition.WhichOneof("condition")
    if kind is None:
        violations.append(Violation("condition", "is required: set one of its fields"))
    elif not getattr(request.condition, kind) and kind != "address":
        violations.append(Violation(f"condition.{kind}", "must be true, or a power state"))
    if violations:
        raise GatewayError(Failure.of_request(violations))
    return Condition(kind, request.condition, state)


def _name(message: Any, field: str) -> str:
    """The value of an enum without its prefix; empty where it is not set."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    value = descriptor.values_by_number.get(getattr(message, field))
    prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return value.name.removeprefix(prefix) if value is not None and value.number else ""


def _because_off(state: Any) -> str:
    power = _name(state, "power_state")
    return f": it is {power}" if power and power != "POWERED_ON" else ""


def _counts(text: str, family: int | None) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        return False
    return family is None or address.version == family
