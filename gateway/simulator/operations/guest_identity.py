"""com.vmware.vcenter.vm.guest.identity: the operating system and its host name."""

from gateway.simulator.guest_access import reporting_guest
from gateway.simulator.guest_systems import full_name_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]


@operation("com.vmware.vcenter.vm.guest.identity", "get")
def get(call: Call) -> Json:
    """Operating system, host name and primary address, as the tools report them."""
    guest = reporting_guest(call)
    message_id, text = full_name_of(guest.guest_os)
    identity = {
        "name": guest.guest_os,
        "family": guest.family,
        "full_name": {"id": message_id, "default_message": text, "args": []},
        "host_name": guest.host_name,
    }
    return identity if guest.ip_address is None else identity | {"ip_address": guest.ip_address}
