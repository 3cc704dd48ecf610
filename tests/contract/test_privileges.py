"""The privileges in comments of the gateway's own rpcs, compared with those that pyVmomi has for VIM's methods."""

from __future__ import annotations

import re

import pytest
from pyVmomi import VmomiSupport

from gateway.contract import load_contract
from gateway.contract.documentation import Documentation

CONTRACT = load_contract()
DOCUMENTATION = Documentation(CONTRACT)
PRIVILEGE = re.compile(r"`([A-Z]\w+(?:\.[A-Z]\w+)+)`")


@pytest.mark.parametrize(
    ("rpc", "kind", "method"),
    [
        ("SnapshotService/CreateSnapshot", "vim.VirtualMachine", "CreateSnapshotEx_Task"),
        ("SnapshotService/RevertToSnapshot", "vim.VirtualMachine", "RevertToCurrentSnapshot_Task"),
        ("SnapshotService/RevertToSnapshot", "vim.vm.Snapshot", "RevertToSnapshot_Task"),
        ("SnapshotService/RemoveSnapshot", "vim.vm.Snapshot", "RemoveSnapshot_Task"),
        ("SnapshotService/RemoveAllSnapshots", "vim.VirtualMachine", "RemoveAllSnapshots_Task"),
        ("SnapshotService/RenameSnapshot", "vim.vm.Snapshot", "RenameSnapshot"),
        ("VmSettingsService/CreateCustomAttribute", "vim.CustomFieldsManager", "AddCustomFieldDef"),
        ("VmSettingsService/DeleteCustomAttribute", "vim.CustomFieldsManager", "RemoveCustomFieldDef"),
        ("VmSettingsService/MarkAsTemplate", "vim.VirtualMachine", "MarkAsTemplate"),
        ("VmSettingsService/MarkAsVirtualMachine", "vim.VirtualMachine", "MarkAsVirtualMachine"),
        ("VmSettingsService/AnswerQuestion", "vim.VirtualMachine", "AnswerVM"),
        ("VmSettingsService/TakeScreenshot", "vim.VirtualMachine", "CreateScreenshot_Task"),
    ],
)
def test_the_privilege_of_a_method(rpc: str, kind: str, method: str) -> None:
    """The comment names the privilege that vCenter checks for the method of VIM that the rpc calls."""
    name = f"vcenter.gateway.v1.{rpc}"
    told = DOCUMENTATION.of(CONTRACT.methods[name].input_type.file.name, name).comment
    methods = VmomiSupport.GetVmodlType(kind)._GetMethodList()
    wanted = next(item.privId for item in methods if item.wsdlName == method)
    assert wanted in PRIVILEGE.findall(told)
