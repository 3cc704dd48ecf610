"""How answers look as tables, as bare identifiers, as JSON and as YAML."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from gateway.cli.output import print_table
from gateway.cli.rendering import identifiers_in, names_of, renderer
from gateway.contract import load_contract

CONTRACT = load_contract()
EVIL = "\x1b[2J\u202e"


def message(name: str, **fields: Any) -> Any:
    return CONTRACT.message_class(name)(**fields)


VMS = message(
    "vcenter.v1.ListVmsResponse",
    vms=[
        {"vm": "vm-1", "name": "web", "power_state": "POWER_STATE_POWERED_ON", "memory_size_mib": 1024},
        {"vm": "vm-22", "name": EVIL, "power_state": "POWER_STATE_SUSPENDED"},
    ],
)


def shown(capsys: pytest.CaptureFixture[str], output: str, answer: Any, *, is_stream: bool = False) -> str:
    renderer(output, CONTRACT, is_stream=is_stream)(answer)
    return capsys.readouterr().out


def test_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """A list is a table with the columns that some item has; what others wrote commands no terminal."""
    assert shown(capsys, "table", VMS).splitlines() == [
        "VM     NAME           POWER-STATE  MEMORY-SIZE-MIB",
        "vm-1   web            POWERED_ON   1024",
        r"vm-22  \x1b[2J\u202e  SUSPENDED",
    ]


def test_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list says so on the error output, where no program takes it for a row."""
    renderer("table", CONTRACT, is_stream=False)(message("vcenter.v1.ListVmsResponse"))
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no vms\n")


def test_nested(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything but a list has a row for each field, with the path of what is within, and then its lists."""
    info = message(
        "vcenter.v1.GetVmResponse",
        vm={
            "name": "web",
            "cpu": {"count": 2, "hot_add_enabled": False},
            "disks": {"2000": {"label": "Hard disk 1", "type": "DISK_HOST_BUS_ADAPTER_TYPE_SCSI", "capacity": 5}},
        },
    )
    assert shown(capsys, "table", info).splitlines() == [
        "FIELD                VALUE",
        "name                 web",
        "cpu.count            2",
        "cpu.hot_add_enabled  false",
        "",
        "DISKS",
        "KEY   LABEL        TYPE  CAPACITY",
        "2000  Hard disk 1  SCSI  5",
    ]


@pytest.mark.parametrize(
    ("name", "fields", "identifiers"),
    [
        pytest.param("vcenter.v1.ListVmsResponse", {"vms": [{"vm": "vm-1"}, {"vm": "b"}]}, ["vm-1", "b"], id="list"),
        pytest.param("vcenter.v1.CloneVmResponse", {"vm": "vm-3"}, ["vm-3"], id="one"),
        pytest.param("vcenter.v1.CloneVmTaskResponse", {"task": "t"}, ["t"], id="task"),
        pytest.param("cis.tagging.v1.ListTagsResponse", {"tags": ["a", "b"]}, ["a", "b"], id="identifiers"),
        pytest.param("vcenter.vm.v1.GetPowerResponse", {"power": {"state": "POWER_STATE_POWERED_ON"}}, [], id="none"),
    ],
)
def test_names(name: str, fields: dict[str, Any], identifiers: list[str]) -> None:
    """`name` is the identifiers alone, one a line, as the protos mark them."""
    assert list(identifiers_in(message(name, **fields), CONTRACT)) == identifiers


@pytest.mark.parametrize(
    ("rpc", "asked", "answered", "names"),
    [
        pytest.param(
            "vcenter.v1.GetCluster", {"cluster": "c-1"}, {"cluster": {"resource_pool": "r"}}, ["c-1"], id="got"
        ),
        pytest.param("vcenter.v1.GetVm", {"vm": "vm-1"}, {"vm": {"disks": {"2000": {}}}}, ["vm-1"], id="with-parts"),
        pytest.param("vcenter.vm.hardware.v1.GetCdrom", {"vm": "vm-1", "cdrom": "3"}, {}, ["3"], id="part"),
        pytest.param("vcenter.vm.v1.StartVm", {"vm": "vm-1"}, {}, ["vm-1"], id="changed"),
        pytest.param("vcenter.vm.hardware.v1.ListCdroms", {"vm": "vm-1"}, {}, [], id="empty-list"),
        pytest.param("vcenter.v1.CloneVm", {"spec": {"source": "vm-1"}}, {"vm": "vm-2"}, ["vm-2"], id="created"),
        pytest.param("vcenter.gateway.v1.GetGateway", {}, {}, [], id="no-identifier"),
    ],
)
def test_names_of_a_call(rpc: str, asked: dict[str, Any], answered: dict[str, Any], names: list[str]) -> None:
    """An object that was read or changed is named by its own identifier, not by those of its parts and relations."""
    request, response = message(f"{rpc}Request", **asked), message(f"{rpc}Response", **answered)
    assert list(names_of(response, request, CONTRACT)) == names


def test_json_and_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    """Both have the exact content, in ASCII; messages of a stream are lines of JSON, or documents of YAML."""
    for is_stream in (False, True):
        for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
            text = shown(capsys, output, VMS, is_stream=is_stream)
            assert text.isascii()
            assert "\x1b" not in text
            assert read(text)["vms"][1]["name"] == EVIL
    assert shown(capsys, "json", VMS, is_stream=True).count("\n") == 1
    assert shown(capsys, "yaml", VMS, is_stream=True).startswith("---\n")


def test_widths(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are aligned also with wide letters, lines are cut at the width, and a line stays one."""
    print_table(["A", "B"], [["\u6771\u4eac", "x"], ["ab\nc", "y"]])
    print_table(["LONG", "LONGER"], [["1234", "123456"]], width=9)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["A      B", "\u6771\u4eac   x", "ab\\nc  y"]
    assert lines[3:] == ["LONG  LO…", "1234  12…"]
