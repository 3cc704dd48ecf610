"""com.vmware.vcenter.vm.hardware.parallel: the virtual parallel ports, three at most."""

from gateway.simulator.devices import PARALLEL, backing_of, device_info
from gateway.simulator.machine import Device
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "parallel_info", "update"]

_LIMIT = 3


def parallel_info(port: Device) -> Json:
    """The parallel port as `get` returns it."""
    return device_info(port)


PARALLEL.register(parallel_info)


@operation(PARALLEL.service, "create")
def create(call: Call) -> Json:
    """Adds a parallel port to a powered-off machine; by default, it uses one of the host's."""
    machine = call.vm
    PARALLEL.require_powered_off(machine)
    key = PARALLEL.free_key(machine, _LIMIT)
    return PARALLEL.add(call, key, Device(PARALLEL.free_label(machine), backing_of(call.spec.get("backing"))))


@operation(PARALLEL.service, "update")
def update(call: Call) -> None:
    """Changes the backing of a disconnected port, and the flags of any port."""
    spec = call.spec.get("backing")
    PARALLEL.update(call, spec and backing_of(spec))


@operation(PARALLEL.service, "delete")
def delete(call: Call) -> None:
    """Removes a parallel port from a powered-off machine."""
    PARALLEL.delete_from_stopped(call)
