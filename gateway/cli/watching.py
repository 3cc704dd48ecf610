"""Shows the streams of the command `watch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.cli.failure import CallError
from gateway.cli.lasting import lasting
from gateway.cli.lookup import Lookup
from gateway.cli.place import Place
from gateway.cli.rendering import renderer
from gateway.cli.watch_view import EventLines, TaskLine, View, VmTable
from gateway.contract import load_contract

__all__ = ["identifiers", "make_request", "show", "view_of"]

_SERVICE = "vcenter.gateway.v1.WatchService"


def identifiers(lookup: Lookup, texts: tuple[str, ...], types: frozenset[str], flag: str) -> list[str]:
    """The identifiers of the resources with these names or identifiers."""
    return [lookup.identifier(text, types, flag) for text in texts]


def view_of(kind: str, as_json: bool) -> View:
    """The view for a stream of machines, of a task or of events."""
    if as_json:
        return renderer("json", load_contract(), is_stream=True)
    views: dict[str, type[VmTable | TaskLine | EventLines]] = {"vms": VmTable, "task": TaskLine, "events": EventLines}
    return views[kind]()


def make_request(rpc: str, **fields: Any) -> Any:
    """A request of an rpc of `WatchService`."""
    contract = load_contract()
    return contract.message_class(contract.methods[f"{_SERVICE}/{rpc}"].input_type)(**fields)


def show(
    rpc: str,
    place: Place,
    request: Callable[[Lookup], Any],
    make_view: Callable[[], View],
    after: Callable[[Any, Any], None],
) -> None:
    """Shows a stream until it ends; a lost stream is reopened with what `after` has put into the request."""
    contract = load_contract()
    try:
        with place.opened() as connection:
            made = request(Lookup(connection, contract))
            view = make_view()
            method = contract.methods[f"{_SERVICE}/{rpc}"]
            for message in lasting(connection, method, made, lambda message: after(made, message)):
                view(message)
    except CallError as error:
        error.end()
