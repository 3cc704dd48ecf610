"""The gRPC server: handlers made from the bindings, health, reflection, and a graceful stop."""

from gateway.server.gateway import Gateway
from gateway.server.options import ServerOptions

__all__ = ["Gateway", "ServerOptions"]
