"""The cases that removable devices have in common, written once for all five kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.machine import Device, VirtualMachine
from tests.integration.cases import ErrorCase, Json, Success

__all__ = ["OFF", "ON", "SUSPENDED", "DeviceKind", "machine", "shared_errors", "shared_successes"]

ON, OFF, SUSPENDED = "vm-1001", "vm-1002", "vm-1018"
UNKNOWN = "99999"
POWER = "vmsg.InvalidPowerState.summary"
FAILED = "vmsg.GenericVmConfigFault.summary"
DEVICE = "com.vmware.api.vcenter.vm.device"


def machine(simulator: Simulator, vm: str) -> VirtualMachine:
    """The state of one machine."""
    return simulator.inventory.machines[vm]


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """One kind of device as the protos name it, with the first device of `vm-1001` and `vm-1002`."""

    noun: str
    field: str
    device: str
    devices: Callable[[VirtualMachine], Mapping[str, Any]]

    def rpc(self, verb: str) -> str:
        """The full name of the rpc: Get, Create, Connect..."""
        return f"vcenter.vm.hardware.v1.{self.noun}Service/{verb}{self.noun}"

    def request(self, vm: str, device: str | None = None, **spec: Any) -> dict[str, Any]:
        """A request about one device; keyword arguments make the spec."""
        request: dict[str, Any] = {"vm": vm, self.field: device or self.device}
        return {**request, "spec": spec} if spec else request

    def found(self, simulator: Simulator, vm: str, device: str | None = None) -> Any:
        """The state of one device."""
        return self.devices(machine(simulator, vm))[device or self.device]

    def set(self, vm: str = ON, device: str | None = None, **attributes: Any) -> Callable[[Simulator], None]:
        """A setup that gives a device another state, backing..."""

        def setup(simulator: Simulator) -> None:
            for name, value in attributes.items():
                setattr(self.found(simulator, vm, device), name, value)

        return setup

    def success(self, id: str, verb: str, request: Json, **more: Any) -> Success:  # noqa: A002 - the name of the field
        """A call that succeeds."""
        return Success(id=id, rpc=self.rpc(verb), request=request, **more)

    def changed(self, id: str, request: Json, *, setup: Any = None, **expected: Any) -> Success:  # noqa: A002
        """An update after which the device has the expected attributes."""

        def check(_: Any, simulator: Simulator) -> None:
            device = self.found(simulator, request["vm"], request[self.field])
            assert {name: getattr(device, name) for name in expected} == expected

        return self.success(id, "Update", request, response={}, check=check, setup=setup)

    def created(self, id: str, vm: str, key: str, *, setup: Any = None, spec: Json, **expected: Any) -> Success:  # noqa: A002
        """A creation after which the new device has the expected attributes."""

        def check(_: Any, simulator: Simulator) -> None:
            device = self.found(simulator, vm, key)
            assert {name: getattr(device, name) for name in expected} == expected

        request = {"vm": vm, "spec": spec}
        return self.success(id, "Create", request, response={self.field: key}, check=check, setup=setup)

    def error(self, verb: str, error: str, request: Json, *messages: str, **more: Any) -> ErrorCase:
        """A call that is refused."""
        return ErrorCase(rpc=self.rpc(verb), error=error, request=request, messages=messages, **more)

    def state(self, expected: str, vm: str = ON) -> Callable[[Any, Simulator], None]:
        """A check that the device is in that state."""

        def check(_: Any, simulator: Simulator) -> None:
            device: Device = self.found(simulator, vm)
            assert device.state == expected

        return check

    def gone(self, vm: str) -> Callable[[Any, Simulator], None]:
        """A check that the device is no more."""

        def check(_: Any, simulator: Simulator) -> None:
            assert self.device not in self.devices(machine(simulator, vm))

        return check


def shared_successes(kind: DeviceKind) -> Iterator[Success]:
    """Connecting, disconnecting, and the flags, which can be changed at any time."""
    connected = kind.set(state="CONNECTED")
    yield kind.success(
        "connects",
        "Connect",
        kind.request(ON),
        response={},
        check=kind.state("CONNECTED"),
        setup=kind.set(state="NOT_CONNECTED"),
    )
    yield kind.success(
        "disconnects",
        "Disconnect",
        kind.request(ON),
        response={},
        check=kind.state("NOT_CONNECTED"),
        setup=connected,
    )
    yield kind.changed(
        "flags of a connected device",
        kind.request(ON, start_connected=True, allow_guest_control=False),
        setup=connected,
        start_connected=True,
        allow_guest_control=False,
        state="CONNECTED",
    )
    yield kind.changed(
        "unset flags are retained",
        kind.request(OFF, start_connected=False),
        setup=kind.set(OFF, start_connected=True, allow_guest_control=True),
        start_connected=False,
        allow_guest_control=True,
    )


def shared_errors(kind: DeviceKind) -> Iterator[ErrorCase]:
    """Devices that do not exist, and connections that cannot be made or are there already."""
    for verb in ("Get", "Update", "Delete", "Connect", "Disconnect"):
        spec = {"start_connected": True} if verb == "Update" else {}
        yield kind.error(
            verb, "NOT_FOUND", kind.request(ON, UNKNOWN, **spec), f"{DEVICE}.not_found", id="no such device"
        )
    for verb in ("Connect", "Disconnect"):
        yield kind.error(
            verb,
            "NOT_ALLOWED_IN_CURRENT_STATE",
            kind.request(OFF),
            f"{DEVICE}.not_powered_on",
            POWER,
            id="powered off",
        )
    yield kind.error(
        "Connect",
        "ALREADY_IN_DESIRED_STATE",
        kind.request(ON),
        f"{DEVICE}.already_connected",
        setup=kind.set(state="CONNECTED"),
    )
    yield kind.error(
        "Disconnect",
        "ALREADY_IN_DESIRED_STATE",
        kind.request(ON),
        f"{DEVICE}.already_disconnected",
        setup=kind.set(state="NOT_CONNECTED"),
    )
