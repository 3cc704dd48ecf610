"""com.vmware.vcenter.resource_pool: the division of the CPU and memory of clusters and hosts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory
from gateway.simulator.listing import listed
from gateway.simulator.places import ResourcePool, Shares
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.resource_pools import Kind, Reservations, hosts_of

__all__ = ["create", "delete", "get", "list_resource_pools", "update"]

_SERVICE = "com.vmware.vcenter.resource_pool"
_LONGEST_NAME = 80
_KINDS: tuple[Kind, ...] = ("cpu", "memory")


def _pool(call: Call) -> ResourcePool:
    pool = call.inventory.places.resource_pools.get(call.path["resource_pool"])
    if pool is None:
        raise errors.not_found("resource_pool", call.path["resource_pool"])
    return pool


@operation(_SERVICE, "list")
def list_resource_pools(call: Call) -> Json:
    """The resource pools that pass every filter."""
    places = call.inventory.places
    found = listed(
        call,
        places.resource_pools.values(),
        {
            "resource_pools": lambda pool: [pool.resource_pool],
            "names": lambda pool: [pool.name],
            "parent_resource_pools": lambda pool: [pool.parent],
            "datacenters": lambda pool: [pool.datacenter],
            "hosts": lambda pool: [host.host for host in hosts_of(call.inventory, pool)],
            "clusters": lambda pool: [pool.cluster],
        },
        kind="resource_pool",
    )
    return [{"resource_pool": pool.resource_pool, "name": pool.name} for pool in found]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The name of a resource pool, its children, and its allocations."""
    pool, pools = _pool(call), call.inventory.places.resource_pools
    return {
        "name": pool.name,
        "resource_pools": [item.resource_pool for item in pools.values() if item.parent == pool.resource_pool],
        "cpu_allocation": _allocation(call.inventory, pool, "cpu"),
        "memory_allocation": _allocation(call.inventory, pool, "memory"),
    }


def _allocation(inventory: Inventory, pool: ResourcePool, kind: Kind) -> dict[str, Any]:
    shares: Shares = getattr(pool, kind)
    if pool.parent is None:
        capacity = Reservations(inventory, kind).capacity(pool)
        shares = replace(shares, reservation=capacity, limit=capacity)
    weight: dict[str, Any] = {"level": shares.level}
    if shares.level == "CUSTOM":
        weight["shares"] = shares.shares
    return {
        "reservation": shares.reservation,
        "expandable_reservation": shares.expandable,
        "limit": shares.limit,
        "shares": weight,
    }


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Creates a resource pool in another one; returns its identifier."""
    places, spec = call.inventory.places, call.spec
    parent = places.resource_pools.get(spec["parent"])
    if parent is None:
        raise errors.not_found("resource_pool", spec["parent"])
    if all(host.connection_state != "CONNECTED" for host in hosts_of(call.inventory, parent)):
        text = "No host of resource pool {0} is connected."
        raise errors.resource_inaccessible(
            "com.vmware.api.vcenter.resource_pool.inaccessible", text, parent.resource_pool
        )
    _check_name(call.inventory, spec["name"], parent.resource_pool)
    cpu, memory = (_shares(spec.get(f"{kind}_allocation") or {}) for kind in _KINDS)
    for kind, shares in zip(_KINDS, (cpu, memory), strict=True):
        _check_room(Reservations(call.inventory, kind), parent, shares)
    pool = ResourcePool(
        places.new_id("resgroup-"),
        spec["name"],
        parent.resource_pool,
        parent.datacenter,
        parent.cluster,
        parent.host,
        cpu,
        memory,
    )
    places.resource_pools[pool.resource_pool] = pool
    return pool.resource_pool


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the name, and replaces whole allocations; omitted fields get their defaults."""
    pool, spec, inventory = _pool(call), call.spec, call.inventory
    if pool.parent is None:
        text = "The root resource pool {0} cannot be changed."
        raise errors.invalid_argument("com.vmware.api.vcenter.resource_pool.root", text, pool.resource_pool)
    name = spec.get("name")
    if name is not None and name != pool.name:
        _check_name(inventory, name, pool.parent)
    parent = inventory.places.resource_pools[pool.parent]
    changed: dict[Kind, Shares] = {}
    for kind in _KINDS:
        if spec.get(f"{kind}_allocation") is not None:
            changed[kind] = shares = _shares(spec[f"{kind}_allocation"])
            reservations = Reservations(inventory, kind, without=pool)
            within = reservations.within(pool)
            needed = max(shares.reservation, within) if shares.expandable else shares.reservation
            if not shares.expandable and within > shares.reservation:
                raise _no_room(pool.resource_pool)
            _check_room(reservations, parent, replace(shares, reservation=needed))
    pool.name = name or pool.name
    pool.cpu, pool.memory = changed.get("cpu", pool.cpu), changed.get("memory", pool.memory)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a resource pool; its contents move to its parent."""
    pool, inventory = _pool(call), call.inventory
    if pool.parent is None:
        text = "The root resource pool {0} cannot be deleted."
        raise errors.unsupported("com.vmware.api.vcenter.resource_pool.root", text, pool.resource_pool)
    for child in inventory.places.resource_pools.values():
        if child.parent == pool.resource_pool:
            child.parent = pool.parent
    for machine in inventory.machines.values():
        if machine.placement.resource_pool == pool.resource_pool:
            machine.placement = replace(machine.placement, resource_pool=pool.parent)
    del inventory.places.resource_pools[pool.resource_pool]


def _check_name(inventory: Inventory, name: str, parent: str) -> None:
    """Validates the name of another pool in the parent."""
    if not 1 <= len(name.strip()) <= _LONGEST_NAME:
        raise errors.invalid_argument("vmsg.InvalidName.summary", "The name '{0}' is invalid.", name)
    if any(pool.name == name and pool.parent == parent for pool in inventory.places.resource_pools.values()):
        raise errors.invalid_argument("vmsg.DuplicateName.summary", "The name '{0}' already exists.", name)


def _shares(spec: Mapping[str, Any]) -> Shares:
    """The allocation in a spec, with the defaults of omitted fields."""
    weight = spec.get("shares") or {"level": "NORMAL"}
    given = {
        field: spec[name]
        for name, field in (
            ("reservation", "reservation"),
            ("expandable_reservation", "expandable"),
            ("limit", "limit"),
        )
        if spec.get(name) is not None
    }
    shares = Shares(**given, level=weight["level"], shares=weight.get("shares"))
    if shares.reservation < 0 or shares.limit < -1 or (shares.limit != -1 and shares.limit < shares.reservation):
        text = "The reservation {0} and the limit {1} are not valid together."
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.resource_pool.invalid_allocation", text, str(shares.reservation), str(shares.limit)
        )
    return shares


def _check_room(reservations: Reservations, parent: ResourcePool, shares: Shares) -> None:
    if shares.reservation > reservations.available(parent):
        raise _no_room(parent.resource_pool)


def _no_room(pool: str) -> errors.VapiError:
    text = "The available resources in the parent resource pool {0} are insufficient for the operation."
    return errors.unable_to_allocate("vmsg.InsufficientResourcesFault.summary", text, pool)
