"""com.vmware.content.library.usages: what uses a library, which then cannot be deleted by mistake."""

import re

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.library import Library, Usage
from gateway.simulator.registry import Call, Json, operation

__all__ = ["add", "get", "list_", "remove"]

_SERVICE = "com.vmware.content.library.usages"
_MESSAGES = "com.vmware.vdcs.cls-main"
_URN = re.compile(r"[^:]+:[^:]+:[^:]+:[^:]+")


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All usages of a library."""
    usages = _library(call).usages
    return {"library_usage_list": [{"usage": key, "resource_urn": usage.urn} for key, usage in usages.items()]}


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One usage."""
    key, usage = _usage(call)
    return {"usage": key, "resource_urn": usage.urn, "addition_time": timestamp(usage.time)}


@operation(_SERVICE, "add")
def add(call: Call) -> Json:
    """Records that something uses a library."""
    library, urn = _library(call), call.spec["resource_urn"]
    if not _URN.fullmatch(urn):
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_urn", "The URN '{0}' is invalid.", urn)
    if any(usage.urn == urn for usage in library.usages.values()):
        text = "The resource '{0}' uses the library '{1}' already."
        raise errors.of_type("ALREADY_EXISTS", f"{_MESSAGES}.usage_exists", text, urn, library.library)
    key = call.inventory.libraries.new_id()
    library.usages[key] = Usage(urn, call.now())
    return key


@operation(_SERVICE, "remove")
def remove(call: Call) -> None:
    """Removes a usage."""
    key, _ = _usage(call)
    del _library(call).usages[key]


def _library(call: Call) -> Library:
    return call.inventory.libraries.library(call.path["library"])


def _usage(call: Call) -> tuple[str, Usage]:
    key = call.path["usage"]
    usage = _library(call).usages.get(key)
    if usage is None:
        raise errors.of_type(
            "NOT_FOUND", f"{_MESSAGES}.usage_not_found", "The usage with identifier '{0}' does not exist.", key
        )
    return key, usage
