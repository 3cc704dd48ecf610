"""com.vmware.vcenter.vm.guest.networking.interfaces: the guest's network interfaces and their addresses."""

from typing import Any

from gateway.simulator.guest_access import guest_of, require_tools
from gateway.simulator.guest_network import interfaces_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]


@operation("com.vmware.vcenter.vm.guest.networking.interfaces", "list")
def list_(call: Call) -> Json:
    """What the tools report; empty if they report nothing."""
    guest = guest_of(call)
    require_tools(call, guest)
    if not guest.reports:
        return []
    result = []
    for interface in interfaces_of(call.vm):
        ip: dict[str, Any] = {"ip_addresses": interface.to_json()}
        if not interface.static:
            ip["dhcp"] = {"ipv4_enabled": True, "ipv6_enabled": False}
        info = {
            "nic": interface.nic,
            "ip": ip,
            "dns": {"ip_addresses": guest.dns_servers, "search_domains": guest.search_domains},
            "dns_values": {"host_name": guest.host_name, "domain_name": guest.domain},
        }
        if interface.mac_address is not None:
            info["mac_address"] = interface.mac_address
        result.append(info)
    return result
