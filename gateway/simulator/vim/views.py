"""Views: sets of objects that belong to a session, selected by location or by name."""

from dataclasses import dataclass, field

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.sessions import READ
from gateway.simulator.vim.kinds import is_a
from gateway.simulator.vim.values import Ref
from gateway.simulator.vim.world import World

__all__ = ["ContainerView", "ListView", "View", "is_below"]

_KINDS = (
    "VirtualMachine",
    "Folder",
    "Datacenter",
    "ComputeResource",
    "ClusterComputeResource",
    "HostSystem",
    "ResourcePool",
    "Datastore",
    "Network",
)


@dataclass(slots=True)
class ContainerView:
    """The objects in a container, at any depth or directly: the view follows the inventory automatically."""

    id: str
    container: Ref
    kinds: tuple[str, ...]
    """Types of objects; empty for all."""
    recursive: bool
    type: str = "ContainerView"

    @property
    def has_only_machines(self) -> bool:
        """Whether it can contain only machines."""
        return self.kinds == ("VirtualMachine",)

    def contains(self, ref: Ref, world: World) -> bool:
        """Whether an object is currently in the view."""
        if self.kinds and not any(is_a(ref.type, kind) for kind in self.kinds):
            return False
        if world.session is None or READ not in world.session.user.privileges or world.find(ref) is None:
            return False
        return is_below(ref, self.container, world, directly=not self.recursive)

    def members(self, world: World) -> list[Ref]:
        """The current objects in the view."""
        wanted = self.kinds or ("ManagedEntity",)
        # An exception for networks: they are listed together, whatever their type.
        kinds = [kind for kind in _KINDS if any(is_a(kind, name) or is_a(name, kind) for name in wanted)]
        return [ref for kind in kinds for ref in world.all_of(kind) if self.contains(ref, world)]


@dataclass(slots=True)
class ListView:
    """Objects that are named individually."""

    id: str
    refs: dict[Ref, None] = field(default_factory=dict)
    type: str = "ListView"
    has_only_machines: bool = False

    def contains(self, ref: Ref, world: World) -> bool:
        """Whether an object is in the view and exists."""
        return ref in self.refs and world.find(ref) is not None

    def members(self, world: World) -> list[Ref]:
        """The objects in the view that exist."""
        return [ref for ref in self.refs if world.find(ref) is not None]


View = ContainerView | ListView


def is_below(ref: Ref, container: Ref, world: World, *, directly: bool = False) -> bool:
    """Whether an object is inside another one."""
    if ref == container:
        return False
    if ref.type == "VirtualMachine" and container.type not in ("Folder", "Datacenter"):
        return _runs_in(world.find(ref), container, world, directly=directly)
    if container.id == "group-d1" and not directly:
        return True
    above = world.parent_of(ref)
    while above is not None and above != container and not directly:
        above = world.parent_of(above)
    return above == container


def _runs_in(machine: VirtualMachine, container: Ref, world: World, *, directly: bool) -> bool:
    """Whether a machine runs on a host, in a resource pool or in a compute resource."""
    placement = machine.placement
    if container.type == "HostSystem":
        return placement.host == container.id
    if container.type != "ResourcePool":
        host = world.inventory.places.hosts[placement.host]
        return not directly and world.compute_resource(host) == container
    pools = world.inventory.places.resource_pools
    pool: str | None = None if machine.template else placement.resource_pool
    while pool is not None and pool != container.id and not directly:
        pool = pools[pool].parent
    return pool == container.id
