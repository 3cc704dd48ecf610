"""com.vmware.vcenter.vm.hardware.serial: the virtual serial ports, backed by files, devices, pipes or the network."""

from collections.abc import Mapping
from typing import Any

from gateway.simulator.devices import SERIAL, backing_of, device_info
from gateway.simulator.guest_defaults import hardware_version
from gateway.simulator.machine import SerialPort
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "serial_info", "update"]

# Maximum number of ports of a machine, and that of hardware before version 11.
_LIMIT, _OLD_LIMIT, _LIMIT_SINCE = 32, 4, 11


def serial_info(port: SerialPort) -> Json:
    """The serial port as `get` returns it."""
    return {**device_info(port), "yield_on_poll": port.yield_on_poll}


SERIAL.register(serial_info)


@operation(SERIAL.service, "create")
def create(call: Call) -> Json:
    """Adds a serial port to a powered-off machine; by default, it uses one of the host's."""
    machine = call.vm
    SERIAL.require_powered_off(machine)
    key = SERIAL.free_key(machine, _LIMIT if hardware_version(machine) >= _LIMIT_SINCE else _OLD_LIMIT)
    port = SerialPort(SERIAL.free_label(machine), _backing(call.spec.get("backing")))
    port.yield_on_poll = bool(call.spec.get("yield_on_poll"))
    return SERIAL.add(call, key, port)


@operation(SERIAL.service, "update")
def update(call: Call) -> None:
    """Changes the backing of a disconnected port, and the flags of any port."""
    spec = call.spec.get("backing")
    port = SERIAL.update(call, spec and _backing(spec))
    if call.spec.get("yield_on_poll") is not None:
        port.yield_on_poll = call.spec["yield_on_poll"]


@operation(SERIAL.service, "delete")
def delete(call: Call) -> None:
    """Removes a serial port from a powered-off machine."""
    SERIAL.delete_from_stopped(call)


def _backing(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    if spec is not None and spec["type"] in {"PIPE_SERVER", "PIPE_CLIENT"}:
        return backing_of(spec, no_rx_loss=False)
    return backing_of(spec)
