"""Writes gateway/vim/schema.txt: the types and methods of vCenter's VIM API, from pyVmomi's type tables.

    generate_vim_schema.py           writes it
    generate_vim_schema.py --check   fails if it is out of date

SOAP values need a schema: only the schema states whether `<numCPU>2</numCPU>` is a number, whether one element is a
list of one, and in which order elements must be. pyVmomi is a dependency of the tests, not of the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from generated import ROOT, write_or_check
from pyVmomi import VmomiSupport

OUTPUT = ROOT / "gateway" / "vim" / "schema.txt"

HEADER = """\
# The types and methods of vCenter's VIM API. Written by tools/generate_vim_schema.py; not to be edited.
# A type: its name, its base type, its members. A method: its name, its result, its parameters.
# A member is a string unless it says otherwise. `*` is a list, `?` a result that may be missing.
"""

_NAMESPACES = ("vim.version.", "vmodl.")
"""The versions that introduced types and methods: those of vSAN and other services are numbered separately."""
_SCALARS = {
    "string": "string",
    "vmodl.URI": "string",
    "vmodl.TypeName": "string",
    "vmodl.MethodName": "string",
    "vmodl.PropertyPath": "string",
    "byte": "int",
    "short": "int",
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "boolean": "bool",
    "vmodl.DateTime": "time",
    "vmodl.Binary": "bytes",
    "anyType": "any",
    "vmodl.ManagedObject": "ref",
    "void": "-",
}
_NOT_SENT = frozenset({"DynamicData.dynamicType", "DynamicData.dynamicProperty", "MethodFault.msg"})
"""Members that pyVmomi has but that are not sent."""
_ROOTS = frozenset({"vmodl.DataObject", None})
_NAMES = frozenset(
    {
        "CloneVM_Task.name",
        "CreateFolder.name",
        "CreateSnapshotEx_Task.name",
        "CreateSnapshot_Task.name",
        "RegisterVM_Task.name",
        "RenameSnapshot.name",
        "Rename_Task.newName",
        "EntityEventArgument.name",
        "TaskInfo.entityName",
        "VirtualMachineConfigInfo.name",
        "VirtualMachineConfigSpec.name",
        "VirtualMachineConfigSummary.name",
        "VirtualMachineSnapshotTree.name",
    }
)
"""Names of objects, in which vCenter escapes `/`, `\\` and `%`, says its documentation; the tables lack this."""

_DATA: dict[str, Any] = VmomiSupport._dataDefMap
_MANAGED: dict[str, Any] = VmomiSupport._managedDefMap
_ENUMS: dict[str, Any] = VmomiSupport._enumDefMap


def schema() -> str:
    """The content of the file."""
    return "\n".join([HEADER + f"release {_newest()}", *sorted(set(_types())), "methods", *sorted(set(_methods())), ""])


def _newest() -> str:
    # The oldest ones have other names, for example 2.5u2.
    releases = (name.split(".") for name in VmomiSupport.versionIdMap.values() if name.replace(".", "").isdigit())
    return ".".join(max(releases, key=lambda parts: [int(part) for part in parts]))


def _types() -> Iterator[str]:
    for _, name, parent, version, members in _DATA.values():
        if _is_ours(version) and name != "DataObject":
            base = "-" if parent in _ROOTS else "DynamicData" if name == "LocalizedMethodFault" else _DATA[parent][1]
            yield " ".join([name, base, *_members(name, members or ())])


def _methods() -> Iterator[str]:
    for definition in _MANAGED.values():
        for _, name, version, parameters, (flags, result, _), *_ in definition[5] or ():
            if _is_ours(version):
                optional = "?" if flags & VmomiSupport.F_OPTIONAL else ""
                yield " ".join([name, _kind(result) + optional, *_members(name, parameters)])


def _members(owner: str, members: Iterable[Any]) -> Iterator[str]:
    for name, declared, *_ in members:
        if f"{owner}.{name}" not in _NOT_SENT:
            kind = "name" if f"{owner}.{name}" in _NAMES else _kind(declared)
            # The fault in it is bare; any other fault is next to its localized message.
            if owner == "LocalizedMethodFault" and name == "fault":
                kind = "MethodFault"
            yield name if kind == "string" else f"{name}:{kind}"


def _kind(declared: str) -> str:
    if declared.endswith("[]"):
        return _kind(declared.removesuffix("[]")) + "*"
    if declared in _SCALARS:
        return _SCALARS[declared]
    if declared in _ENUMS:
        return "string"
    if declared in _MANAGED:
        return "ref"
    return "LocalizedMethodFault" if _is_fault(declared) else str(_DATA[declared][1])


def _is_fault(name: str) -> bool:
    while name in _DATA:
        if name == "vmodl.MethodFault":
            return True
        name = _DATA[name][2]
    return False


def _is_ours(version: str) -> bool:
    return version.startswith(_NAMESPACES)


def main() -> None:
    """Writes or checks the file."""
    write_or_check({OUTPUT: schema()})


if __name__ == "__main__":
    main()
