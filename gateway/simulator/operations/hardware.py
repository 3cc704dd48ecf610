"""com.vmware.vcenter.vm.hardware: the version of the virtual hardware, and its upgrade."""

from gateway.simulator import errors
from gateway.simulator.hardware import unsupported_version
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "update", "upgrade"]

_SERVICE = "com.vmware.vcenter.vm.hardware"
_MESSAGES = "com.vmware.api.vcenter.vm.hardware"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The version, and the planned upgrade."""
    return call.vm.hardware_upgrade.to_json(call.vm.hardware_version)


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Plans an upgrade for a later power-on, or drops the plan."""
    policy: str | None = call.spec.get("upgrade_policy")
    if policy is None:
        return
    if policy == "NEVER":
        call.vm.hardware_upgrade.plan(policy, None)
        return
    call.vm.hardware_upgrade.plan(policy, _newer(call, call.spec.get("upgrade_version")))


@operation(_SERVICE, "upgrade")
def upgrade(call: Call) -> None:
    """Upgrades a powered-off machine; this also fulfills a plan up to that version."""
    machine = call.vm
    machine.require_powered_off(f"{_MESSAGES}.upgrade.not_powered_off", "Virtual machine is not powered off.")
    machine.hardware_version = _newer(call, call.spec.get("version"))
    planned = machine.hardware_upgrade.version
    if planned is not None and planned <= machine.hardware_version:
        machine.hardware_upgrade.plan("NEVER", None)


def _newer(call: Call, wanted: str | None) -> str:
    """The requested version, or the newest one; it must be newer than the machine's."""
    present, newest = call.vm.hardware_version, call.inventory.newest_hardware
    version = wanted or newest
    if version > newest:
        raise unsupported_version(version)
    if version == present:
        raise errors.already_in_desired_state(
            "vmsg.AlreadyUpgraded.summary", "The virtual machine already has the hardware version '{0}'.", version
        )
    if version < present:
        raise errors.invalid_argument(
            f"{_MESSAGES}.version_not_newer",
            "The hardware version '{0}' is not newer than the present one, '{1}'.",
            version,
            present,
        )
    return version
