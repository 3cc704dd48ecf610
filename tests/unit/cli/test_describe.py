"""`describe` and `call --template`: what the protos say, for every rpc, message and enum."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
import yaml
from click.testing import CliRunner
from google.protobuf.descriptor import Descriptor

from gateway.cli.describe import _Describer
from gateway.cli.output import Exit
from gateway.cli.request_json import request_message
from gateway.cli.template import print_template
from gateway.contract import load_contract
from tests.unit.cli.conftest import Invoke

CONTRACT = load_contract()


def test_rpc(invoke: Invoke) -> None:
    """An rpc is described with its comment, its REST call, its errors, and the fields of both messages."""
    text = invoke("describe", "CreateDisk", COLUMNS="200").output
    for part in (
        "rpc vcenter.vm.hardware.v1.DiskService/CreateDisk",
        "POST /api/vcenter/vm/{vm}/hardware/disk",
        "errors: ",
        "request vcenter.vm.hardware.v1.CreateDiskRequest",
        "vm  string, required, identifies VirtualMachine",
        "response vcenter.vm.hardware.v1.CreateDiskResponse",
    ):
        assert part in text


def test_message(invoke: Invoke) -> None:
    """A message is described with its unions, secrets and versions; identifiers say of what."""
    assert "secret" in invoke("describe", "vcenter.vm.guest.v1.Credentials").output
    spec = invoke("describe", "vcenter.v1.VmCloneSpec", COLUMNS="200").output
    assert "source  string, required, identifies VirtualMachine, since 7.0.0.0" in spec
    backing = invoke("describe", "vcenter.vm.hardware.v1.CdromBackingSpec", COLUMNS="200").output
    assert "type decides which other fields are relevant:" in backing
    assert "ISO_FILE: iso_file (required)" in backing


def test_enum_and_service(invoke: Invoke) -> None:
    """The values of an enum are shown as vCenter spells them, a service with the first words about its rpcs."""
    assert "\n  POWERED_ON\n" in invoke("describe", "vcenter.vm.v1.PowerState").output
    assert "\n  ConnectCdrom\n    " in invoke("describe", "CdromService").output


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("CloneVmm", "did you mean vcenter.v1.VmService/CloneVm", id="misspelt"),
        pytest.param("xyzzy", "see `vcenter-gateway routes`", id="unlike-any"),
        pytest.param("VmService", "is the end of several names", id="ambiguous"),
    ],
)
def test_unknown(invoke: Invoke, name: str, text: str) -> None:
    """A name that is none, or that several have, is told with what is like it."""
    told = invoke("describe", name)
    assert (told.exit_code, text in " ".join(told.stderr.split())) == (Exit.USAGE, True)


def test_everything_can_be_described() -> None:
    """Each rpc, service, message and enum has a description; no rpc and no field of a request is without a comment."""
    describer = _Describer(CONTRACT)
    for name in (*CONTRACT.methods, *CONTRACT.services, *CONTRACT.messages, *CONTRACT.enums):
        assert any(describer.lines(name))
    for method in CONTRACT.methods.values():
        told = describer._documentation
        assert told.of(CONTRACT.services[method.service].file.name, method.full_name).comment
        for field in method.input_type.fields:
            assert told.of(method.input_type.file.name, field.full_name).comment, field.full_name


def template(rpc: str, *, full: bool) -> str:
    """The template of an rpc."""
    command = click.Command("x", callback=lambda: print_template(CONTRACT.methods[rpc], is_full=full))
    return CliRunner().invoke(command, catch_exceptions=False).output


def names_in(text: str) -> Iterator[str]:
    return re.findall(r"^(?:# )?\s*(\w+):", text, re.MULTILINE).__iter__()


def test_minimal_templates() -> None:
    """Each minimal template is YAML that fits the rpc as it is, and has the required fields."""
    for rpc, method in CONTRACT.methods.items():
        content = yaml.safe_load(template(rpc, full=False)) or {}
        request_message(content, method.input_type, CONTRACT)
        assert set(content) == CONTRACT.required(method.input_type), rpc


def test_full_templates() -> None:
    """Each full template is YAML that fits the rpc, and names every field of the request."""
    for rpc, method in CONTRACT.methods.items():
        text = template(rpc, full=True)
        content = yaml.safe_load(text) or {}
        request_message(content, method.input_type, CONTRACT)
        assert {field.name for field in method.input_type.fields} <= set(names_in(text)), rpc


def without_choice(message: Descriptor, seen: tuple[str, ...] = ()) -> bool:
    """Whether all fields of a message can be set together."""
    if message.full_name in seen:
        return True
    return all(len(group.fields) == 1 for group in message.oneofs) and all(
        without_choice(field.message_type, (*seen, message.full_name))
        for field in message.fields
        if field.message_type is not None and not field.message_type.full_name.startswith("google.")
    )


def test_fields_that_exclude_each_other() -> None:
    """A template says which fields cannot be set together."""
    text = " ".join(template("vcenter.gateway.v1.WatchService/WaitForVm", full=True).replace("\n  # ", " ").split())
    assert "VMware Tools is running. (bool, optional, excludes power_state, guest_ready, address, removed)" in text


@pytest.mark.parametrize(
    "rpc",
    [name for name, rpc in CONTRACT.methods.items() if rpc.input_type.fields and without_choice(rpc.input_type)],
)
def test_optional_fields_of_a_full_template(rpc: str) -> None:
    """What a full template has as comments fits the rpc too, once the first two characters of its lines are gone."""
    lines = template(rpc, full=True).replace(" {}  # or with:", "").replace(" []  # or with:", "").splitlines()
    text = "\n".join(
        line.removeprefix("# ") if re.match(r"# \s*([a-z0-9_]+:|-$|#)", line) else line for line in lines[2:]
    )
    content = yaml.safe_load(text)
    request_message(content, CONTRACT.methods[rpc].input_type, CONTRACT)
    assert {field.name for field in CONTRACT.methods[rpc].input_type.fields} == set(content)
