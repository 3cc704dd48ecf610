"""Each way in which a step of the example `examples/provision` can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.simulator import Fault, Simulator
from gateway.simulator.exchange import Response
from tests.integration.harness import PASSWORD

__all__ = [
    "CLONE",
    "DELETE",
    "FAILURES",
    "NAME",
    "SERVICE",
    "TASK",
    "WRONG",
    "Failing",
    "fault",
    "full_datastores",
    "lost",
]

NAME = "web-42"
SPEC = f"provision-{NAME}"
SERVICE = "com.vmware.vcenter"
CLONE = f"{SERVICE}.VM.clone_task"
DELETE = f"{SERVICE}.VM.delete"
TASK = "com.vmware.cis.tasks"
WRONG = "not-the-password"


@dataclass(frozen=True, slots=True)
class Failing:
    """A step that fails: what makes it fail, and what the program says."""

    says: str
    prepare: Callable[[Simulator], object] = lambda simulator: None
    arguments: tuple[str, ...] = ()
    password: str = PASSWORD
    transition: float = 0.05


def fault(operation: str, error_type: str, times: int | None = 1) -> Callable[[Simulator], None]:
    """The operation fails with this error."""
    return lambda simulator: simulator.faults.add(Fault.error(error_type), operation=operation, times=times)


def lost(operation: str) -> Callable[[Simulator], None]:
    """The operation runs, and its answer is lost."""
    return lambda simulator: simulator.faults.add(Fault("reset_after"), operation=operation)


def full_datastores(simulator: Simulator) -> None:
    for datastore in simulator.inventory.places.datastores.values():
        datastore.capacity = datastore.used


def no_memory(simulator: Simulator) -> None:
    simulator.inventory.host_memory_mib = dict.fromkeys(simulator.inventory.host_memory_mib, 0)


def maintenance(simulator: Simulator) -> None:
    for host in simulator.inventory.places.hosts.values():
        host.in_maintenance = True


def taken_name(simulator: Simulator) -> None:
    """The first machine of the folder has the name of the new one."""
    machines = simulator.inventory.machines
    machines.rename(next(item for item in machines.values() if item.placement.folder == "group-v31"), NAME)


def taken_spec(simulator: Simulator) -> None:
    specs = simulator.inventory.customization_specs
    specs.create({**specs.record("linux-1-nic").to_json(), "name": SPEC}, simulator.options.clock())


def failed_customization(simulator: Simulator) -> None:
    answer = Fault.answer({"status": "FAILED", "error": "The guest has no Perl."})
    simulator.faults.add(answer, operation=f"{SERVICE}.vm.guest.customization.get", times=None)


def silent_guest(simulator: Simulator) -> None:
    """The guest of the template has tools that report nothing."""
    [template] = [machine for machine in simulator.inventory.machines.values() if machine.template]
    template.guest.reports = False


def refusing_host(simulator: Simulator) -> None:
    """Where the transfers go, nothing is accepted."""
    transfers: Any = simulator.inventory.transfers
    transfers.find = lambda request, machines, now: Response(503, b"full", "text/plain")


def stuck_clone(simulator: Simulator) -> None:
    """The state of the task cannot be read once, and then it cannot be cancelled."""
    fault(f"{TASK}.get", "RESOURCE_INACCESSIBLE")(simulator)
    fault(f"{TASK}.cancel", "UNSUPPORTED")(simulator)


FAILURES = {
    "no-template": Failing("there is no template gold", arguments=("--template", "gold")),
    "no-datacenter": Failing("there is no datacenter DC9", arguments=("--datacenter", "DC9")),
    "no-cluster": Failing("there is no cluster Cluster9", arguments=("--cluster", "Cluster9")),
    "no-folder": Failing("there is no folder Attic", arguments=("--folder", "Attic")),
    "no-network": Failing("there is no network LAN", arguments=("--network", "LAN")),
    "no-tag": Failing("there is no tag x in the category Role", arguments=("--tag", "Role/x")),
    "full-datastores": Failing("no datastore has 76 GiB free", full_datastores),
    "taken-name": Failing(f"there is a machine {NAME} already", taken_name),
    "taken-spec": Failing(f"there is a customization spec {SPEC} already", taken_spec),
    "spec-refused": Failing("(UNAUTHORIZED)", fault(f"{SERVICE}.guest.customization_specs.create", "UNAUTHORIZED")),
    "answer-to-spec-lost": Failing("(VCENTER_CONNECTION_LOST)", lost(f"{SERVICE}.guest.customization_specs.create")),
    "hosts-in-maintenance": Failing("(RESOURCE_INACCESSIBLE)", maintenance),
    "answer-to-clone-lost": Failing("(VCENTER_CONNECTION_LOST)", lost(CLONE)),
    "unreadable-task": Failing("(RESOURCE_INACCESSIBLE)", fault(f"{TASK}.get", "RESOURCE_INACCESSIBLE")),
    "task-not-to-be-cancelled": Failing("(RESOURCE_INACCESSIBLE)", stuck_clone),
    "slow-clone": Failing("the task took longer than 0.5 seconds", arguments=("--timeout", "0.5"), transition=30),
    "tag-refused": Failing("(UNAUTHORIZED)", fault("com.vmware.cis.tagging.tag_association.attach", "UNAUTHORIZED")),
    "no-space-for-disk": Failing(
        "(UNABLE_TO_ALLOCATE_RESOURCE)", fault(f"{SERVICE}.vm.hardware.disk.create", "UNABLE_TO_ALLOCATE_RESOURCE")
    ),
    "busy-for-too-long": Failing(
        "(RESOURCE_BUSY)",
        fault(f"{SERVICE}.vm.hardware.disk.create", "RESOURCE_BUSY", times=None),
        arguments=("--timeout", "0.5"),
    ),
    "card-refused": Failing(
        "(UNABLE_TO_ALLOCATE_RESOURCE)",
        fault(f"{SERVICE}.vm.hardware.ethernet.create", "UNABLE_TO_ALLOCATE_RESOURCE"),
    ),
    "no-memory": Failing("(UNABLE_TO_ALLOCATE_RESOURCE)", no_memory),
    "failed-customization": Failing("the customization failed: The guest has no Perl.", failed_customization),
    "no-address": Failing(
        "the guest's address took longer than 0.5 seconds", silent_guest, arguments=("--timeout", "0.5")
    ),
    "wrong-guest-password": Failing("Failed to authenticate with the guest", password=WRONG),
    "unknown-guest-user": Failing("Failed to authenticate with the guest", arguments=("--guest-user", "eve")),
    "refused-transfer": Failing("the transfer failed: HTTP", refusing_host),
    "failing-program": Failing("exited with 3", arguments=("--script", "#!/bin/sh\nexit 3\n")),
    "endless-program": Failing(
        "setup.sh took longer than 0.5 seconds",
        arguments=("--script", "#!/bin/sh\nsleep 1h\n", "--timeout", "0.5"),
    ),
    "no-report": Failing("(NOT_FOUND)", arguments=("--script", "#!/bin/sh\nhostname\n")),
}
