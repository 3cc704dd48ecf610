"""Requests written as JSON: what is accepted, and what is said about mistakes."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format

from gateway.cli.request_json import _WELL_KNOWN, RequestError, read_json, request_message
from gateway.contract import load_contract

CONTRACT = load_contract()
CREATE = "vcenter.vm.hardware.v1.CdromService/CreateCdrom"
UPDATE_CPU = "vcenter.vm.hardware.v1.CpuService/UpdateCpu"


def parse(rpc: str, content: object) -> dict[str, object]:
    text = content if isinstance(content, str) else json.dumps(content)
    kind = CONTRACT.methods[rpc].input_type
    message = request_message(read_json(text, kind), kind, CONTRACT)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize(
    "backing",
    [
        pytest.param({"type": "ISO_FILE", "iso_file": "[ds] a.iso"}, id="vcenter-names"),
        pytest.param({"type": "CDROM_BACKING_TYPE_ISO_FILE", "iso_file": "[ds] a.iso"}, id="proto-names"),
        pytest.param({"type": "ISO_FILE", "isoFile": "[ds] a.iso"}, id="json-names"),
        pytest.param({"type": "ISO_FILE", "iso_file": "[ds] a.iso", "host_device": None}, id="null-is-unset"),
    ],
)
def test_spellings(backing: dict[str, object]) -> None:
    """Fields go by their proto or JSON names, enum values by their full or by vCenter's names."""
    assert parse(CREATE, {"vm": "vm-1", "spec": {"backing": backing}}) == {
        "vm": "vm-1",
        "spec": {"backing": {"type": "CDROM_BACKING_TYPE_ISO_FILE", "iso_file": "[ds] a.iso"}},
    }


def test_presence_is_kept() -> None:
    """False, zero and the empty string are set; what is left out is not."""
    content = {"vm": "", "spec": {"count": 0, "hot_add_enabled": False}}
    kind = CONTRACT.methods[UPDATE_CPU].input_type
    message = request_message(content, kind, CONTRACT)
    spec = message.spec  # type: ignore[attr-defined]
    assert [spec.HasField(name) for name in ("count", "hot_add_enabled", "cores_per_socket")] == [True, True, False]


def test_long_numbers() -> None:
    """A 64-bit number may be written as a number or, as protobuf does, as a string."""
    assert parse(UPDATE_CPU, {"vm": "v", "spec": {"count": 4}}) == parse(
        UPDATE_CPU, {"vm": "v", "spec": {"count": "4"}}
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "line 1, column 2", id="json"),
        pytest.param('{\n  "vm": "a",\n  "spec": [}\n', "line 3, column 12", id="json-position"),
        pytest.param('{"vm": NaN}', "NaN is not a JSON value", id="nan"),
        pytest.param("[" * 100_000, "nested too deeply", id="depth"),
        pytest.param("[]", 'the request must be a JSON object, such as {"vm": "..."}', id="list"),
        pytest.param('{"vm": "a", "vm": "b"}', "the request has 'vm' twice in one object", id="twice"),
        pytest.param({"vn": "a"}, "there is no field 'vn' in vcenter.vm.hardware.v1.CreateCdromRequest", id="unknown"),
        pytest.param({"virtual": "a"}, "it has vm, spec", id="unknown-lists-fields"),
        pytest.param({"spec": {"bakcing": {}}}, "no field 'bakcing' in spec; did you mean 'backing'?", id="nested"),
        pytest.param({"vm": 5}, "vm must be a string", id="string"),
        pytest.param({"spec": {"start_connected": "yes"}}, "spec.start_connected must be true or false", id="bool"),
        pytest.param({"spec": {"sata": {"bus": 1.5}}}, "spec.sata.bus must be a 64-bit integer", id="integer"),
        pytest.param({"spec": "x"}, "spec must be an object of vcenter.vm.hardware.v1.CdromCreateSpec", id="object"),
        pytest.param(
            {"spec": {"backing": {"type": "ISO"}}},
            "spec.backing.type must be one of ISO_FILE, HOST_DEVICE, CLIENT_DEVICE",
            id="enum",
        ),
        pytest.param({"spec": {"backing": {"type": True}}}, "spec.backing.type must be one of", id="enum-bool"),
        pytest.param(
            {"spec": {"backing": {"isoFile": "a", "iso_file": "b"}}},
            "spec.backing.iso_file: is given twice, under both of its names",
            id="both-names",
        ),
    ],
)
def test_mistakes(content: object, message: str) -> None:
    """A mistake is told with its place."""
    with pytest.raises(RequestError) as caught:
        parse(CREATE, content)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({"names": "x"}, "names must be a list", id="list"),
        pytest.param({"names": ["a", 1]}, "names[1] must be a string", id="element"),
    ],
)
def test_mistakes_in_lists(content: dict[str, object], message: str) -> None:
    """A mistake in a list is told with the index of the element."""
    with pytest.raises(RequestError) as caught:
        parse("vcenter.v1.VmService/ListVms", content)
    assert message in str(caught.value)


def test_mistakes_below_lists() -> None:
    """A mistake in a structure within a list is told with the whole way to it."""
    interfaces = [{"adapter": {}}, {"adapter": {"ipv4": {"type": "SLOW"}}}]
    with pytest.raises(RequestError) as caught:
        parse(
            "vcenter.vm.guest.v1.CustomizationService/SetCustomization", {"spec": {"spec": {"interfaces": interfaces}}}
        )
    assert "spec.spec.interfaces[1].adapter.ipv4.type must be one of DHCP" in str(caught.value)


def test_durations() -> None:
    """A duration is written as protobuf's JSON has it; what is none is told with an example."""
    rpc = "vcenter.gateway.v1.GatewayService/WatchGateway"
    assert parse(rpc, {"heartbeat_interval": "1.500s"}) == {"heartbeat_interval": "1.500s"}
    for wrong in ("1 minute", {"seconds": 1}, 5):
        with pytest.raises(RequestError, match=r"heartbeat_interval must be a time such as 1\.5s"):
            parse(rpc, {"heartbeat_interval": wrong})


def test_field_masks() -> None:
    """A mask has the names of fields as in the protos, like everything else in a request, or as in JSON."""
    rpc = "vcenter.gateway.v1.WatchService/WatchVms"
    for mask in ("name,power_state,guest.ip_address", "name,powerState,guest.ipAddress"):
        assert parse(rpc, {"fields": mask}) == {"fields": "name,powerState,guest.ipAddress"}
    for wrong in (["name"], {"paths": ["name"]}, 5):
        with pytest.raises(RequestError, match="fields must be names of fields such as name,power_state"):
            parse(rpc, {"fields": wrong})


def test_types_with_a_form_of_their_own() -> None:
    """Every message of Google's in a request, which has its own form in JSON, can be written."""
    waiting, seen = [method.input_type for method in CONTRACT.methods.values()], set()
    while waiting:
        kind = waiting.pop()
        if kind.full_name not in seen and not kind.full_name.startswith("google."):
            waiting += [field.message_type for field in kind.fields if field.message_type is not None]
        seen.add(kind.full_name)
    assert {name for name in seen if name.startswith("google.")} <= set(_WELL_KNOWN)


@pytest.mark.parametrize("name", sorted(CONTRACT.methods))
def test_every_empty_request(name: str) -> None:
    """The empty object is a well-formed request of every rpc; what is required is the gateway's matter."""
    assert parse(name, {}) == {}


def test_secrets_are_not_repeated() -> None:
    """No mistake repeats a value: it may be a guest's password."""
    rpc = "vcenter.vm.guest.v1.ProcessesService/CreateProcess"
    for credentials in ({"password": ["hunter2"]}, {"pasword": "hunter2"}, "hunter2", {"type": "hunter2"}):
        with pytest.raises(RequestError) as caught:
            parse(rpc, {"credentials": credentials})
        assert "hunter2" not in str(caught.value)
