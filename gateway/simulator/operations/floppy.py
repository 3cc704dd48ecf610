"""com.vmware.vcenter.vm.hardware.floppy: the virtual floppy drives, two at most."""

from gateway.simulator.devices import FLOPPY, backing_of, device_info
from gateway.simulator.machine import Device
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "floppy_info", "update"]

_LIMIT = 2


def floppy_info(floppy: Device) -> Json:
    """The floppy drive as `get` returns it."""
    return device_info(floppy)


FLOPPY.register(floppy_info)


@operation(FLOPPY.service, "create")
def create(call: Call) -> Json:
    """Adds a floppy drive to a powered-off machine; by default, it uses one of the host's."""
    machine = call.vm
    FLOPPY.require_powered_off(machine)
    key = FLOPPY.free_key(machine, _LIMIT)
    return FLOPPY.add(call, key, Device(FLOPPY.free_label(machine), backing_of(call.spec.get("backing"))))


@operation(FLOPPY.service, "update")
def update(call: Call) -> None:
    """Changes the backing of a disconnected drive, and the flags of any drive."""
    spec = call.spec.get("backing")
    FLOPPY.update(call, spec and backing_of(spec))


@operation(FLOPPY.service, "delete")
def delete(call: Call) -> None:
    """Removes a floppy drive from a powered-off machine."""
    FLOPPY.delete_from_stopped(call)
