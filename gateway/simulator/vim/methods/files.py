"""Screenshots, and the deletion of their files."""

from itertools import count

from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.faults import VimError, invalid_argument, invalid_power_state
from gateway.simulator.vim.files import picture
from gateway.simulator.vim.machine_properties import POWER_STATES
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.running import start, start_on
from gateway.simulator.vim.values import Ref

__all__: list[str] = []


@method("VirtualMachine", "CreateScreenshot_Task", privilege=WRITE)
def _screenshot(call: VimCall) -> Ref:
    machine = call.machine

    def work() -> str:
        if machine.power_state != "POWERED_ON":
            raise invalid_power_state("poweredOn", POWER_STATES[machine.power_state])
        files = call.world.screenshots
        base = f"{machine.directory}/{machine.home or machine.name}"
        path = next(path for number in count(1) if (path := f"{base}-{number}.png") not in files)
        files[path] = picture(f"{machine.vm}/{path}")
        return path

    return start_on(call, machine, "CreateScreenshot_Task", work)


@method("FileManager", "DeleteDatastoreFile_Task", privilege=WRITE)
def _delete(call: VimCall) -> Ref:
    name = call.arguments.text("name")
    place = call.world.inventory.places.datastore_of(name)
    datacenter = call.arguments.optional_ref("datacenter")
    if not name.startswith("["):
        raise VimError("InvalidDatastorePath", f"Invalid datastore path '{name}'.", datastorePath=name)
    if datacenter is None:
        raise invalid_argument("datacenter")

    def work() -> None:
        known = place is not None and place.datacenter == datacenter.id
        if not known or call.world.screenshots.pop(name, None) is None:
            raise VimError("FileNotFound", f"File {name} was not found", file=name)

    return start(call, "DeleteDatastoreFile_Task", Ref("FileManager", "FileManager"), work)
