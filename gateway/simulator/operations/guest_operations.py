"""com.vmware.vcenter.vm.guest.operations: whether operations in the guest are currently possible."""

from gateway.simulator import errors
from gateway.simulator.guest_access import guest_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]


@operation("com.vmware.vcenter.vm.guest.operations", "get")
def get(call: Call) -> Json:
    """Readiness for operations in general, and for those in the desktop session."""
    if call.vm.inaccessible:
        raise errors.service_unavailable(
            "com.vmware.api.vcenter.vm.guest.tools_state_unknown",
            "The state of VMware Tools in the virtual machine with identifier '{0}' is not known.",
            call.vm.vm,
        )
    guest = guest_of(call)
    ready = guest.tools_running(call.now()) and guest.operations_supported and not guest.operations_disabled
    return {
        "guest_operations_ready": ready,
        "interactive_guest_operations_ready": ready and guest.desktop_user is not None,
    }
