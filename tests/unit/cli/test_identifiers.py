"""Flags for identifiers: which ones an rpc has, and what they put into its request."""

from __future__ import annotations

import click
import pytest

from gateway.cli.call import call
from gateway.cli.identifiers import identifier_fields
from gateway.cli.lookup import _listing
from gateway.cli.output import Exit
from gateway.contract import load_contract
from tests.unit.cli.conftest import Invoke

CONTRACT = load_contract()
TAKEN = {flag for item in call.params for flag in (*item.opts, *item.secondary_opts)} | {"--help"}


def flags_of(rpc: str) -> dict[str, tuple[str, ...]]:
    """The flags of an rpc by the path of the field."""
    return {".".join(field.path): field.flags for field in identifier_fields(CONTRACT.methods[rpc], CONTRACT, TAKEN)}


def test_flags() -> None:
    """A field has its path as a flag, and its last part where that is unambiguous; a list may go without the `s`."""
    assert flags_of("vcenter.vm.hardware.v1.CdromService/GetCdrom") == {"vm": ("--vm",), "cdrom": ("--cdrom",)}
    clone = flags_of("vcenter.v1.VmService/CloneVm")
    assert clone["spec.source"] == ("--source", "--spec.source")
    assert clone["spec.placement.folder"] == ("--folder", "--spec.placement.folder")
    assert flags_of("vcenter.v1.VmService/ListVms")["vms"] == ("--vms", "--vm")
    assert flags_of("vcenter.vm.data_sets.v1.EntriesService/GetEntry")["key"] == ("--request.key",)


def test_all_rpcs() -> None:
    """Every identifier of every rpc has a flag that nothing else has."""
    for rpc, method in CONTRACT.methods.items():
        fields = identifier_fields(method, CONTRACT, TAKEN)
        flags = [flag for field in fields for flag in field.flags]
        assert len(flags) == len(set(flags)), rpc
        assert not TAKEN & set(flags), rpc
        # Only those at the top: how deep messages go is the matter of the walk.
        named = {
            field.name
            for field in method.input_type.fields
            if (told := CONTRACT.identifiers.get(field.full_name)) and told.types and field.message_type is None
        }
        assert named <= {field.path[0] for field in fields}, rpc


def test_kinds_with_names() -> None:
    """What people call by names can be looked up, each kind by one rpc."""
    found = [listing for method in CONTRACT.methods.values() if (listing := _listing(method, CONTRACT)) is not None]
    types = [next(iter(CONTRACT.identifiers[listing.identifier.full_name].types)) for listing in found]
    assert len(types) == len(set(types))
    assert {
        "VirtualMachine",
        "HostSystem",
        "ClusterComputeResource",
        "Folder",
        "Datastore",
        "Network",
        "Datacenter",
        "ResourcePool",
        "com.vmware.vcenter.StoragePolicy",
    } <= set(types)


def test_put() -> None:
    """A flag adds to the request, also within it, and replaces nothing."""
    fields = {
        ".".join(f.path): f for f in identifier_fields(CONTRACT.methods["vcenter.v1.VmService/CloneVm"], CONTRACT)
    }
    request: dict[str, object] = {"spec": {"name": "x"}}
    fields["spec.placement.folder"].put(request, ["group-v1"])
    fields["spec.disks_to_remove"].put(request, ["2000", "2001"])
    assert request == {"spec": {"name": "x", "placement": {"folder": "group-v1"}, "disks_to_remove": ["2000", "2001"]}}
    with pytest.raises(click.UsageError, match="is in the request already"):
        fields["spec.placement.folder"].put(request, ["group-v2"])
    with pytest.raises(click.UsageError, match="needs an object at spec"):
        fields["spec.source"].put({"spec": "x"}, ["vm-1"])


def test_help_of_an_rpc(invoke: Invoke) -> None:
    """The help of `call` with an rpc has its identifiers, and without one it has none."""
    assert "VirtualMachine, by name or identifier" in " ".join(invoke("call", "GetVm", "--help").output.split())
    assert "Identifiers in the request" not in invoke("call", "--help").output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["GetVm", "--host", "x"], "No such option '--host'", id="no-such-identifier"),
        pytest.param(["--vm", "x", "GetVmm"], "there is no rpc", id="no-such-rpc"),
        pytest.param(["GetVm", "--vm"], "requires an argument", id="no-value"),
    ],
)
def test_mistakes(invoke: Invoke, arguments: list[str], text: str) -> None:
    """A flag that the rpc does not have is a mistake."""
    told = invoke("call", *arguments)
    assert (told.exit_code, text in told.stderr) == (Exit.USAGE, True), told.stderr
