"""Maps operations to the functions that implement them, and defines the arguments of these.

A handler is a plain function from a `Call` to the JSON result: no HTTP, no waiting. The request is authenticated,
authorized and validated against the catalogue before the handler is called. It raises `VapiError`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.simulator import errors
from gateway.simulator.catalogue import Catalogue, load
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.sessions import User

__all__ = ["Call", "Handler", "Json", "carry_out", "handlers", "missing_operations", "operation", "perform"]

# A JSON value. Any, because bodies are validated against the catalogue before a handler sees them.
Json = Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one operation, ready to be executed."""

    operation: str
    inventory: Inventory
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Json
    user: User
    clock: Callable[[], datetime]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Header fields by lower-case name."""

    def now(self) -> datetime:
        """The simulator's time, in UTC; tests inject it."""
        return self.clock()

    @property
    def vm(self) -> VirtualMachine:
        """The virtual machine of the path parameter `vm`; NOT_FOUND if it does not exist."""
        identifier = self.path["vm"]
        machine = self.inventory.machines.get(identifier)
        if machine is None:
            raise errors.not_found("vm", identifier)
        return machine

    @property
    def origin(self) -> str:
        """The origin of the request, with which the simulator's URLs begin, also those for hosts and services.

        If a client does not send it, the asterisk is a placeholder that the client fills in.
        """
        scheme = "https" if self.inventory.transfers.secure else "http"
        return f"{scheme}://{self.headers.get('host', '*')}"

    @property
    def spec(self) -> dict[str, Any]:
        """The request body as an object; empty if the operation has none."""
        return self.body if isinstance(self.body, dict) else {}


Handler = Callable[[Call], Json]

# The types of the objects in operations' paths, as far as the VIM API shows them.
_TOUCHED = {
    "vm": "VirtualMachine",
    "host": "HostSystem",
    "cluster": "ClusterComputeResource",
    "resource_pool": "ResourcePool",
    "datacenter": "Datacenter",
    "datastore": "Datastore",
}
# What vCenter counts as a change of a machine's configuration.
_CONFIGURATION = "com.vmware.vcenter.vm.hardware"
# The services that create and remove places of machines.
_PLACES = tuple(f"com.vmware.vcenter.{name}." for name in ("host", "datacenter", "resource_pool"))

_HANDLERS: dict[str, Handler] = {}


def operation(service: str, name: str) -> Callable[[Handler], Handler]:
    """Registers the function as the handler of `service.name`.

    Raises LookupError for a name that is not in the catalogue, and for a second handler.
    """
    key = f"{service}.{name}"

    def register(handler: Handler) -> Handler:
        if key not in load().operations:
            raise LookupError(f"the catalogue has no operation {key}")
        if key in _HANDLERS:
            raise LookupError(f"operation {key} has two handlers")
        _HANDLERS[key] = handler
        return handler

    return register


def handlers() -> Mapping[str, Handler]:
    """Every registered handler by operation id."""
    return _HANDLERS


def carry_out(call: Call) -> Json:
    """Executes a call, and records what it may have changed; raises what the operation raises."""
    done = False
    try:
        result = _HANDLERS[call.operation](call)
        done = True
    finally:
        if not load().operations[call.operation].reads_only:
            _note(call, done=done)
    return result


def perform(call: Call, operation_id: str, body: Json = None, **path: str) -> Json:
    """Executes an operation as a part of another call, for the same user; raises what that operation raises."""
    return carry_out(replace(call, operation=operation_id, path=path, query={}, body=body))


def _note(call: Call, *, done: bool) -> None:
    changes = call.inventory.changes
    for name, kind in _TOUCHED.items():
        if name in call.path:
            configures = done and call.operation.startswith(_CONFIGURATION)
            changes.touched(kind, call.path[name], user=call.user.name, reconfigured=configures)
    if call.operation.startswith(_PLACES):
        changes.restructured()


def missing_operations(catalogue: Catalogue) -> list[str]:
    """The operations of the catalogue without a handler; empty in a complete simulator."""
    return sorted(catalogue.operations.keys() - _HANDLERS.keys())
