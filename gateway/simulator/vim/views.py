"""Views: sets of objects that belong to a session, by where objects are or by name."""

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
    """What is in a container, at any depth or directly: it follows the inventory by itself."""

    id: str
    container: Ref
    kinds: tuple[str, ...]
    """Types of objects; empty for all."""
    recursive: bool
    type: str = "ContainerView"

    @property
    def has_only_machines(self) -> bool:
        """Whether nothing but machines can be in it."""
        return self.kinds == ("VirtualMachine",)

    def contains(self, ref: Ref, world: World) -> bool:
        """Whether an object is in the view now."""
        if self.kinds and not any(is_a(ref.type, kind) for kind in self.kinds):
            return False
        if world.session is None or READ not in world.session.user.privileges or world.find(ref) is None:
            return False
        return is_below(ref, self.container, world, directly=not self.recursive)

    def members(self, world: World) -> list[Ref]:
        """What is in the view now."""
        wanted = self.kinds or ("ManagedEntity",)
        # Not of their own types: networks are listed together, whatever they are.
        kinds = [kind for kind in _KINDS if any(is_a(kind, name) or is_a(name, kind) for name in wanted)]
        return [ref for kind in kinds for ref in world.all_of(kind) if self.contains(ref, world)]


@dataclass(slots=True)
class ListView:
    """Objects that were named one by one."""

    id: str
    refs: dict[Ref, None] = field(default_factory=dict)
    type: str = "ListView"
    has_only_machines: bool = False

    def contains(self, ref: Ref, world: World) -> bool:
        """Whether an object is in the view, and there at all."""
        return ref in self.refs and world.find(ref) is not None

    def members(self, world: World) -> list[Ref]:
        """What is in the view and there."""
        return [ref for ref in self.refs if world.find(ref) is not None]


View = ContainerView | ListView


def is_below(ref: Ref, container: Ref, world: World, *, directly: bool = False) -> bool:
    """Whether an object is in another one."""
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
