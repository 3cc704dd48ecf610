"""Machines by VIM's property collector: one pending request at vCenter for everything that any watcher may need.

The source has its own collector, view and filter in the credential's session. It handles every failure in the same way:
a new collector reports the full state, which is compared with the known state. Only the differences are passed on, so
repeats, lost responses and ended sessions do no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.rpc import code_pb2

from gateway.calls.credential import Credential
from gateway.contract import Contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hub import Hub
from gateway.live.vms.places import PLACE_TYPES, Places
from gateway.live.vms.properties import Draft, VmProperties
from gateway.vcenter.client import VCenter
from gateway.vcenter.retry import RetryPolicy
from gateway.vim.values import Data, ObjectUpdate, Ref

__all__ = ["MACHINE", "VimSource", "inventory_filter", "inventory_view"]

MACHINE = "VirtualMachine"
_PLACE_PATHS = ("name", "parent")
_FIELD_MANAGER, _FIELD_DEFINITIONS = "CustomFieldsManager", "field"
_WAIT_SECONDS = 50
_MOST_UPDATES = 500
"""Maximum number of objects in one response. vCenter has its own maximum, 100 as far as known."""
_HOPELESS = frozenset({code_pb2.UNAUTHENTICATED, code_pb2.PERMISSION_DENIED, code_pb2.UNIMPLEMENTED})
_STARTING_OVER = frozenset({"InvalidCollectorVersion", "ManagedObjectNotFound", "NotAuthenticated"})


class VimSource:
    """The machines that a credential can see."""

    name = "SOURCE_VIM"
    period: float | None = None

    def __init__(self, vcenter: VCenter, credential: Credential, contract: Contract, fields: VmFields) -> None:
        self._vcenter = vcenter
        self._client = vcenter.vim.client(credential)
        self._properties = VmProperties(contract, fields)
        self._paths = self._properties.paths(fields.all)
        self._places = Places(contract)
        self._drafts: dict[str, Draft] = {}
        self._attributes: dict[int, str] = {}
        self._was_followed = False
        """Whether the current collector has reported the full state."""

    async def run(self, hub: Hub) -> None:
        """Follows vCenter until it is cancelled. Raises GatewayError if vCenter rejects the credential."""
        failures, restarts = 0, 0
        while True:
            self._was_followed = False
            try:
                await self._follow(hub)
            except GatewayError as error:
                failure = error.failure
            starts_over = failure.metadata.get("vi_fault") in _STARTING_OVER
            if failure.code in _HOPELESS and not starts_over:
                raise GatewayError(failure)
            restarts = 0 if self._was_followed else restarts + 1
            failures = 1 if self._was_followed else failures + 1
            # If vCenter only requires a new collector, the watchers are not told, unless that repeats.
            if not starts_over:
                hub.lose(failure)
            elif restarts > 1:
                # What vCenter no longer knows is the gateway's own session or collector, nothing of the caller's.
                hub.lose(Failure.of(Reason.VCENTER_CONNECTION_LOST, "vCenter keeps ending the wait for changes"))
            await asyncio.sleep(RetryPolicy.next_watch(failures, failure.retry_delay))

    async def _follow(self, hub: Hub) -> None:
        """Watches with a collector until something goes wrong. Raises GatewayError."""
        client, vim = self._client, self._vcenter.vim
        content = await client.content()
        made: list[tuple[str, Ref]] = []
        try:
            view = await inventory_view(client, content, (MACHINE, *PLACE_TYPES))
            made.append(("DestroyView", view))
            collector: Ref = await client.call(content["propertyCollector"], "CreatePropertyCollector")
            made.append(("DestroyPropertyCollector", collector))
            spec = inventory_filter(view, {MACHINE: self._paths}, content.get("customFieldsManager"))
            await client.call(collector, "CreateFilter", {"spec": spec, "partialUpdates": False})
            await self._updates(hub, collector)
        finally:
            for destroy, obj in reversed(made):
                vim.finish(client.call(obj, destroy))

    async def _updates(self, hub: Hub, collector: Ref) -> None:
        version = ""
        seen: set[str] | None = set()  # The objects of the full state, until that is complete.
        while True:
            updates = await self._client.wait_for_updates(collector, version, seconds=_WAIT_SECONDS, most=_MOST_UPDATES)
            hub.heard()
            if updates is None:
                if seen is not None:
                    # There is always at least one object: even an empty inventory has a folder.
                    text = "vCenter's response has no inventory"
                    raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))
                continue
            version = updates["version"]
            objects = [update for found in updates.get("filterSet", ()) for update in found.get("objectSet", ())]
            self._apply(hub, objects)
            if seen is not None:
                seen.update(update.obj.value for update in objects)
                if not updates.get("truncated"):
                    self._forget_others(hub, seen)
                    seen = None
                    self._was_followed = True
                    hub.synced()

    def _apply(self, hub: Hub, updates: Iterable[ObjectUpdate]) -> None:
        """Applies the changes of some objects."""
        touched: set[str] = set()
        is_about_all = False
        for update in updates:
            identifier, of_type = update.obj.value, update.obj.type
            if of_type == MACHINE:
                if update.kind == "leave":
                    self._drafts.pop(identifier, None)
                    hub.put(identifier, None)
                else:
                    self._properties.update(self._draft(identifier, update), _with_missing(update))
                    touched.add(identifier)
            elif of_type == _FIELD_MANAGER:
                definitions: Sequence[Data] = update.values.get(_FIELD_DEFINITIONS) or ()
                self._attributes = {each["key"]: each.get("name", "") for each in definitions}
                is_about_all = True
            elif update.kind == "leave":
                is_about_all |= self._places.remove(identifier)
            else:
                is_about_all |= self._places.put(update.obj, update.values)
        for identifier in self._drafts if is_about_all else touched & self._drafts.keys():
            hub.put(identifier, self._properties.machine(self._drafts[identifier], self._places, self._attributes))

    def _draft(self, identifier: str, update: ObjectUpdate) -> Draft:
        """The draft that the changes of a machine apply to. A machine that enters is reported completely."""
        draft = self._drafts.get(identifier)
        if draft is None or update.kind == "enter":
            draft = self._drafts[identifier] = self._properties.draft(identifier)
        return draft

    def _forget_others(self, hub: Hub, seen: set[str]) -> None:
        """Removes what the full state no longer contains."""
        for identifier in self._drafts.keys() - seen:
            del self._drafts[identifier]
            hub.put(identifier, None)
        if gone := [identifier for identifier, _ in self._places if identifier not in seen]:
            for identifier in gone:
                self._places.remove(identifier)
            self._apply(hub, ())


def _with_missing(update: ObjectUpdate) -> Mapping[str, Any]:
    """The new values, with None for values that cannot be read."""
    return {**dict.fromkeys(update.missing), **update.values} if update.missing else update.values


async def inventory_view(client: Any, content: Data, types: Sequence[str], root: Ref | None = None) -> Ref:
    """A view of all objects of certain types below a folder, the root folder by default."""
    arguments = {"container": root or content["rootFolder"], "type": list(types), "recursive": True}
    view: Ref = await client.call(content["viewManager"], "CreateContainerView", arguments)
    return view


def inventory_filter(view: Ref, paths: Mapping[str, Sequence[str]], field_manager: Ref | None = None) -> Data:
    """The properties of the objects in a view, with name and parent of every place and the names of custom attributes.

    `paths` are additional properties by type.
    """
    step = Data("TraversalSpec", name="view", type=view.type, path="view", skip=False)
    objects = [Data("ObjectSpec", obj=view, skip=True, selectSet=[step])]
    wanted = {**dict.fromkeys(PLACE_TYPES, _PLACE_PATHS), **paths}
    if field_manager is not None:
        objects.append(Data("ObjectSpec", obj=field_manager, skip=False))
        wanted[_FIELD_MANAGER] = (_FIELD_DEFINITIONS,)
    properties = [
        Data("PropertySpec", type=of_type, all=False, pathSet=list(names)) for of_type, names in wanted.items()
    ]
    return Data("PropertyFilterSpec", propSet=properties, objectSet=objects, reportMissingObjectsInResults=False)
