"""All machines by REST, of a vCenter whose lists refuse to have more than a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.contract import load_contract
from gateway.errors import VCENTER_DOMAIN, Failure, GatewayError
from gateway.live.rest_calls import RestCalls
from gateway.live.vms.rest_inventory import RestInventory
from gateway.transcoding import compile_bindings
from tests.machines import message

BINDINGS = compile_bindings(load_contract())
MOST = 10


@dataclass(frozen=True)
class Vm:
    """A machine and where it is."""

    number: int
    datacenter: str
    host: str
    folder: str
    state: str

    def passes(self, request: Any) -> bool:
        """Whether it is in a list."""
        return all(
            not wanted or value in wanted
            for wanted, value in (
                (request.vms, f"vm-{self.number}"),
                (request.datacenters, self.datacenter),
                (request.hosts, self.host),
                (request.folders, self.folder),
                (request.power_states, self.state),
            )
        )


def spread(count: int, hosts: int, folders: int, states: int = 1) -> list[Vm]:
    """Machines in two datacenters, each with so many hosts and folders."""
    names = ("POWER_STATE_POWERED_ON", "POWER_STATE_POWERED_OFF", "POWER_STATE_SUSPENDED")
    return [
        Vm(
            number,
            f"datacenter-{number % 2}",
            f"host-{number % 2}{number // 2 % hosts}",
            f"group-{number % 2}{number // 2 % folders}",
            names[number % states],
        )
        for number in range(count)
    ]


def vcenter(vms: list[Vm], asked: list[str]) -> Callable[[str, Any], Any]:
    """Answers lists of machines and of places."""

    async def ask(rpc: str, request: Any) -> Any:
        name = rpc.partition("/")[2]
        asked.append(name)
        response: Any = BINDINGS[rpc].response_class()
        if name == "ListVms":
            found = [vm for vm in vms if vm.passes(request)]
            if len(found) > MOST:
                raise GatewayError(Failure(8, "UNABLE_TO_ALLOCATE_RESOURCE", "too many", domain=VCENTER_DOMAIN))
            for vm in found:
                response.vms.add(vm=f"vm-{vm.number}")
        elif name == "ListDatacenters":
            for datacenter in sorted({vm.datacenter for vm in vms}):
                response.datacenters.add(datacenter=datacenter)
        elif name == "ListHosts":
            for host in sorted({vm.host for vm in vms if vm.datacenter in request.datacenters}):
                response.hosts.add(host=host)
        elif name == "ListFolders" and not request.parent_folders:
            for folder in sorted({vm.folder for vm in vms if vm.datacenter in request.datacenters}):
                response.folders.add(folder=folder)
        return response

    return ask


async def read(vms: list[Vm], content: dict[str, Any] | None = None) -> tuple[list[str], bool, list[str]]:
    """The machines that are read, whether all of them are, and what was asked."""
    asked: list[str] = []
    inventory = RestInventory(RestCalls(None, BINDINGS))  # type: ignore[arg-type]
    found: list[str] = []
    is_complete = True
    async for page in inventory.pages(vcenter(vms, asked), message("VmFilter", content or {})):
        is_complete &= page is not None
        found += [each.vm for each in page or ()]
    return found, is_complete, asked


@pytest.mark.parametrize(
    ("vms", "lists"),
    [
        pytest.param(spread(10, 1, 1), 1, id="all-at-once"),
        pytest.param(spread(20, 1, 1), 3, id="by-datacenter"),
        pytest.param(spread(160, 10, 1), None, id="by-host"),
        pytest.param(spread(160, 1, 10), None, id="by-folder"),
        pytest.param(spread(60, 1, 1, 3), None, id="by-power-state"),
        pytest.param(spread(1000, 7, 11, 3), None, id="by-everything"),
    ],
)
async def test_lists_are_split(vms: list[Vm], lists: int | None) -> None:
    """Every machine comes once, however the lists have to be split."""
    found, is_complete, asked = await read(vms)
    assert sorted(found) == sorted(f"vm-{vm.number}" for vm in vms)
    assert is_complete
    if lists is not None:
        assert asked.count("ListVms") == lists


async def test_what_cannot_be_split() -> None:
    """A part that has too many machines whatever is done is said to be missing, and the others come."""
    crowd = [Vm(number, "datacenter-0", "host-00", "group-00", "POWER_STATE_POWERED_ON") for number in range(20)]
    others = [Vm(number, "datacenter-1", "host-10", "group-10", "POWER_STATE_POWERED_ON") for number in range(20, 25)]
    found, is_complete, _ = await read(crowd + others)
    assert sorted(found) == [f"vm-{number}" for number in range(20, 25)]
    assert not is_complete


async def test_long_filters() -> None:
    """A filter with more values than fit into a URL is split before it is sent."""
    found, is_complete, asked = await read(spread(10, 1, 1), {"vms": [f"vm-{number}" for number in range(1000)]})
    assert len(found) == 10
    assert is_complete
    assert 10 <= asked.count("ListVms") < 25


async def test_filters_stay() -> None:
    """Parts of a list have the filters of the whole."""
    vms = spread(100, 5, 1, 3)
    found, _, _ = await read(vms, {"power_states": ["POWER_STATE_SUSPENDED"]})
    assert sorted(found) == sorted(f"vm-{vm.number}" for vm in vms if vm.state == "POWER_STATE_SUSPENDED")


async def test_other_errors() -> None:
    """Whatever else vCenter says ends the reading; nothing is left out in silence."""

    async def ask(rpc: str, request: Any) -> Any:
        raise GatewayError(Failure(7, "UNAUTHORIZED", "no", domain=VCENTER_DOMAIN))

    inventory = RestInventory(RestCalls(None, BINDINGS))  # type: ignore[arg-type]
    with pytest.raises(GatewayError):
        async for _ in inventory.pages(ask, message("VmFilter")):
            pass
