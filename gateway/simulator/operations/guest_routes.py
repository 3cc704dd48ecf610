"""com.vmware.vcenter.vm.guest.networking.routes: the guest's routing table."""

from gateway.simulator.guest_access import guest_of, require_tools
from gateway.simulator.guest_network import routes_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]


@operation("com.vmware.vcenter.vm.guest.networking.routes", "list")
def list_(call: Call) -> Json:
    """What the tools report; empty if they report nothing."""
    guest = guest_of(call)
    require_tools(call, guest)
    return routes_of(call.vm) if guest.reports else []
