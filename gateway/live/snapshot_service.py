"""`vcenter.gateway.v1.SnapshotService`: the snapshots of virtual machines, through vCenter's VIM API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.calls import Call
from gateway.live.messages import Messages
from gateway.live.required import refuse
from gateway.live.serves import serves
from gateway.live.vim_objects import Opened, machine, not_found, read
from gateway.vim import Data, Ref

__all__ = ["SnapshotService"]

_MAX_NAME = 80
"""Characters. vCenter refuses longer names."""
_QUIESCE_MINUTES = range(5, 241)
_MINUTE = 60
_STATES = {
    "poweredOn": "POWER_STATE_POWERED_ON",
    "poweredOff": "POWER_STATE_POWERED_OFF",
    "suspended": "POWER_STATE_SUSPENDED",
}


class SnapshotService:
    """Each change returns the vCenter task that executes it. A snapshot is only changed if it belongs to the machine in
    the request, because the policy decided about the call by that machine.
    """

    def __init__(self, message: Messages, vim: Opened) -> None:
        self._message = message
        self._vim = vim

    @serves("vcenter.gateway.v1.SnapshotService/ListSnapshots")
    async def list_snapshots(self, call: Call) -> Any:
        """The snapshots of a machine as a tree. Raises GatewayError."""
        request: Any = call.message
        values = await read(self._vim(call), machine(request.vm), "snapshot", "layoutEx")
        info = values.get("snapshot")
        if info is None:
            return self._message("ListSnapshotsResponse")
        current = info.get("currentSnapshot")
        sizes = _sizes(info["rootSnapshotList"], values.get("layoutEx"))
        roots = [self._told(node, current, sizes) for node in info["rootSnapshotList"]]
        return self._message("ListSnapshotsResponse", snapshots=roots, current=current.value if current else None)

    @serves("vcenter.gateway.v1.SnapshotService/CreateSnapshot")
    async def create_snapshot(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        _check_name(request.name)
        arguments: dict[str, Any] = {
            "name": request.name,
            "description": request.description,
            "memory": request.memory,
        }
        if request.quiesce:
            if request.memory:
                raise refuse("quiesce", "must not be set together with memory")
            arguments["quiesceSpec"] = Data("VirtualMachineGuestQuiesceSpec", **_timeout(request))
        elif request.HasField("quiesce_timeout"):
            raise refuse("quiesce_timeout", "must not be set without quiesce")
        return await self._start(call, machine(request.vm), "CreateSnapshotEx_Task", arguments)

    @serves("vcenter.gateway.v1.SnapshotService/RevertToSnapshot")
    async def revert_to_snapshot(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        arguments = {"suppressPowerOn": request.suppress_power_on}
        if not request.snapshot:
            return await self._start(call, machine(request.vm), "RevertToCurrentSnapshot_Task", arguments)
        snapshot = await self._own_snapshot(call)
        return await self._start(call, snapshot, "RevertToSnapshot_Task", arguments)

    @serves("vcenter.gateway.v1.SnapshotService/RemoveSnapshot")
    async def remove_snapshot(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        arguments = {"removeChildren": request.remove_children, "consolidate": _consolidates(request)}
        return await self._start(call, await self._own_snapshot(call), "RemoveSnapshot_Task", arguments)

    @serves("vcenter.gateway.v1.SnapshotService/RemoveAllSnapshots")
    async def remove_all_snapshots(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        arguments = {"consolidate": _consolidates(request)}
        return await self._start(call, machine(request.vm), "RemoveAllSnapshots_Task", arguments)

    @serves("vcenter.gateway.v1.SnapshotService/RenameSnapshot")
    async def rename_snapshot(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        arguments = {name: getattr(request, name) for name in ("name", "description") if request.HasField(name)}
        if not arguments:
            raise refuse("name", "or description is required")
        if "name" in arguments:
            _check_name(request.name)
        await self._vim(call).call(await self._own_snapshot(call), "RenameSnapshot", arguments)
        return self._message("RenameSnapshotResponse")

    async def _start(self, call: Call, obj: Ref, method: str, arguments: Mapping[str, Any]) -> Any:
        """The response of the rpc: the task that the method has started."""
        task: Ref = await self._vim(call).call(obj, method, arguments)
        return self._message(f"{call.binding.method.name}Response", task=task.value)

    async def _own_snapshot(self, call: Call) -> Ref:
        """The snapshot in the request. Raises GatewayError (NOT_FOUND) if the machine does not have it."""
        request: Any = call.message
        client = self._vim(call)
        info = (await read(client, machine(request.vm), "snapshot")).get("snapshot", {})
        for node, _ in _walk(info.get("rootSnapshotList", ())):
            if node["snapshot"].value == request.snapshot:
                found: Ref = node["snapshot"]
                return found
        wanted = Ref("VirtualMachineSnapshot", request.snapshot)
        raise not_found(client, wanted, f"{request.vm} has no snapshot {request.snapshot}")

    def _told(self, node: Data, current: Ref | None, sizes: Mapping[str, int]) -> Any:
        snapshot = node["snapshot"]
        told = self._message(
            "SnapshotInfo",
            snapshot=snapshot.value,
            name=node["name"],
            description=node.get("description", ""),
            power_state=_STATES.get(node["state"]),
            quiesced=node["quiesced"],
            size=sizes.get(snapshot.value),
            current=snapshot == current,
            children=[self._told(child, current, sizes) for child in node.get("childSnapshotList", ())],
        )
        told.created.FromDatetime(node["createTime"])
        return told


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _MAX_NAME:
        raise refuse("name", f"must have from 1 to {_MAX_NAME} characters")


def _timeout(request: Any) -> dict[str, int]:
    """How many minutes quiescing may take, if the request sets it. Raises GatewayError."""
    if not request.HasField("quiesce_timeout"):
        return {}
    seconds = request.quiesce_timeout.seconds
    if request.quiesce_timeout.nanos or seconds % _MINUTE or seconds // _MINUTE not in _QUIESCE_MINUTES:
        most, least = _QUIESCE_MINUTES[-1], _QUIESCE_MINUTES[0]
        raise refuse("quiesce_timeout", f"must be a whole number of minutes from {least} to {most}")
    return {"timeout": seconds // _MINUTE}


def _consolidates(request: Any) -> bool:
    return bool(request.consolidate) if request.HasField("consolidate") else True


def _walk(nodes: Iterable[Data], parent: Ref | None = None) -> Iterator[tuple[Data, Ref | None]]:
    """All nodes of a tree, each with the snapshot above it."""
    for node in nodes:
        yield node, parent
        yield from _walk(node.get("childSnapshotList", ()), node["snapshot"])


def _sizes(roots: Iterable[Data], layout: Data | None) -> dict[str, int]:
    """Bytes by snapshot: of its state, its memory, and the disks that only it has and the one above has not. The disks
    of a snapshot with none above it are those of the machine itself. Unknown ones are missing."""
    if layout is None:
        return {}
    bytes_of = {file["key"]: file["size"] for file in layout.get("file", ())}
    layouts = {each["key"]: each for each in layout.get("snapshot", ())}
    sizes = {}
    for node, parent in _walk(roots):
        own = layouts.get(node["snapshot"])
        if own is None:
            continue
        files = {own["dataKey"], own.get("memoryKey", -1)}
        if parent in layouts:
            files |= _disk_files(own) - _disk_files(layouts[parent])
        sizes[node["snapshot"].value] = sum(bytes_of.get(key, 0) for key in files)
    return sizes


def _disk_files(layout: Data) -> set[int]:
    return {key for disk in layout.get("disk", ()) for unit in disk.get("chain", ()) for key in unit.get("fileKey", ())}
