"""com.vmware.vcenter.vm.data_sets.entries: the entries of data sets."""

from gateway.simulator import errors
from gateway.simulator.data_sets import DataSet, size
from gateway.simulator.operations.data_sets import find, require_changeable
from gateway.simulator.registry import Call, Json, operation

__all__ = ["delete", "get", "list_", "set_"]

_SERVICE = "com.vmware.vcenter.vm.data_sets.entries"
_MESSAGES = "com.vmware.api.vcenter.vm.data_sets.entries"
_LONGEST_KEY, _LONGEST_VALUE = 4096, 1 << 20


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The keys."""
    return sorted(_readable(call).entries)


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One value."""
    item = _readable(call)
    return item.entries[_key(call, item)]


@operation(_SERVICE, "set")
def set_(call: Call) -> None:
    """Writes an entry, new or replacing an old one."""
    item, key, value = _writable(call), call.path["key"], call.body
    for what, text, longest in (("key", key, _LONGEST_KEY), ("value", value, _LONGEST_VALUE)):
        if size(text) > longest:
            raise errors.invalid_argument(
                f"{_MESSAGES}.{what}_too_large",
                "The " + what + " of an entry must not have more than {0} bytes.",
                str(longest),
            )
    require_changeable(call.vm)
    call.vm.data_sets.require_room(item.growth(key, value))
    item.put(key, value)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes an entry."""
    item = _writable(call)
    key = _key(call, item)
    require_changeable(call.vm)
    item.remove(key)


def _readable(call: Call) -> DataSet:
    return _allowing(call, "READ_ONLY", "READ_WRITE")


def _writable(call: Call) -> DataSet:
    return _allowing(call, "READ_WRITE")


def _allowing(call: Call, *modes: str) -> DataSet:
    """The data set; UNAUTHORIZED unless it allows the access."""
    item = find(call)
    if item.host not in modes:
        raise errors.unauthorized(
            f"{_MESSAGES}.access_denied",
            "The access mode {1} of the data set with identifier '{0}' does not allow the operation.",
            item.data_set,
            item.host,
        )
    return item


def _key(call: Call, item: DataSet) -> str:
    key = call.path["key"]
    if key not in item.entries:
        raise errors.of_type(
            "NOT_FOUND", f"{_MESSAGES}.not_found", "The data set '{0}' has no entry '{1}'.", item.data_set, key
        )
    return key
