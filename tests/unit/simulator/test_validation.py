"""What does not fit the catalogue is refused before an operation sees it, and results are held to the same rules."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator import errors
from gateway.simulator.catalogue import Structure, Type, load
from gateway.simulator.validation import Mismatch, Validator
from tests.unit.simulator.harness import Api

CATALOGUE = load()
VALIDATOR = Validator(CATALOGUE, CATALOGUE)
INVALID, FIELD = "vapi.invoke.input.invalid", "vapi.data.structure.field.invalid"
MISMATCH, MISSING = "vapi.data.validate.mismatch", "vapi.data.structure.field.missing"
UNION_MISSING = "vapi.data.structure.union.missing"
UNSUPPORTED = "com.vmware.vapi.rest.unsupported_property"
UNKNOWN_VALUE, EXTRA = "vapi.bindings.typeconverter.enum.unknown.value", "vapi.data.structure.union.extra"

CDROM_CREATE = "com.vmware.vcenter.vm.hardware.cdrom.create"
CDROM_UPDATE = "com.vmware.vcenter.vm.hardware.cdrom.update"
TICKET = "com.vmware.vcenter.vm.console.tickets.create"
POLICY = "com.vmware.vcenter.vm.storage.policy.update"
CPU = "com.vmware.vcenter.vm.hardware.cpu.update"
MEMORY = "com.vmware.vcenter.vm.hardware.memory.update"


def check(operation: str, body: Any, query: dict[str, list[str]] | None = None, *, has_body: bool = True) -> None:
    VALIDATOR.request(CATALOGUE.operations[operation], query or {}, body, has_body=has_body)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (CDROM_CREATE, {}),
        (CDROM_CREATE, {"type": None, "backing": None}),
        (CDROM_CREATE, {"type": "IDE", "ide": {"primary": True, "master": False}}),
        (CDROM_CREATE, {"backing": {"type": "ISO_FILE", "iso_file": "[datastore1] a.iso"}}),
        (CDROM_CREATE, {"backing": {"type": "HOST_DEVICE"}, "start_connected": False}),
        (CDROM_UPDATE, {"allow_guest_control": True}),
        (MEMORY, {"size_MiB": 2**63 - 1}),
        (POLICY, {"disks": {}}),
        (POLICY, {"disks": {"any key / at all ü": {"type": "USE_DEFAULT_POLICY"}}}),
    ],
)
def test_what_fits_is_let_through(operation: str, body: Any) -> None:
    """Optional fields may be missing or null, maps may be empty and have any keys."""
    check(operation, body)


@pytest.mark.parametrize(
    ("operation", "body", "path", "message"),
    [
        (CPU, [], "", MISMATCH),
        (CPU, None, "", MISMATCH),
        (CPU, "text", "", MISMATCH),
        (CPU, {"count": "2"}, "count", MISMATCH),
        (CPU, {"count": 2.0}, "count", MISMATCH),
        (CPU, {"count": True}, "count", MISMATCH),
        (CPU, {"count": 2**63}, "count", MISMATCH),
        (CPU, {"count": [2]}, "count", MISMATCH),
        (CPU, {"hot_add_enabled": 1}, "hot_add_enabled", MISMATCH),
        (CPU, {"hot_add_enabled": "true"}, "hot_add_enabled", MISMATCH),
        (TICKET, {}, "type", MISSING),
        (TICKET, {"type": None}, "type", MISSING),
        (TICKET, {"type": "MKS"}, "type", UNKNOWN_VALUE),
        (TICKET, {"type": "vmrc"}, "type", UNKNOWN_VALUE),
        (TICKET, {"type": 1}, "type", MISMATCH),
        (CDROM_CREATE, {"ide": "primary"}, "ide", MISMATCH),
        (CDROM_CREATE, {"type": "SATA", "sata": {}}, "sata.bus", MISSING),
        (CDROM_CREATE, {"type": "IDE", "sata": {"bus": 0}}, "sata", EXTRA),
        (CDROM_CREATE, {"backing": {}}, "backing.type", MISSING),
        (CDROM_CREATE, {"backing": {"type": "ISO_FILE"}}, "backing.iso_file", UNION_MISSING),
        (CDROM_CREATE, {"backing": {"type": "CLIENT_DEVICE", "iso_file": "x"}}, "backing.iso_file", EXTRA),
        (POLICY, {"disks": []}, "disks", MISMATCH),
        (POLICY, {"disks": {"2000": "Gold"}}, "disks[2000]", MISMATCH),
        (POLICY, {"disks": {"2000": None}}, "disks[2000]", MISMATCH),
        (POLICY, {"disks": {"2000": {"type": "USE_SPECIFIED_POLICY"}}}, "disks[2000].policy", UNION_MISSING),
        (POLICY, {"vm_home": {"type": "USE_DEFAULT_POLICY", "policy": "x"}}, "vm_home.policy", EXTRA),
    ],
)
def test_what_does_not_fit_is_an_invalid_argument(operation: str, body: Any, path: str, message: str) -> None:
    """The messages say which method, which field and why."""
    with pytest.raises(errors.VapiError) as caught:
        check(operation, body)
    assert caught.value.error_type == "INVALID_ARGUMENT"
    found = [(item.id, item.args) for item in caught.value.messages]
    assert found[0] == (INVALID, (operation,))
    assert found[1:-1] == ([(FIELD, (path,))] if path else [])
    assert found[-1][0] == message


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"size": 1}, "size"),
        ({"size_mib": 1}, "size_mib"),
        ({"size_MiB": 4096, "sizeMiB": 4096}, "sizeMiB"),
        ({"size": None}, "size"),
    ],
)
def test_fields_that_nobody_knows_are_unexpected_input(body: Any, path: str) -> None:
    """Wire names have to be exact."""
    with pytest.raises(errors.VapiError) as caught:
        check(MEMORY, body)
    assert caught.value.error_type == "UNEXPECTED_INPUT"
    assert [message.id for message in caught.value.messages] == [INVALID, FIELD, UNSUPPORTED]
    assert caught.value.messages[1].args == (path,)


def test_query_parameters_that_nobody_knows_are_invalid() -> None:
    """The action is known, it is part of the route."""
    start = "com.vmware.vcenter.vm.power.start"
    check(start, None, {"action": ["start"]}, has_body=False)
    with pytest.raises(errors.VapiError) as caught:
        check(start, None, {"action": ["start"], "force": ["true"]}, has_body=False)
    assert caught.value.error_type == "INVALID_ARGUMENT"
    assert [(message.id, message.args) for message in caught.value.messages] == [(UNSUPPORTED, ("force",))]


def test_lists_in_the_query_repeat_the_name() -> None:
    """Each value is one element."""
    check("com.vmware.vcenter.VM.list", None, {"vms": ["vm-1", "vm-2"], "names": [""]}, has_body=False)


def test_a_body_that_is_missing_is_an_invalid_argument() -> None:
    """An operation with a body always has one, even an empty object."""
    with pytest.raises(errors.VapiError) as caught:
        check(MEMORY, None, has_body=False)
    assert [message.id for message in caught.value.messages] == [INVALID, "com.vmware.vapi.rest.missing_body"]


def test_requests_that_do_not_fit_are_answered_with_400(api: Api) -> None:
    """Both kinds of error, and nothing has changed."""
    for body, error_type in (({"count": "2"}, "INVALID_ARGUMENT"), ({"cores": 2}, "UNEXPECTED_INPUT")):
        answer = api("PATCH", "/api/vcenter/vm/vm-1002/hardware/cpu", body)
        assert (answer.status, answer.error_type) == (400, error_type)
        assert not answer.response.executed


@pytest.mark.parametrize(
    ("operation", "result", "path"),
    [
        ("com.vmware.vcenter.vm.power.get", {"state": "POWERED_OFF"}, "clean_power_off"),
        ("com.vmware.vcenter.vm.power.get", {"state": "POWERED_ON", "clean_power_off": True}, "clean_power_off"),
        ("com.vmware.vcenter.vm.power.get", {"state": "POWERED_ON", "clean_power_off": None}, "[clean_power_off]"),
        ("com.vmware.vcenter.vm.storage.policy.get", {"disks": {"2000": None}}, "[disks][2000]"),
        ("com.vmware.vcenter.VM.list", [{"vm": "vm-1", "name": "a"}], "[0].power_state"),
        ("com.vmware.vcenter.vm.power.start", {}, ""),
        ("com.vmware.vcenter.vm.power.get", None, ""),
    ],
)
def test_results_that_do_not_fit_are_found(operation: str, result: Any, path: str) -> None:
    """Missing and superfluous fields, null for what is not set, a result too many, no result at all."""
    with pytest.raises(Mismatch) as caught:
        VALIDATOR.result(CATALOGUE.operations[operation], result)
    assert caught.value.path == path


def test_every_type_that_the_catalogue_uses_is_known() -> None:
    """No operation can run into a type that the checks have no rule for."""
    known = {"string", "uri", "password", "int64", "boolean", "double", "date-time", "dynamic"}
    used: set[str] = set()

    def walk(kind: Type) -> None:
        if not isinstance(kind, str):
            for inner in kind.values():
                for item in inner if isinstance(inner, list) else [inner]:
                    walk(item)
        elif kind not in used:
            used.add(kind)
            for field in CATALOGUE.structures[kind].fields.values() if kind in CATALOGUE.structures else ():
                walk(field.type)

    for operation in CATALOGUE.operations.values():
        fields = [
            *operation.query.values(),
            *(operation.body.fields.values() if isinstance(operation.body, Structure) else ()),
        ]
        for kind in [field.type for field in fields] + ([operation.result] if operation.result is not None else []):
            walk(kind)
    assert used - known - CATALOGUE.structures.keys() - CATALOGUE.enumerations.keys() == set()
