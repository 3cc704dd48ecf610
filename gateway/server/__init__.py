"""The gRPC server: handlers made from the bindings, health, reflection, and a graceful stop."""

from gateway.server.gateway import Gateway, ServerOptions

__all__ = ["Gateway", "ServerOptions"]
