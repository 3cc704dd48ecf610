"""Where the answers of vCenter are read."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gateway.contract import load_contract
from gateway.errors import GatewayError
from gateway.events import Events
from gateway.transcoding import RestResponse, compile_bindings
from gateway.vcenter import translating as module
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.translating import translating
from tests.calls import call_of

READ = "vcenter.vm.v1.PowerService/GetPower"
LIMIT = 1000


class _Threads(Events):
    """Keeps the threads in which answers are read."""

    def __init__(self) -> None:
        self.found: list[threading.Thread] = []

    def unknown_field(self, message: str, field: str) -> None:
        self.found.append(threading.current_thread())


async def no_release() -> str | None:
    raise AssertionError("nobody needs to know the release")


@pytest.mark.parametrize(
    ("size", "in_its_place"), [(LIMIT - 1, False), (LIMIT, True), (LIMIT + 1, True)], ids=["below", "at", "above"]
)
async def test_large_answers(monkeypatch: pytest.MonkeyPatch, size: int, in_its_place: bool) -> None:
    """They are read by another thread, before their place with vCenter is given back; small ones at once."""
    monkeypatch.setattr(module, "_LARGE", LIMIT)
    threads, read_before = _Threads(), []

    async def send(exchange: Exchange) -> RestResponse:
        response = RestResponse(200, {}, b'{"state": "POWERED_ON", "new": 1}'.ljust(size))
        assert exchange.read is not None
        if (reading := exchange.read(response)) is not None:
            await reading
        read_before.append(len(threads.found))
        return response

    await translating(threads, no_release)(send)(call_of(compile_bindings(load_contract())[READ], {"vm": "vm-1"}))
    assert read_before == [int(in_its_place)]
    [thread] = threads.found
    assert (thread is threading.current_thread()) is not in_its_place


MISSING = b"""{"error_type": "NOT_FOUND", "messages":
    [{"id": "com.vmware.vapi.rest.httpNotFound", "default_message": "Not found.", "args": []}]}"""


@pytest.mark.parametrize(
    ("release", "text"),
    [
        pytest.param("7.0.3.0", "ListDataSets needs vCenter 8.0.0.0 or later, but this is 7.0.3", id="older"),
        pytest.param("8.0.0.0", "Not found. This vCenter does not have the operation;", id="the-one-that-brought-it"),
        pytest.param(None, "Not found. This vCenter does not have the operation;", id="unknown"),
    ],
)
async def test_missing_operations(release: str | None, text: str) -> None:
    """What an older vCenter does not have fails with the release that brought it."""

    async def send(exchange: Exchange) -> RestResponse:
        return RestResponse(404, {"content-type": "application/json"}, MISSING)

    async def told() -> str | None:
        return release

    call = call_of(compile_bindings(load_contract())["vcenter.vm.v1.DataSetsService/ListDataSets"], {"vm": "vm-1"})
    with pytest.raises(GatewayError) as caught:
        await translating(Events(), told)(send)(call)
    failure = caught.value.failure
    assert (failure.code_name, failure.reason) == ("UNIMPLEMENTED", "OPERATION_NOT_FOUND")
    assert failure.message.startswith(text)
    assert failure.metadata.get("since") == ("8.0.0.0" if release == "7.0.3.0" else None)


HEADER_FIELDS = {
    name: field.name
    for name, method in load_contract().methods.items()
    for field in method.input_type.fields
    if field.full_name in load_contract().moved and load_contract().moved[field.full_name].header
}
"""The fields that newer releases expect in a header, by rpc."""
REQUESTS: dict[str, dict[str, Any]] = {
    "content.library.v1.ItemService/CreateItem": {"spec": {"name": "x"}},
    "content.library.v1.ItemService/CopyItem": {"source_library_item_id": "a", "spec": {"name": "x"}},
    "vcenter.ovf.v1.LibraryItemService/CreateOvfLibraryItem": {
        "source": {"type": "VirtualMachine", "id": "vm-1"},
        "target": {"library_id": "a"},
        "create_spec": {"name": "x"},
    },
    "vcenter.ovf.v1.LibraryItemService/DeployOvfLibraryItem": {
        "ovf_library_item_id": "a",
        "target": {"resource_pool_id": "p"},
        "deployment_spec": {"accept_all_eula": True},
    },
}
"""A valid request of each."""


@pytest.mark.parametrize(
    ("release", "target", "header"),
    [
        pytest.param("8.0.3.0", "/api/content/library/item?client_token=a%2Fb", None, id="query"),
        pytest.param(None, "/api/content/library/item?client_token=a%2Fb", None, id="unknown"),
        pytest.param("9.0.0.0", "/api/content/library/item", "a/b", id="header"),
    ],
)
async def test_moved_parameters(release: str | None, target: str, header: str | None) -> None:
    """A client token goes out as the vCenter at hand takes it."""
    sent: list[Exchange] = []

    async def send(exchange: Exchange) -> RestResponse:
        sent.append(exchange)
        return RestResponse(201, {}, b'"item-1"')

    async def told() -> str | None:
        return release

    binding = compile_bindings(load_contract())["content.library.v1.ItemService/CreateItem"]
    await translating(Events(), told)(send)(call_of(binding, {"client_token": "a/b", "spec": {"name": "x"}}))
    [exchange] = sent
    assert (exchange.request.target, exchange.headers.get("Client-Token")) == (target, header)
    assert exchange.request.body == b'{"name":"x"}'


@pytest.mark.parametrize("release", ["8.0.3.0", "9.0.0.0"])
@pytest.mark.parametrize(
    "token",
    [
        pytest.param("a\r\nContent-Length: 0\r\n\r\nDELETE /api/vcenter/vm/vm-1 HTTP/1.1\r\nX: ", id="another-request"),
        pytest.param("a\nX: b", id="line-feed"),
        pytest.param("a\rb", id="carriage-return"),
        pytest.param("a\0b", id="nul"),
        pytest.param("\x7f", id="delete"),
        pytest.param("é", id="latin-1"),
        pytest.param("\u202e", id="beyond-latin-1"),
    ],
)
@pytest.mark.parametrize("rpc", sorted(HEADER_FIELDS))
async def test_a_header_holds_nothing_but_its_value(rpc: str, token: str, release: str) -> None:
    """A field that newer releases expect in a header cannot become a second header, or a request of its own, which
    would run with the gateway's session and past its policy. It is refused for all releases alike."""

    async def send(exchange: Exchange) -> RestResponse:
        raise AssertionError(exchange)

    async def told() -> str | None:
        return release

    binding = compile_bindings(load_contract())[rpc]
    request = {**REQUESTS[rpc], HEADER_FIELDS[rpc]: token}
    with pytest.raises(GatewayError) as raised:
        await translating(Events(), told)(send)(call_of(binding, request))
    [detail] = raised.value.failure.details
    assert HEADER_FIELDS[rpc] in [violation.field for violation in detail.field_violations]
