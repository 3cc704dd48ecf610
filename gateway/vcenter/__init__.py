"""The way to vCenter: sessions, transports, and the client that the server uses."""

from gateway.vcenter.client import VCenter
from gateway.vcenter.identity import Basic, Identity, SessionId, identity_from_metadata
from gateway.vcenter.options import VCenterOptions

__all__ = [
    "Basic",
    "Identity",
    "SessionId",
    "VCenter",
    "VCenterOptions",
    "identity_from_metadata",
]
