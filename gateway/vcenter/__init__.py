"""vCenter's REST API: sessions, connections, and the layers that a call passes on its way there."""

from gateway.vcenter.options import VCenterOptions

__all__ = ["VCenterOptions"]
