"""com.vmware.vcenter.vm.tools: version and state of VMware Tools, and their upgrade."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.guest import Guest
from gateway.simulator.guest_access import guest_of, require_tools
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "update", "upgrade"]

_SERVICE = "com.vmware.vcenter.vm.tools"
_MESSAGES = "com.vmware.api.vcenter.vm.tools"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """Version and state; for a powered-off machine, the last reported ones."""
    guest = guest_of(call)
    tools = guest.tools
    info: dict[str, Any] = {
        "auto_update_supported": guest.tools_installed and tools.managed,
        "upgrade_policy": tools.upgrade_policy,
        "run_state": "RUNNING" if guest.tools_running(call.now()) else "NOT_RUNNING",
        "version_status": tools.version_status if guest.tools_installed else "NOT_INSTALLED",
    }
    if tools.attempts:
        info["install_attempt_count"] = tools.attempts
    if tools.error is not None:
        info["error"] = tools.error.to_json()
    if guest.tools_installed:
        info |= {
            "version_number": tools.version,
            "version": tools.version_text,
            "install_type": tools.install_type,
        }
        if call.vm.power_state == "POWERED_ON":
            info["guest_reboot_status"] = {"reboot_requested": False}
    return info


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes when the tools are upgraded. vCenter stores the policy of any machine, even if it has no effect."""
    guest, policy = guest_of(call), call.spec.get("upgrade_policy")
    if policy is not None:
        guest.tools.upgrade_policy = policy


@operation(_SERVICE, "upgrade")
def upgrade(call: Call) -> None:
    """Starts to upgrade the tools of a running guest; `get` returns the progress."""
    guest = guest_of(call)
    call.vm.require_powered_on(f"{_MESSAGES}.not_powered_on", "Virtual machine is not powered on.")
    require_tools(call, guest)
    if guest.tools.upgrade_ends is not None:
        raise errors.already_in_desired_state(
            f"{_MESSAGES}.upgrade_in_progress", "An upgrade of VMware Tools is already in progress."
        )
    if not _upgradable(guest):
        raise errors.error(
            "vmsg.ToolsAutoUpgradeNotSupported.summary",
            "VMware Tools auto-upgrade is not supported: they are managed by the guest operating system.",
        )
    guest.tools.begin_upgrade(call.now(), guest.transition)


def _upgradable(guest: Guest) -> bool:
    return guest.tools_installed and guest.tools.managed
