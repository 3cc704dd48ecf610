"""Reads OVF descriptors: what an uploaded package says about a machine, and the files that it refers to."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from gateway.simulator.guest_systems import guest_os_of
from gateway.simulator.ovf_package import OvfPackage

__all__ = ["Descriptor", "read"]

# The relevant types of hardware, by their CIM numbers.
_CPU, _MEMORY, _NIC = "3", "4", "10"
_UNITS = {"kb": 1 << 10, "kilobytes": 1 << 10, "mb": 1 << 20, "megabytes": 1 << 20, "gb": 1 << 30, "gigabytes": 1 << 30}
_BYTES = "byte"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor: the package, and the names of the files that it refers to."""

    package: OvfPackage
    files: tuple[str, ...]


def read(content: bytes) -> Descriptor:
    """The content of a descriptor. Raises ValueError if it is not one, or contains no machine."""
    try:
        envelope = ElementTree.fromstring(content)  # noqa: S314 - expat bounds how far entities expand
    except ElementTree.ParseError as error:
        raise ValueError(f"the descriptor is not valid XML: {error}") from None
    system = envelope.find("{*}VirtualSystem")
    if system is None:
        raise ValueError("the descriptor has no VirtualSystem")
    hardware = [
        {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in item}
        for item in system.iterfind("{*}VirtualHardwareSection/*")
    ]
    disks = tuple(_capacity(disk) for disk in envelope.iterfind("{*}DiskSection/{*}Disk"))
    package = OvfPackage(
        name=_text(system.find("{*}Name")) or _attribute(system, "id"),
        guest_os=guest_os_of(_attribute(system.find("{*}OperatingSystemSection"), "osType")),
        cpu_count=int(_quantity(hardware, _CPU, 1)),
        memory_mib=int(_quantity(hardware, _MEMORY, 2048)),
        disks=disks,
        networks=tuple(item.get("Connection", "") for item in hardware if item.get("ResourceType") == _NIC),
        annotation=_text(system.find("{*}AnnotationSection/{*}Annotation")),
        eulas=tuple(_text(item) for item in system.iterfind("{*}EulaSection/{*}License")),
        properties={
            ".".join(filter(None, (_attribute(section, "class"), _attribute(item, "key")))): _attribute(item, "value")
            for section in system.iterfind("{*}ProductSection")
            for item in section.iterfind("{*}Property")
        },
    )
    files = tuple(_attribute(file, "href") for file in envelope.iterfind("{*}References/{*}File"))
    return Descriptor(package, files)


def _text(element: ElementTree.Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _attribute(element: ElementTree.Element | None, name: str) -> str:
    """The attribute with that name in any namespace, empty if it does not exist."""
    found: Iterator[str] = (
        value for key, value in ({} if element is None else element.attrib).items() if key.rpartition("}")[2] == name
    )
    return next(found, "")


def _quantity(hardware: list[dict[str, str]], kind: str, default: int) -> float:
    """The quantity of the first hardware of a type: a number, or MiB of memory."""
    item = next((item for item in hardware if item.get("ResourceType") == kind), None)
    if item is None:
        return default
    quantity = int(item.get("VirtualQuantity", ""))
    return quantity if kind == _CPU else quantity * _factor(item.get("AllocationUnits") or "MB") / (1 << 20)


def _capacity(disk: ElementTree.Element) -> int:
    return int(_attribute(disk, "capacity")) * _factor(_attribute(disk, "capacityAllocationUnits") or _BYTES)


def _factor(units: str) -> int:
    """Bytes of a unit such as `byte * 2^30`, or of the older `MegaBytes`."""
    unit, _, power = (part.strip().casefold() for part in units.partition("*"))
    if unit == _BYTES:
        return 1 << int(power.removeprefix("2^")) if power else 1
    if unit not in _UNITS:
        raise ValueError(f"the unit {units!r} is not known")
    return _UNITS[unit]
