"""The properties of the simulated VIM API against the type tables of pyVmomi."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyVmomi import VmomiSupport

from gateway.simulator.vim.objects import TYPES
from gateway.simulator.vim.structures import Structure

NAMESPACE = "urn:vim25"
NOT_ON_THE_WIRE = {"dynamicType", "dynamicProperty"}
SCALARS = {
    "string": "xsd:string",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "long": "xsd:long",
    "short": "xsd:short",
    "dateTime": "xsd:dateTime",
    "anyType": "anyType",
}


def structures() -> Iterator[Structure]:
    """Every structure that there is, those within others too, once by type."""
    waiting, seen = list(TYPES.values()), set()
    while waiting:
        structure = waiting.pop()
        if structure.type not in seen:
            seen.add(structure.type)
            yield structure
            waiting += [member for member in structure.members.values() if isinstance(member, Structure)]


def declared_members(structure: Structure) -> dict[str, type]:
    """The members of a type, with their types."""
    infos = VmomiSupport.GetWsdlType(NAMESPACE, structure.type)._GetPropertyList()
    return {info.name: info.type for info in infos if info.name not in NOT_ON_THE_WIRE}


def kind_of(declared: type) -> str:
    """What `xsi:type` is for a declared type."""
    name = VmomiSupport.GetWsdlName(declared)
    if issubclass(declared, VmomiSupport.Array):
        item = kind_of(declared.Item).removeprefix("xsd:")
        return f"ArrayOf{item[0].upper()}{item[1:]}"
    if issubclass(declared, VmomiSupport.ManagedObject):
        return "ManagedObjectReference"
    if name in ("TypeName", "ManagedMethod", "anyURI"):
        return "xsd:string"
    return SCALARS.get(name, name)


@pytest.mark.parametrize("structure", [*structures()], ids=lambda structure: structure.type)
def test_members(structure: Structure) -> None:
    """Each member exists under its name and with its type; what the simulator never sets is known by name."""
    declared = declared_members(structure)
    assert {*structure.members, *structure.unset} <= declared.keys()
    kinds = {
        name: (member.type if isinstance(member, Structure) else member.kind)
        for name, member in structure.members.items()
    }
    found = {name: kind_of(declared[name]) for name in kinds}
    differing = {
        name: (kind, found[name]) for name, kind in kinds.items() if not fits(kind, declared[name], found[name])
    }
    assert not differing


def fits(kind: str, declared: type, expected: str) -> bool:
    """Whether a value of a type may stand where another one is declared: the same, or one derived from it."""
    if kind == expected:
        return True
    if kind.startswith(("xsd:", "ArrayOf")) or kind in ("ManagedObjectReference", "anyType"):
        return False
    return issubclass(VmomiSupport.GetWsdlType(NAMESPACE, kind), declared)


@pytest.mark.parametrize("structure", [*structures()], ids=lambda structure: structure.type)
def test_members_are_complete(structure: Structure) -> None:
    """Every member that vCenter has is there or known to be unset, so that only a misspelled path is refused."""
    assert declared_members(structure).keys() == {*structure.members, *structure.unset}
