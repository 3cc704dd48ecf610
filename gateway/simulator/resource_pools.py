"""How much CPU (MHz) and memory (MiB) resource pools can still reserve.

A root pool has the capacity of its hosts. A pool below has its reservation and, if that is expandable, what its parent
has left.
"""

from collections import defaultdict
from typing import Literal

from gateway.simulator.inventory import Inventory
from gateway.simulator.places import Host, ResourcePool, Shares

__all__ = ["Kind", "Reservations", "hosts_of"]

Kind = Literal["cpu", "memory"]

_HOST_MHZ = 64 * 2400


def hosts_of(inventory: Inventory, pool: ResourcePool) -> list[Host]:
    """The hosts whose capacity the pool uses."""
    if pool.host is not None:
        return [inventory.places.hosts[pool.host]]
    return [host for host in inventory.places.hosts.values() if host.cluster == pool.cluster]


class Reservations:
    """All reservations of one kind at one moment; `without` is a pool whose own reservation is ignored."""

    def __init__(self, inventory: Inventory, kind: Kind, without: ResourcePool | None = None) -> None:
        self._inventory = inventory
        self._kind = kind
        self._pools = inventory.places.resource_pools
        self._children: defaultdict[str, list[ResourcePool]] = defaultdict(list)
        for pool in self._pools.values():
            if pool.parent is not None and pool is not without:
                self._children[pool.parent].append(pool)

    def capacity(self, pool: ResourcePool) -> int:
        """The capacity of a root pool's hosts."""
        hosts = hosts_of(self._inventory, pool)
        if self._kind == "cpu":
            return _HOST_MHZ * len(hosts)
        return sum(self._inventory.host_memory_mib[host.host] for host in hosts)

    def within(self, pool: ResourcePool) -> int:
        """What the pools in a pool have reserved."""
        return sum(self._reserved(child) for child in self._children[pool.resource_pool])

    def available(self, pool: ResourcePool) -> int:
        """How much another pool in this one can reserve."""
        if pool.parent is None:
            return self.capacity(pool) - self.within(pool)
        shares = self._shares(pool)
        inside = shares.reservation - self.within(pool)
        return max(inside, 0) + self.available(self._pools[pool.parent]) if shares.expandable else inside

    def _reserved(self, pool: ResourcePool) -> int:
        shares = self._shares(pool)
        return max(shares.reservation, self.within(pool)) if shares.expandable else shares.reservation

    def _shares(self, pool: ResourcePool) -> Shares:
        return pool.cpu if self._kind == "cpu" else pool.memory
