"""vCenter's REST API: sessions, connections, and the layers that a call passes on its way there."""

from gateway.vcenter.credential import Basic, Credential, SessionId, credential_in
from gateway.vcenter.options import VCenterOptions

__all__ = ["Basic", "Credential", "SessionId", "VCenterOptions", "credential_in"]
