"""Cases of the customization specifications that vCenter stores."""

from __future__ import annotations

import json
from typing import Any

from gateway.simulator import Fault, Simulator
from gateway.simulator.customization_specs import CustomizationSpecs
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

_SERVICE = "vcenter.guest.v1.CustomizationSpecsService"
CREATE, GET, SET, DELETE, EXPORT, IMPORT = (
    f"{_SERVICE}/{verb}CustomizationSpec" for verb in ("Create", "Get", "Set", "Delete", "Export", "Import")
)
LIST = f"{_SERVICE}/ListCustomizationSpecs"
MESSAGES = "com.vmware.api.vcenter.guest.customization_spec"
NOW = "2026-01-15T12:00:00Z"
STORED = ("linux-1-nic", "linux-2-nics", "windows-1-nic", "windows-2-nics")

DHCP = {"adapter": {"ipv4": {"type": "IPV4_TYPE_DHCP"}}}
LINUX = {
    "configuration_spec": {
        "linux_config": {
            "hostname": {"type": "HOSTNAME_GENERATOR_TYPE_VIRTUAL_MACHINE"},
            "domain": "corp.example.com",
            "time_zone": "Europe/Berlin",
        }
    },
    "global_dns_settings": {"dns_suffix_list": ["corp.example.com"], "dns_servers": ["10.20.0.63"]},
    "interfaces": [DHCP],
}
NEW: dict[str, Any] = {"name": "new", "description": "For tests", "spec": LINUX}


def specs(simulator: Simulator) -> CustomizationSpecs:
    return simulator.inventory.customization_specs


def stored(name: str, description: str = "For tests", *, instead_of: str | None = None) -> Any:
    """A check that the specification is stored, perhaps in place of another one."""

    def check(response: Any, simulator: Simulator) -> None:
        assert specs(simulator).record(name).description == description
        assert specs(simulator)[name]["configuration_spec"]["linux_config"]["domain"] == "corp.example.com"
        assert instead_of not in specs(simulator)

    return check


def deleted(response: Any, simulator: Simulator) -> None:
    assert "linux-1-nic" not in specs(simulator)


def many(simulator: Simulator) -> None:
    given = {"name": "", "description": "", "spec": specs(simulator)["linux-1-nic"]}
    for number in range(997):
        specs(simulator).create({**given, "name": f"spec-{number}"}, simulator.options.clock())


def summary(name: str) -> Json:
    system = "WINDOWS" if name.startswith("windows") else "LINUX"
    return {
        "name": name,
        "description": "",
        "os_type": f"CUSTOMIZATION_SPECS_OS_TYPE_{system}",
        "last_modified": NOW,
    }


def exported_json(response: Any, simulator: Simulator) -> None:
    text = json.loads(response["exported"])
    assert text == {"name": "linux-1-nic", "description": "", "spec": specs(simulator)["linux-1-nic"]}


def exported_xml(response: Any, simulator: Simulator) -> None:
    assert response["exported"].startswith('<?xml version="1.0" encoding="UTF-8"?>\n<ConfigRoot>')
    assert "<domain>corp.example.com</domain>" in response["exported"]


XML = """<ConfigRoot>
  <name>new</name><description/>
  <spec>
    <configuration_spec><linux_config>
      <hostname><type>PREFIX</type><prefix>web</prefix></hostname><domain>example.com</domain>
    </linux_config></configuration_spec>
    <global_DNS_settings/>
    <interfaces><e id="0"><adapter><ipv4>
      <type>STATIC</type><ip_address>10.0.0.5</ip_address><prefix>24</prefix>
      <gateways><e>10.0.0.1</e></gateways>
    </ipv4></adapter></e></interfaces>
  </spec>
</ConfigRoot>"""
OF_XML = {
    "configuration_spec": {
        "linux_config": {
            "hostname": {"type": "HOSTNAME_GENERATOR_TYPE_PREFIX", "prefix": "web"},
            "domain": "example.com",
        }
    },
    "global_dns_settings": {},
    "interfaces": [
        {
            "adapter": {
                "ipv4": {
                    "type": "IPV4_TYPE_STATIC",
                    "ip_address": "10.0.0.5",
                    "prefix": "24",
                    "gateways": ["10.0.0.1"],
                }
            }
        }
    ],
}
TEXT = json.dumps(
    {
        "name": "new",
        "description": None,
        "spec": {
            "configuration_spec": {"linux_config": {"hostname": {"type": "VIRTUAL_MACHINE"}, "domain": "a.example"}},
            "global_DNS_settings": {},
            "interfaces": [],
        },
    }
)

SUCCESSES = (
    Success(id="new", rpc=CREATE, request={"spec": NEW}, response={"customization_spec": "new"}, check=stored("new")),
    Success(
        id="one",
        rpc=GET,
        request={"name": "linux-1-nic"},
        response={
            "customization_spec": {
                "last_modified": NOW,
                "spec": {"name": "linux-1-nic", "description": "", "fingerprint": "1500000000", "spec": LINUX},
            }
        },
    ),
    Success(
        id="read-before",
        rpc=SET,
        request={"name": "linux-1-nic", "spec": {**NEW, "name": "linux-1-nic", "fingerprint": "1500000000"}},
        check=stored("linux-1-nic"),
    ),
    Success(
        id="renamed",
        rpc=SET,
        request={"name": "windows-1-nic", "spec": {**NEW, "fingerprint": ""}},
        check=stored("new", instead_of="windows-1-nic"),
    ),
    Success(id="one", rpc=DELETE, request={"name": "linux-1-nic"}, check=deleted),
    Success(id="all", rpc=LIST, request={}, response={"customization_specs": [summary(name) for name in STORED]}),
    Success(
        id="filtered",
        rpc=LIST,
        request={"os_type": "CUSTOMIZATION_SPECS_OS_TYPE_LINUX", "names": ["linux-2-nics", "windows-1-nic", "none"]},
        response={"customization_specs": [summary("linux-2-nics")]},
    ),
    Success(
        id="json",
        rpc=EXPORT,
        request={"name": "linux-1-nic", "format": "CUSTOMIZATION_SPECS_FORMAT_JSON"},
        check=exported_json,
    ),
    Success(
        id="xml",
        rpc=EXPORT,
        request={"name": "linux-1-nic", "format": "CUSTOMIZATION_SPECS_FORMAT_XML"},
        check=exported_xml,
    ),
    Success(
        id="xml",
        rpc=IMPORT,
        request={"customization_spec": XML},
        response={"spec": {"name": "new", "description": "", "spec": OF_XML}},
    ),
)


def invalid(case: str, reason: str, **changes: Any) -> tuple[ErrorCase, ErrorCase]:
    """A specification that is stored neither as a new one nor in place of another."""
    spec = {**NEW, **changes}
    return (
        ErrorCase(
            rpc=CREATE,
            error="INVALID_ARGUMENT",
            id=case,
            request={"spec": spec},
            messages=(f"{MESSAGES}.{reason}",),
        ),
        ErrorCase(
            rpc=SET,
            error="INVALID_ARGUMENT",
            id=case,
            request={"name": "linux-1-nic", "spec": {**spec, "fingerprint": ""}},
            messages=(f"{MESSAGES}.{reason}",),
        ),
    )


def interface(**ipv4: str) -> Json:
    return {**LINUX, "interfaces": [{"adapter": {"ipv4": {"type": "IPV4_TYPE_STATIC", **ipv4}}}]}


def refused(rpc: str, error: str, case: str, reason: str, request: Json, setup: Setup | None = None) -> ErrorCase:
    message = reason if "." in reason else f"{MESSAGES}.{reason}"
    return ErrorCase(rpc=rpc, error=error, id=case, request=request, messages=(message,), setup=setup)


ERRORS = (
    refused(CREATE, "ALREADY_EXISTS", "", "already_exists", {"spec": {**NEW, "name": "linux-1-nic"}}),
    *invalid("name", "invalid_name", name=" "),
    *invalid("configurations", "one_configuration", spec={**LINUX, "configuration_spec": {}}),
    *invalid(
        "sysprep",
        "one_sysprep",
        spec={
            **LINUX,
            "configuration_spec": {"windows_config": {"reboot": "WINDOWS_CONFIGURATION_REBOOT_OPTION_REBOOT"}},
        },
    ),
    *invalid("address", "ip_address", spec=interface(ip_address="10.0.0", prefix="24")),
    *invalid("prefix", "prefix", spec=interface(ip_address="10.0.0.1", prefix="33")),
    *invalid("dns", "ip_address", spec={**LINUX, "global_dns_settings": {"dns_servers": ["dns"]}}),
    refused(
        SET,
        "INVALID_ARGUMENT",
        "changed-since",
        "fingerprint_mismatch",
        {"name": "linux-1-nic", "spec": {**NEW, "fingerprint": "1"}},
    ),
    refused(
        SET,
        "INVALID_ARGUMENT",
        "taken-name",
        "name_in_use",
        {"name": "linux-1-nic", "spec": {**NEW, "name": "linux-2-nics", "fingerprint": ""}},
    ),
    *(
        refused(rpc, "NOT_FOUND", "", "not_found", {"name": "none", **more})
        for rpc, more in (
            (GET, {}),
            (SET, {"spec": {**NEW, "fingerprint": ""}}),
            (DELETE, {}),
            (EXPORT, {"format": "CUSTOMIZATION_SPECS_FORMAT_XML"}),
        )
    ),
    refused(LIST, "INVALID_ARGUMENT", "", "invalid_os_type", {"os_type": "SOLARIS"}),
    refused(LIST, "UNABLE_TO_ALLOCATE_RESOURCE", "", "too_many_matches", {}, many),
    # The gateway does not send a format that is none.
    refused(
        EXPORT,
        "INVALID_ARGUMENT",
        "",
        "com.vmware.vcenter.simulator.fault",
        {"name": "linux-1-nic", "format": "CUSTOMIZATION_SPECS_FORMAT_XML"},
        lambda simulator: simulator.faults.add(
            Fault.error("INVALID_ARGUMENT"), operation="com.vmware.vcenter.guest.customization_specs.export"
        ),
    ),
    *(
        refused(IMPORT, "INVALID_ARGUMENT", case, "invalid_text", {"customization_spec": text})
        for case, text in (
            ("no-json", "nonsense"),
            ("no-specification", "[]"),
            ("missing-field", TEXT),
            ("no-xml", "<ConfigRoot>"),
            ("other-xml", "<Root/>"),
            ("entities", '<!DOCTYPE x [<!ENTITY e "e">]><ConfigRoot><name>&e;</name></ConfigRoot>'),
            ("no-number", XML.replace(">24<", ">many<")),
            ("unknown-field", XML.replace("<description/>", "<description/><nonsense/>")),
        )
    ),
)
