"""Services that the gateway implements itself: `vcenter.gateway.v1`, one module a service."""

from gateway.live.gateway_service import GatewayService
from gateway.live.serves import local_endpoints, serves

__all__ = ["GatewayService", "local_endpoints", "serves"]
