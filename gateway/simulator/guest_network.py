"""The network of a guest as its tools report it: the interfaces of its nics, their addresses, and its routes.

Nothing of it is stored: it is derived from the nics of the machine and from the address of the guest. The first nic has
the guest's own address; other nics have addresses in adjacent networks, as long as they are connected.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

from gateway.simulator.guest import Guest
from gateway.simulator.machine import Nic, VirtualMachine

__all__ = ["Interface", "interfaces_of", "routes_of"]

_PREFIX = 24
_GATEWAY = 254
_LINK_LOCAL = "fe80::"
_LINK_LOCAL_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of a guest."""

    nic: str
    mac_address: str | None
    up: bool
    ipv4: ipaddress.IPv4Interface | None
    static: bool

    @property
    def link_local(self) -> str | None:
        """The address that the interface derives from its MAC address (RFC 4291); None while it is down."""
        if self.mac_address is None or not self.up:
            return None
        octets = bytes.fromhex(self.mac_address.replace(":", ""))
        eui = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
        return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui))

    def to_json(self) -> list[dict[str, Any]]:
        """The addresses as the interfaces' service returns them."""
        addresses = []
        if self.ipv4 is not None:
            addresses.append(
                {
                    "ip_address": str(self.ipv4.ip),
                    "prefix_length": self.ipv4.network.prefixlen,
                    "origin": "MANUAL" if self.static else "DHCP",
                    "state": "PREFERRED" if self.up else "INACCESSIBLE",
                }
            )
        if self.link_local is not None:
            addresses.append(
                {
                    "ip_address": self.link_local,
                    "prefix_length": _LINK_LOCAL_PREFIX,
                    "origin": "LINKLAYER",
                    "state": "PREFERRED",
                }
            )
        return addresses


def interfaces_of(machine: VirtualMachine) -> list[Interface]:
    """The interfaces in the order of the nics."""
    nics = sorted(machine.nics.items(), key=lambda item: int(item[0]))
    return [_interface(machine.guest, position, key, nic) for position, (key, nic) in enumerate(nics)]


def routes_of(machine: VirtualMachine) -> list[dict[str, Any]]:
    """The default route, and one to the network of each address; interfaces are identified by their position."""
    routes: list[dict[str, Any]] = []
    for position, interface in enumerate(interfaces_of(machine)):
        if not interface.up:
            continue
        if interface.ipv4 is not None:
            network = interface.ipv4.network
            if position == 0:
                gateway = str(network.network_address + _GATEWAY)
                routes.append({**_route("0.0.0.0", 0, position), "gateway_address": gateway})  # noqa: S104 - a route
            routes.append(_route(str(network.network_address), network.prefixlen, position))
        if interface.link_local is not None:
            routes.append(_route(_LINK_LOCAL, _LINK_LOCAL_PREFIX, position))
    return routes


def _interface(guest: Guest, position: int, key: str, nic: Nic) -> Interface:
    up = nic.state == "CONNECTED"
    address = None
    if guest.ip_address is not None and ":" not in guest.ip_address and (position == 0 or up):
        ip = ipaddress.IPv4Address(guest.ip_address) + (position << 16)
        address = ipaddress.IPv4Interface(f"{ip}/{_PREFIX}")
    return Interface(key, nic.mac_address, up, address, guest.address_is_static and position == 0)


def _route(network: str, prefix: int, interface: int) -> dict[str, Any]:
    return {"network": network, "prefix_length": prefix, "interface_index": interface}
