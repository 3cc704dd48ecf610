"""The compiled protos say what vCenter's API says."""

from __future__ import annotations

from gateway.contract import Rest, load_contract
from tests.contract.catalogue import catalogue
from tests.contract.comparison import Protos, differences


def test_no_difference() -> None:
    """Every operation has one rpc, and everything below it is as the API has it."""
    assert differences(load_contract().descriptor_set, catalogue()) == []


def test_what_was_compared() -> None:
    """The comparison is about all operations of the catalogue, and each rpc that stands for one is among them."""
    of_vcenter = [method for method in load_contract().methods.values() if isinstance(method.backing, Rest)]
    assert len(catalogue().operations) == len(of_vcenter) > 250
    assert len(catalogue().error_types) == 25


def test_additions_of_newer_releases() -> None:
    """What release 9.1 added to fields and values is part of the comparison."""
    structs, enums = catalogue().structs, catalogue().enums
    assert "domain_OU" in {field.name for field in structs["VcenterGuestDomain"].fields}
    assert "upt_v2_compatibility_enabled" in {field.name for field in structs["VcenterVmHardwareEthernetInfo"].fields}
    assert "DISABLED" in enums["VcenterGuestIpv4Type"]


def test_resources() -> None:
    """The comparison is about identifiers of many types, in paths, queries, bodies and results."""
    protos = Protos(load_contract().descriptor_set)
    told = [
        found.types
        for message in protos.messages.values()
        for field in message.field
        for option in ("resource", "key_resource")
        if (found := protos.resource(field, option)) is not None
    ]
    assert len(told) > 140
    assert len(set(told)) >= 18


def test_error_types() -> None:
    """The contract's error types are vCenter's."""
    enum = Protos(load_contract().descriptor_set).enums[".vapi.std.errors.v1.ErrorType"]
    assert {value.name.removeprefix("ERROR_TYPE_") for value in enum.value} == {
        "UNSPECIFIED",
        *catalogue().error_types,
    }


def test_secrets() -> None:
    """Passwords, tokens, product keys and user data are redacted wherever a message is printed."""
    messages = Protos(load_contract().descriptor_set).messages
    redacted = {
        f"{name[1:]}.{field.name}"
        for name, message in messages.items()
        for field in message.field
        if field.options.debug_redact and name.startswith(".vcenter.")
    }
    assert redacted >= {
        "vcenter.vm.guest.v1.Credentials.password",
        "vcenter.vm.guest.v1.Credentials.saml_token",
        "vcenter.guest.v1.Domain.domain_password",
        "vcenter.guest.v1.GuiUnattended.password",
        "vcenter.guest.v1.UserData.product_key",
        "vcenter.guest.v1.CloudinitConfiguration.userdata",
    }
