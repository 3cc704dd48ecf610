"""Services that the gateway implements itself: `vcenter.gateway.v1`, one module for each service."""

from gateway.live.gateway_service import GatewayService
from gateway.live.machine_services import MachineServices
from gateway.live.serves import local_endpoints, serves
from gateway.live.services import WatchingServices
from gateway.live.vms.hubs import HubLimits

__all__ = ["GatewayService", "HubLimits", "MachineServices", "WatchingServices", "local_endpoints", "serves"]
