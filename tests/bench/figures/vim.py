"""Parsing the VIM API's responses alone, without a server."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from pyVmomi import SoapAdapter, vmodl

from gateway.vim.reader import Reader
from gateway.vim.schema import load_schema
from tests.bench.lab import Lab, rotated
from tests.bench.results import Figure, Section, Series, ratios
from tests.soap import response

__all__ = ["measure"]

_MACHINES = 1_000
_UUID = "50{:06x}-1111-2222-3333-{:012x}"
_METHOD = "RetrievePropertiesEx"


def measure(lab: Lab) -> Section:
    """The properties of many machines, as read by a watch or an inventory, compared with pyVmomi."""
    machines = lab.calls(_MACHINES)
    body = response(_METHOD, "".join(_machine(number) for number in range(machines)))
    schema = load_schema()
    method, reader = schema.method(_METHOD), Reader(schema)
    stub = SoapAdapter.SoapStubAdapter("localhost")
    result_type = vmodl.query.PropertyCollector.RetrieveResult

    def by_pyvmomi() -> object:
        return SoapAdapter.SoapResponseDeserializer(stub).Deserialize(body, result_type)

    ways: dict[str, Callable[[], object]] = {
        "gateway": lambda: reader.read(method, body),
        "pyVmomi": by_pyvmomi,
    }
    ours = reader.read(method, body).value["objects"]
    theirs: object = by_pyvmomi()
    assert [len(found.values) for found in ours] == [16] * machines
    assert [len(found.propSet) for found in theirs.objects] == [16] * machines  # type: ignore[attr-defined]
    values: dict[str, list[float]] = {label: [] for label in ways}
    for order in rotated(list(ways), lab.rounds):
        for label in order:
            values[label].append(timeit.timeit(ways[label], timer=time.process_time, number=1) * 1e3)
    return Section(
        "vim",
        "Properties from SOAP",
        f"16 properties of {machines} machines, {len(body)} bytes of SOAP, from bytes to values. CPU time of the "
        "process.",
        "ms",
        [Series(label, series) for label, series in values.items()],
        [Figure("CPU time, of pyVmomi's", "x", ratios(values["gateway"], values["pyVmomi"]), 0.3, 0.15)],
    )


def _machine(number: int) -> str:
    text, state = "xsd:string", "VirtualMachine{}State"
    properties = (
        ("name", text, f"web-{number:05}"),
        ("parent", "ManagedObjectReference", "group-v3"),
        ("resourcePool", "ManagedObjectReference", "resgroup-8"),
        ("runtime.powerState", state.format("Power"), "poweredOn"),
        ("runtime.connectionState", state.format("Connection"), "connected"),
        ("runtime.host", "ManagedObjectReference", f"host-{number % 40}"),
        ("runtime.bootTime", "xsd:dateTime", "2026-03-01T10:00:00.120000Z"),
        ("guest.ipAddress", text, f"10.0.{number // 250}.{number % 250}"),
        ("guest.hostName", text, f"web-{number:05}.example.com"),
        ("guest.toolsRunningStatus", text, "guestToolsRunning"),
        ("config.template", "xsd:boolean", "false"),
        ("config.annotation", text, "Managed by the platform team; see the wiki."),
        ("config.hardware.numCPU", "xsd:int", "4"),
        ("config.hardware.memoryMB", "xsd:int", "8192"),
        ("config.uuid", text, _UUID.format(number, number)),
        ("config.instanceUuid", text, _UUID.format(number, number + 1)),
    )
    kinds = {"parent": "Folder", "resourcePool": "ResourcePool", "runtime.host": "HostSystem"}
    sets = "".join(
        f'<propSet><name>{path}</name><val{_of(kinds.get(path))} xsi:type="{stated}">{value}</val></propSet>'
        for path, stated, value in properties
    )
    return f'<objects><obj type="VirtualMachine">vm-{number}</obj>{sets}</objects>'


def _of(kind: str | None) -> str:
    return f' type="{kind}"' if kind else ""
