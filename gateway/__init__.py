"""The vCenter gRPC gateway: typed gRPC services in front of vCenter's virtual machine REST API."""

__all__ = ["USER_AGENT", "__version__"]

__version__ = "0.2.0"

USER_AGENT = f"vcenter-gateway/{__version__}"
"""The User-Agent of this program's requests."""
