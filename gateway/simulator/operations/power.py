"""com.vmware.vcenter.vm.power: power operations without the guest operating system."""

from dataclasses import replace

from gateway.simulator import errors
from gateway.simulator.devices import connect_at_start
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import VirtualMachine, invalid_power_state
from gateway.simulator.placement import host_to_start_on, require_room
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "reset", "start", "stop", "suspend"]

_SERVICE = "com.vmware.vcenter.vm.power"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The power state; for a powered-off machine, also whether its guest was shut down cleanly."""
    machine = call.vm
    if machine.power_state != "POWERED_OFF":
        return {"state": machine.power_state}
    return {"state": machine.power_state, "clean_power_off": machine.clean_power_off}


@operation(_SERVICE, "start")
def start(call: Call) -> None:
    """Powers on a powered-off machine, or resumes a suspended one."""
    machine = call.vm
    if machine.template:
        raise errors.unsupported("vmsg.NotSupported.summary", "The operation is not supported on the object.")
    if machine.power_state == "POWERED_ON":
        raise _already(machine, "com.vmware.api.vcenter.vm.power.already_powered_on", "powered on")
    _require_free_disks(call.inventory, machine)
    host = host_to_start_on(call.inventory, machine)
    require_room(call.inventory, host, machine.memory.size_mib)
    machine.placement = replace(machine.placement, host=host)
    resumed = machine.power_state == "SUSPENDED"
    if not resumed:
        machine.hardware_version = machine.hardware_upgrade.at_power_on(
            machine.hardware_version, call.inventory.newest_hardware, clean=machine.clean_power_off
        )
    machine.set_power_state("POWERED_ON", call.now())
    if not resumed:
        connect_at_start(call.inventory, machine)


@operation(_SERVICE, "stop")
def stop(call: Call) -> None:
    """Cuts the power of a running machine, or discards the state of a suspended one."""
    machine = call.vm
    if machine.power_state == "POWERED_OFF":
        raise _already(machine, "com.vmware.api.vcenter.vm.power.already_powered_off", "powered off")
    machine.set_power_state("POWERED_OFF", call.now())


@operation(_SERVICE, "suspend")
def suspend(call: Call) -> None:
    """Suspends a running machine."""
    machine = call.vm
    if machine.power_state == "SUSPENDED":
        raise _already(machine, "com.vmware.api.vcenter.vm.power.already_suspended", "suspended")
    _require_powered_on(machine)
    machine.set_power_state("SUSPENDED", call.now())


@operation(_SERVICE, "reset")
def reset(call: Call) -> None:
    """Restarts a running machine, like its reset button."""
    machine = call.vm
    _require_powered_on(machine)
    machine.set_power_state("POWERED_ON", call.now())


def _already(machine: VirtualMachine, message_id: str, state: str) -> errors.VapiError:
    messages = [
        errors.Message(message_id, f"Virtual machine is already {state}."),
        invalid_power_state(machine.power_state),
    ]
    return errors.VapiError("ALREADY_IN_DESIRED_STATE", messages)


def _require_powered_on(machine: VirtualMachine) -> None:
    machine.require_powered_on("com.vmware.api.vcenter.vm.power.not_powered_on", "Virtual machine is not powered on.")


def _require_free_disks(inventory: Inventory, machine: VirtualMachine) -> None:
    """RESOURCE_IN_USE if a running machine has locked one of the disk files."""
    for disk in machine.disks.values():
        for owner in inventory.usage.owners(disk.vmdk_file):
            if owner is not machine and owner.power_state == "POWERED_ON":
                raise errors.resource_in_use(
                    "vmsg.FileLocked.summary", "Unable to access file {0} since it is locked", disk.vmdk_file
                )
