"""com.vmware.content.type: the types of library items that vCenter understands."""

from gateway.simulator.library import OVF, VM_TEMPLATE
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]

_NAMES = {OVF: "OVF Library Item Type", "iso": "ISO Library Item Type", VM_TEMPLATE: "VM Template Library Item Type"}


@operation("com.vmware.content.type", "list")
def list_(_: Call) -> Json:
    """All types."""
    return [
        {
            "type": kind,
            "name": name,
            "description": f"Support for library items of the type {kind}.",
            "vendor": "VMware, Inc.",
            "version": "1.0",
            **({"supported_rules": ["OVF_STRICT_VERIFICATION"]} if kind == OVF else {}),
        }
        for kind, name in _NAMES.items()
    ]
