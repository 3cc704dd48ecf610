"""The vCenter gRPC gateway: typed gRPC services in front of vCenter's virtual machine REST API."""

__all__ = ["__version__"]

__version__ = "0.2.0"
