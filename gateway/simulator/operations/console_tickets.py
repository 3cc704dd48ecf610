"""com.vmware.vcenter.vm.console.tickets: one-time addresses of the consoles of virtual machines."""

import secrets

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create"]

_DOMAIN = "vsphere.local"


@operation("com.vmware.vcenter.vm.console.tickets", "create")
def create(call: Call) -> Json:
    """A ticket. Anyone who has it can open the console, so it is random and not stored anywhere.

    VMRC refers to vCenter and is available for every machine; WEBMKS refers to the host of a running machine.
    """
    machine, kind = call.vm, call.spec["type"]
    if kind not in call.inventory.console_ticket_types:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.console.tickets.unsupported_type",
            "Console tickets of type {0} are not supported by the server.",
            kind,
        )
    if kind == "VMRC":
        secret = secrets.token_hex(16)
        return {"ticket": f"vmrc://clone:cst-VCT-{secret}@vcenter.{_DOMAIN}:443/?moid={machine.vm}"}
    machine.require_powered_on(
        "com.vmware.api.vcenter.vm.console.tickets.not_allowed_in_current_state",
        "A web console ticket can be acquired only when the virtual machine is powered on.",
    )
    return {"ticket": f"wss://{machine.placement.host}.{_DOMAIN}:443/ticket/{secrets.token_hex(8)}"}
