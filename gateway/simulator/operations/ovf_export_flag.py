"""com.vmware.vcenter.ovf.export_flag: flags for exporting machines as OVF packages."""

from gateway.simulator.ovf import EXPORT_FLAGS, flags
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]


@operation("com.vmware.vcenter.ovf.export_flag", "list")
def list_(call: Call) -> Json:
    """All flags."""
    return flags(EXPORT_FLAGS)
