"""Customization specifications: which are stored in vCenter, what a valid one is, and what it changes in a guest."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.simulator import errors
from gateway.simulator.guest import Plan
from gateway.simulator.guest_systems import Family
from gateway.simulator.machine import VirtualMachine

__all__ = ["STORED_SPECS", "Spec", "guest_of", "plan", "require_valid", "stored", "supports"]

Spec = Mapping[str, Any]

_DHCP: Spec = {"adapter": {"ipv4": {"type": "DHCP"}}}
_LINUX: Spec = {
    "linux_config": {
        "hostname": {"type": "VIRTUAL_MACHINE"},
        "domain": "corp.example.com",
        "time_zone": "Europe/Berlin",
    }
}
_WINDOWS: Spec = {
    "windows_config": {
        "reboot": "REBOOT",
        "sysprep": {
            "user_data": {
                "computer_name": {"type": "VIRTUAL_MACHINE"},
                "full_name": "Administrator",
                "organization": "Example",
                "product_key": "",
            },
            "domain": {"type": "WORKGROUP", "workgroup": "WORKGROUP"},
            "gui_unattended": {"auto_logon": False, "auto_logon_count": 0, "time_zone": 110},
        },
    }
}
_DNS: Spec = {"dns_servers": ["10.20.0.63"], "dns_suffix_list": ["corp.example.com"]}

STORED_SPECS: Mapping[str, Spec] = {
    "linux-1-nic": {"configuration_spec": _LINUX, "global_DNS_settings": _DNS, "interfaces": [_DHCP]},
    "linux-2-nics": {"configuration_spec": _LINUX, "global_DNS_settings": _DNS, "interfaces": [_DHCP, _DHCP]},
    "windows-1-nic": {"configuration_spec": _WINDOWS, "global_DNS_settings": _DNS, "interfaces": [_DHCP]},
    "windows-2-nics": {"configuration_spec": _WINDOWS, "global_DNS_settings": _DNS, "interfaces": [_DHCP, _DHCP]},
}
"""The specifications of the inventory by name."""

_CONFIGURATIONS: dict[str, tuple[Family, ...]] = {
    "windows_config": ("WINDOWS",),
    "linux_config": ("LINUX", "SOLARIS"),
    "cloud_config": ("LINUX",),
}
_HOST_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_LONGEST_NAME = {"WINDOWS": 15}
_LONGEST_LABEL = 63


def supports(machine: VirtualMachine) -> bool:
    """Whether there is a configuration for the guest family of the machine."""
    return any(machine.guest.family in families for families in _CONFIGURATIONS.values())


def stored(specs: Mapping[str, Spec], name: str, error_type: str = "NOT_FOUND") -> Spec:
    """The specification with that name; an error of that type if it does not exist."""
    if name not in specs:
        raise errors.of_type(
            error_type,
            "com.vmware.api.vcenter.guest.customization_spec.not_found",
            "The customization specification with name '{0}' does not exist.",
            name,
        )
    return specs[name]


def plan(spec: Spec, machine: VirtualMachine) -> Plan:
    """What the specification changes in the machine's guest; INVALID_ARGUMENT if it does not fit."""
    kind, configuration = _configuration(spec["configuration_spec"], machine)
    address = _interfaces(spec["interfaces"], machine)
    dns = spec["global_DNS_settings"]
    for server in dns.get("dns_servers") or ():
        _require_address(server, None)
    host_name, domain, password = _names(kind, configuration, machine)
    servers, suffixes = dns.get("dns_servers"), dns.get("dns_suffix_list")
    return Plan(
        host_name=host_name,
        domain=domain,
        ip_address=address,
        dns_servers=None if servers is None else tuple(servers),
        search_domains=None if suffixes is None else tuple(suffixes),
        administrator_password=password,
    )


def _invalid(reason: str, text: str, *args: str) -> errors.VapiError:
    return errors.invalid_argument(f"com.vmware.api.vcenter.guest.customization_spec.{reason}", text, *args)


def require_valid(spec: Spec) -> None:
    """INVALID_ARGUMENT for a specification that is invalid for every guest."""
    kind, configuration = _chosen(spec["configuration_spec"])
    if kind == "windows_config":
        _sysprep(configuration)
    for interface in spec["interfaces"]:
        _check_adapter(interface["adapter"], may_ask=True)
    for server in spec["global_DNS_settings"].get("dns_servers") or ():
        _require_address(server, None)


def guest_of(spec: Spec) -> str:
    """The operating system of a specification, as in lists of specifications."""
    return "WINDOWS" if spec["configuration_spec"].get("windows_config") is not None else "LINUX"


def _chosen(choices: Spec) -> tuple[str, Spec]:
    """The one configuration that is set."""
    given = [name for name in _CONFIGURATIONS if choices.get(name) is not None]
    if len(given) != 1:
        text = "Exactly one of windows_config, linux_config and cloud_config must be given."
        raise _invalid("one_configuration", text)
    return given[0], choices[given[0]]


def _configuration(choices: Spec, machine: VirtualMachine) -> tuple[str, Spec]:
    """The one configuration that is set, if it is for the family of the guest."""
    if not supports(machine):
        text = "Customization of the guest operating system '{0}' is not supported in this configuration."
        raise errors.invalid_argument("vmsg.UncustomizableGuest.summary", text, machine.guest_os)
    kind, configuration = _chosen(choices)
    if machine.guest.family not in _CONFIGURATIONS[kind]:
        text = "The configuration {0} is not one for the guest operating system '{1}'."
        raise _invalid("wrong_guest_os", text, kind, machine.guest_os)
    return kind, configuration


def _names(kind: str, configuration: Spec, machine: VirtualMachine) -> tuple[str | None, str | None, str | None]:
    """Host name, domain and administrator password that the configuration sets."""
    if kind == "linux_config":
        return _host_name(configuration["hostname"], machine), configuration["domain"], None
    if kind == "cloud_config":
        found = re.search(r"local-hostname[\"']?\s*:\s*[\"']?([\w.-]+)", configuration["cloudinit"]["metadata"])
        return (found[1] if found else None), None, None
    sysprep = _sysprep(configuration)
    if sysprep is None:
        return None, None, None
    unattended = sysprep["gui_unattended"]
    domain = (sysprep.get("domain") or {}).get("domain")
    return _host_name(sysprep["user_data"]["computer_name"], machine), domain, unattended.get("password")


def _sysprep(configuration: Spec) -> Spec | None:
    """The answers for Sysprep; None if a whole answer file is given."""
    sysprep: Spec | None = configuration.get("sysprep")
    if (sysprep is None) == (configuration.get("sysprep_xml") is None):
        raise _invalid("one_sysprep", "Exactly one of sysprep and sysprep_xml must be given.")
    if sysprep is not None:
        unattended = sysprep["gui_unattended"]
        if unattended["auto_logon"] and unattended["auto_logon_count"] < 1:
            raise _invalid("auto_logon_count", "With auto_logon, auto_logon_count must be at least 1.")
    return sysprep


def _host_name(generator: Spec, machine: VirtualMachine) -> str:
    match generator["type"]:
        case "FIXED":
            name = str(generator["fixed_name"])
        case "PREFIX":
            name = f"{generator['prefix']}-{machine.vm.removeprefix('vm-')}"
        case "VIRTUAL_MACHINE":
            name = machine.name
        case _:
            raise _user_input("host name")
    if len(name) > _LONGEST_NAME.get(machine.guest.family, _LONGEST_LABEL) or _HOST_NAME.fullmatch(name) is None:
        raise _invalid("host_name", "'{0}' cannot be the host name of the guest operating system.", name)
    return name


def _interfaces(interfaces: Sequence[Spec], machine: VirtualMachine) -> str | None:
    """Validates the settings of all nics; returns the static address of the first one, if it has one."""
    if len(interfaces) != len(machine.nics):
        text = "The number of network adapters in the specification, {0}, is not that of the virtual machine, {1}."
        numbers = (str(len(interfaces)), str(len(machine.nics)))
        raise errors.invalid_argument("vmsg.NicSettingMismatch.summary", text, *numbers)
    known = {nic.mac_address for nic in machine.nics.values()}
    for interface in interfaces:
        mac: str | None = interface.get("mac_address")
        if mac is not None and mac.lower().replace("-", ":") not in known:
            raise _invalid("mac_address", "The virtual machine has no network adapter with the address '{0}'.", mac)
        _check_adapter(interface["adapter"])
    first = (interfaces[0]["adapter"].get("ipv4") or {}) if interfaces else {}
    address: str | None = first.get("ip_address")
    return address


def _check_adapter(adapter: Spec, *, may_ask: bool = False) -> None:
    ipv4, ipv6 = adapter.get("ipv4") or {}, adapter.get("ipv6") or {}
    if not may_ask and "USER_INPUT_REQUIRED" in (ipv4.get("type"), ipv6.get("type")):
        raise _user_input("IP address")
    if ipv4.get("type") == "STATIC":
        _require_address(ipv4["ip_address"], 4, ipv4["prefix"])
    for item in ipv6.get("ipv6") or ():
        _require_address(item["ip_address"], 6, item["prefix"])
    for version, settings in ((4, ipv4), (6, ipv6)):
        for gateway in settings.get("gateways") or ():
            _require_address(gateway, version)


def _require_address(text: str, version: int | None, prefix: int = 0) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _invalid("ip_address", "'{0}' is not an IP address.", text) from None
    if version not in (None, address.version):
        raise _invalid("ip_address", "'{0}' is not an IP address of version {1}.", text, str(version))
    if not 0 <= prefix <= address.max_prefixlen:
        raise _invalid("prefix", "{0} is not the length of a prefix of the address '{1}'.", str(prefix), text)


def _user_input(what: str) -> errors.VapiError:
    text = "The {0} would have to be asked for; an operation of the API cannot do that."
    return _invalid("user_input_required", text, what)
