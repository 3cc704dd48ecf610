"""com.vmware.vcenter.vm.guest.networking: the guest's names and DNS servers."""

from gateway.simulator.guest_access import guest_of, require_tools
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]


@operation("com.vmware.vcenter.vm.guest.networking", "get")
def get(call: Call) -> Json:
    """DNS names and settings; neither if the tools report nothing."""
    guest = guest_of(call)
    require_tools(call, guest)
    if not guest.reports:
        return {}
    return {
        "dns_values": {"host_name": guest.host_name, "domain_name": guest.domain},
        "dns": {"ip_addresses": guest.dns_servers, "search_domains": guest.search_domains},
    }
