"""Rpcs of the gateway's own and the methods that implement them: whatever does not fit stops the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.contract import ContractError, Local, load_contract
from gateway.live import GatewayService, local_endpoints, serves
from gateway.live.event_watching import EventWatching
from gateway.live.guest_service import GuestService
from gateway.live.inventory_service import InventoryService
from gateway.live.metrics.metrics_service import MetricsService
from gateway.live.snapshot_service import SnapshotService
from gateway.live.task_watching import TaskWatching
from gateway.live.vm_settings_service import VmSettingsService
from gateway.live.vm_watching import VmWatching
from tests.protos import contract_of

PROTO = """
service LabService {
  rpc Get(GetRequest) returns (GetResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Watch(GetRequest) returns (stream GetResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Read(GetRequest) returns (GetResponse) { option (google.api.http) = {get: "/api/lab"}; }
  %s
}
message GetRequest {}
message GetResponse {}
"""
UPLOAD = "rpc Upload(stream GetRequest) returns (GetResponse) {}"
CHAT = "rpc Chat(stream GetRequest) returns (stream GetResponse) {}"


class Getting:
    """Implements the unary one."""

    @serves("lab.v1.LabService/Get")
    async def get(self, call: Any) -> Any:
        raise NotImplementedError


class Watching:
    """Implements the streaming one."""

    @serves("lab.v1.LabService/Watch")
    async def watch(self, call: Any) -> AsyncIterator[Any]:
        raise NotImplementedError
        yield


class Nowhere:
    """Implements what no proto has."""

    @serves("lab.v1.LabService/Delete")
    async def delete(self, call: Any) -> Any:
        raise NotImplementedError


class Reading:
    """Implements what vCenter does."""

    @serves("lab.v1.LabService/Read")
    async def read(self, call: Any) -> Any:
        raise NotImplementedError


class Uploading:
    """Implements what streams its requests."""

    @serves("lab.v1.LabService/Upload")
    async def upload(self, call: Any) -> Any:
        raise NotImplementedError


class Chatting:
    """Implements what streams both ways."""

    @serves("lab.v1.LabService/Chat")
    async def chat(self, call: Any) -> AsyncIterator[Any]:
        raise NotImplementedError
        yield


class Derived(Getting):
    """Inherits its method."""


def refusal(folder: Path, *services: object, more: str = "") -> str:
    with pytest.raises(ContractError) as caught:
        local_endpoints(contract_of(folder, PROTO % more), services)
    return str(caught.value)


def test_rpcs_that_stream_their_requests(tmp_path: Path) -> None:
    """An rpc may stream its requests, with one response or many."""
    uploading, chatting = Uploading(), Chatting()
    contract = contract_of(tmp_path, PROTO % (UPLOAD + CHAT))
    found = local_endpoints(contract, [Getting(), Watching(), uploading, chatting])
    assert found["lab.v1.LabService/Upload"] == uploading.upload
    assert found["lab.v1.LabService/Chat"] == chatting.chat


@pytest.mark.parametrize("getting", [Getting(), Derived()], ids=["own", "inherited"])
def test_each_rpc_has_its_method(tmp_path: Path, getting: Getting) -> None:
    """Methods are found by their mark, over several services; what vCenter does needs none."""
    watching = Watching()
    found = local_endpoints(contract_of(tmp_path, PROTO % ""), [getting, watching])
    assert found == {"lab.v1.LabService/Get": getting.get, "lab.v1.LabService/Watch": watching.watch}


@pytest.mark.parametrize(
    ("services", "more", "sentence"),
    [
        pytest.param(
            [Getting()],
            "",
            "rpc lab.v1.LabService/Watch: it has no google.api.http rule, and nothing in the gateway serves it",
            id="no-method",
        ),
        pytest.param(
            [Getting(), Watching(), Nowhere()],
            "",
            "Nowhere.delete serves lab.v1.LabService/Delete, which is not an rpc of the gateway's own",
            id="no-rpc",
        ),
        pytest.param(
            [Getting(), Watching(), Reading()],
            "",
            "Reading.read serves lab.v1.LabService/Read, which is not an rpc of the gateway's own",
            id="vcenter-does-it",
        ),
        pytest.param(
            [Getting(), Watching(), Derived()], "", "rpc lab.v1.LabService/Get is served twice", id="served-twice"
        ),
    ],
)
def test_refusals(tmp_path: Path, services: list[object], more: str, sentence: str) -> None:
    """What does not fit is a ContractError with the names."""
    assert refusal(tmp_path, *services, more=more) == sentence


def test_the_gateways_own_rpcs() -> None:
    """Every rpc of the contract without a REST call is served, and each by one class."""
    classes: list[Any] = [
        EventWatching,
        GatewayService,
        GuestService,
        InventoryService,
        MetricsService,
        SnapshotService,
        TaskWatching,
        VmSettingsService,
        VmWatching,
    ]
    contract = load_contract()
    own = {name for name, method in contract.methods.items() if isinstance(method.backing, Local)}
    assert set(local_endpoints(contract, [each.__new__(each) for each in classes])) == own
