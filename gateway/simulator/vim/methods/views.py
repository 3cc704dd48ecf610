"""ViewManager and its views."""

from gateway.simulator.vim.faults import VimError, invalid_argument, not_found
from gateway.simulator.vim.objects import TYPES
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.values import Ref
from gateway.simulator.vim.views import ContainerView, ListView

_CONTAINERS = ("Folder", "Datacenter", "ComputeResource", "ClusterComputeResource", "ResourcePool", "HostSystem")


@method("ViewManager", "CreateContainerView")
def _create_container(call: VimCall) -> Ref:
    container = call.arguments.ref("container")
    if call.world.find(container) is None:
        raise not_found(container)
    if container.type not in _CONTAINERS:
        raise invalid_argument("container")
    kinds = tuple(call.arguments.texts("type"))
    for kind in kinds:
        if kind not in TYPES and kind not in ("ManagedEntity", "VirtualApp", "DistributedVirtualSwitch", "StoragePod"):
            raise VimError("InvalidType", f"The type {kind} does not exist.", argument=kind)
    view = ContainerView(call.new_id(), container, kinds, call.arguments.flag("recursive"))
    call.own.objects[view.id] = view
    return Ref(view.type, view.id)


@method("ViewManager", "CreateListView")
def _create_list(call: VimCall) -> Ref:
    view = ListView(call.new_id(), dict.fromkeys(call.arguments.refs("obj")))
    call.own.objects[view.id] = view
    return Ref(view.type, view.id)


@method("ListView", "ModifyListView")
def _modify(call: VimCall) -> list[Ref]:
    """Adds and removes objects; returns those for which that failed."""
    view: ListView = call.subject
    unresolved = []
    for ref in call.arguments.refs("add"):
        if call.world.find(ref) is None:
            unresolved.append(ref)
        else:
            view.refs[ref] = None
    unresolved += [ref for ref in call.arguments.refs("remove") if view.refs.pop(ref, ref) is not None]
    _changed(call)
    return unresolved


@method("ListView", "ResetListView")
def _reset(call: VimCall) -> list[Ref]:
    view: ListView = call.subject
    wanted = call.arguments.refs("obj")
    view.refs = {ref: None for ref in wanted if call.world.find(ref) is not None}
    _changed(call)
    return [ref for ref in wanted if ref not in view.refs]


@method("View", "DestroyView")
def _destroy(call: VimCall) -> None:
    del call.own.objects[call.this.id]


def _changed(call: VimCall) -> None:
    call.world.inventory.changes.touched(call.this.type, call.this.id)
