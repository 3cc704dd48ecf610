"""The gRPC server: handlers for the bindings, health, reflection, and a graceful shutdown."""

from gateway.server.gateway import Gateway
from gateway.server.options import ServerOptions

__all__ = ["Gateway", "ServerOptions"]
