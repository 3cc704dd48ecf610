"""The client of vCenter's REST API: sessions, connections, and the layers that each call passes through."""

from gateway.vcenter.options import VCenterOptions

__all__ = ["VCenterOptions"]
