"""com.vmware.vcenter.vm.guest.local_filesystem: the space on the guest's file systems."""

from gateway.simulator.guest_access import reporting_guest
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]


@operation("com.vmware.vcenter.vm.guest.local_filesystem", "get")
def get(call: Call) -> Json:
    """The file systems by mount point. Those whose virtual disk has been removed are gone."""
    return {
        path: {
            "capacity": mount.capacity,
            "free_space": mount.free_space,
            "filesystem": mount.filesystem,
            "mappings": [{"disk": mount.disk}],
        }
        for path, mount in reporting_guest(call).mounts.items()
        if mount.disk in call.vm.disks
    }
