"""What the policy allows, and what a wrong policy file is told."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gateway.access.policy import Policy, parse_policy
from gateway.contract import Contract, Named, load_contract
from tests.protos import contract_of

POLICY = b"""
rules:
  - identities: ["spiffe://example.org/ns/build/*", "ci"]
    rpcs: ["vcenter.vm.hardware.v1.*/Get*", "vcenter.v1.VmService/*"]
  - identities: ["operator"]
    rpcs: ["*"]
    machines: ["vm-10*", "vm-7"]
"""
GET_CPU = "vcenter.vm.hardware.v1.CpuService/GetCpu"
UPDATE_CPU = "vcenter.vm.hardware.v1.CpuService/UpdateCpu"
LIST_VMS = "vcenter.v1.VmService/ListVms"
Names = Callable[[], tuple[Named, ...]]


def nothing() -> tuple[Named, ...]:
    return ()


def machine(identifier: str) -> Names:
    return lambda: (Named(frozenset({"VirtualMachine"}), identifier),)


def request(contract: Contract, rpc: str, **fields: Any) -> Names:
    """What a request names."""
    method = contract.methods[rpc]
    message = contract.message_class(method.input_type)(**fields)
    return lambda: method.resources(message)


@pytest.mark.parametrize(
    ("identity", "rpc", "named", "allowed"),
    [
        pytest.param("ci", GET_CPU, machine("vm-1"), True, id="read-by-name"),
        pytest.param("spiffe://example.org/ns/build/sa/x", GET_CPU, machine("vm-1"), True, id="read-by-pattern"),
        pytest.param("ci", LIST_VMS, nothing, True, id="no-machine"),
        pytest.param("ci", UPDATE_CPU, machine("vm-1"), False, id="other-rpc"),
        pytest.param("ci2", GET_CPU, machine("vm-1"), False, id="longer-name"),
        pytest.param("CI", GET_CPU, machine("vm-1"), False, id="other-case"),
        pytest.param("operator", UPDATE_CPU, machine("vm-1001"), True, id="machine-by-pattern"),
        pytest.param("operator", UPDATE_CPU, machine("vm-7"), True, id="machine-by-name"),
        pytest.param("operator", UPDATE_CPU, machine("vm-70"), False, id="other-machine"),
        pytest.param("operator", LIST_VMS, nothing, False, id="rule-for-machines-only"),
        pytest.param("nobody", GET_CPU, machine("vm-1"), False, id="no-rule"),
    ],
)
def test_rules(identity: str, rpc: str, named: Names, allowed: bool) -> None:
    """A call is allowed when one rule fits its identity, its rpc and what it names, and else denied."""
    assert (parse_policy(POLICY).denial(identity, rpc, named) is None) is allowed


def test_brackets() -> None:
    """Brackets stand for themselves: only `*` and `?` stand for something else."""
    policy = parse_policy(b"rules: [{identities: ['team [a-c]'], rpcs: ['*']}]")
    assert policy.denial("team [a-c]", GET_CPU, nothing) is None
    assert policy.denial("team b", GET_CPU, nothing) == ""


def test_nothing_is_remembered_of_callers() -> None:
    """What callers name is forgotten when their call has ended: they may name any number of things, of any length."""

    class Name(str):
        """A text of which can be seen whether anybody still has it."""

    policy = parse_policy(POLICY)
    names = [Name("operator"), Name("x" * 1000), Name("vm-1001"), Name("vm-9")]
    watched = [weakref.ref(name) for name in names]
    assert policy.denial(names[0], UPDATE_CPU, machine(names[2])) is None
    assert policy.denial(names[0], UPDATE_CPU, machine(names[3])) is not None
    assert policy.denial(names[1], UPDATE_CPU, machine(names[2])) is not None
    names.clear()
    assert [reference() for reference in watched] == [None] * 4


def test_empty_policy_denies() -> None:
    """A policy without rules allows nothing."""
    assert parse_policy(b"rules: []").denial("ci", GET_CPU, machine("vm-1")) == ""


def test_requests_are_looked_into_only_for_limits() -> None:
    """What a request names is not looked for where no rule that fits the call limits it."""

    def never() -> tuple[Named, ...]:
        raise AssertionError

    policy = parse_policy(POLICY)
    assert policy.denial("ci", GET_CPU, never) is None
    assert policy.denial("ci", UPDATE_CPU, never) == ""


def limited(resources: str, types: frozenset[str] | None = None) -> Policy:
    """The policy of one rule, which limits resources alone."""
    return parse_policy(f"rules: [{{identities: ['*'], rpcs: ['*'], {resources}}}]".encode(), types)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        pytest.param({"vms": ["vm-10"]}, None, id="inside"),
        pytest.param({"vms": ["vm-10", "vm-101"]}, None, id="all-inside"),
        pytest.param({"vms": ["vm-10"], "folders": ["group-v3"], "names": ["db"]}, None, id="other-types-are-free"),
        pytest.param({"vms": ["vm-10", "vm-9"]}, " on VirtualMachine vm-9", id="one-outside"),
        pytest.param({"vms": ["vm-9", "vm-10"]}, " on VirtualMachine vm-9", id="first-outside"),
        pytest.param({"vms": [""]}, " on VirtualMachine ''", id="empty-text"),
        pytest.param({}, " without naming a VirtualMachine", id="none"),
        pytest.param({"folders": ["group-v3"]}, " without naming a VirtualMachine", id="only-another-type"),
        pytest.param({"names": ["vm-10"]}, " without naming a VirtualMachine", id="in-a-field-of-names"),
        pytest.param({"vms": ["x" * 100]}, " on VirtualMachine " + "x" * 100, id="longest-that-is-shown"),
        pytest.param({"vms": ["x" * 101]}, " on VirtualMachine " + "x" * 100, id="longer"),
    ],
)
def test_lists(query: dict[str, Any], reason: str | None) -> None:
    """A rule for machines holds for all of a list, and for a list without any it does not."""
    named = request(load_contract(), LIST_VMS, **query)
    assert limited("machines: ['vm-10*']").denial("ci", LIST_VMS, named) == reason
    assert limited("resources: {VirtualMachine: ['vm-10*']}").denial("ci", LIST_VMS, named) == reason


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        pytest.param({"folders": ["group-v3"], "hosts": ["host-1"]}, None, id="both"),
        pytest.param({"folders": ["group-v3"]}, " without naming a HostSystem", id="first-alone"),
        pytest.param({"hosts": ["host-1"]}, " without naming a Folder", id="second-alone"),
        pytest.param({"folders": ["group-v4"], "hosts": ["host-1"]}, " on Folder group-v4", id="first-outside"),
        pytest.param({"folders": ["group-v3"], "hosts": ["host-2"]}, " on HostSystem host-2", id="second-outside"),
    ],
)
def test_several_types(query: dict[str, Any], reason: str | None) -> None:
    """A rule that limits several types holds for each of them."""
    named = request(load_contract(), LIST_VMS, **query)
    policy = limited("resources: {Folder: ['group-v3'], HostSystem: ['host-1']}")
    assert policy.denial("ci", LIST_VMS, named) == reason


def test_the_first_rule_gives_the_reason() -> None:
    """Of several rules that fit the call and not what it names, the first one says why; one that fits is enough."""
    one = "{identities: ['*'], rpcs: ['*'], machines: [vm-1]}"
    two = "{identities: ['*'], rpcs: ['*'], resources: {Folder: [group-v3]}}"
    policy = parse_policy(f"rules: [{one}, {two}]".encode())
    contract = load_contract()
    assert policy.denial("ci", LIST_VMS, request(contract, LIST_VMS)) == " without naming a VirtualMachine"
    assert policy.denial("ci", LIST_VMS, request(contract, LIST_VMS, folders=["group-v3"])) is None


PROTO = """
service Lab {
  rpc Clone(CloneRequest) returns (Nothing) { option (google.api.http) = {post: "/vm?action=clone" body: "spec"}; }
  rpc Attach(AttachRequest) returns (Nothing) { option (google.api.http) = {post: "/tags/{tag}" body: "*"}; }
}
message Nothing {}
message CloneRequest { CloneSpec spec = 1 [(google.api.field_behavior) = REQUIRED]; }
message CloneSpec {
  optional string source = 1 [(vapi.v1.resource).types = "VirtualMachine"];
  repeated CloneSpec others = 2;
  map<string, string> disks = 3 [(vapi.v1.key_resource).types = "VirtualMachine"];
  map<string, string> peers = 4 [(vapi.v1.resource).types = "VirtualMachine"];
  optional string owner = 5 [(vapi.v1.resource) = {types: ["VirtualMachine", "VirtualApp"]}];
  google.protobuf.Struct options = 6;
}
message AttachRequest {
  string tag = 1 [(vapi.v1.resource).types = "Tag"];
  repeated Dynamic objects = 2 [(google.api.field_behavior) = REQUIRED];
}
message Dynamic {
  optional string type = 1;
  optional string id = 2 [(vapi.v1.resource).type_field = "type"];
}
"""
IN, OUT = "vm-10", "vm-9"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract_of(tmp_path_factory.mktemp("lab"), PROTO)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"source": IN}, None, id="inside"),
        pytest.param({"source": OUT}, " on VirtualMachine vm-9", id="another-field"),
        pytest.param({"source": IN, "others": [{"source": IN}, {"source": OUT}]}, " on VirtualMachine vm-9", id="list"),
        pytest.param({"source": IN, "others": [{"others": [{"source": OUT}]}]}, " on VirtualMachine vm-9", id="deep"),
        pytest.param({"source": IN, "disks": {IN: "", OUT: ""}}, " on VirtualMachine vm-9", id="keys"),
        pytest.param({"source": IN, "peers": {"a": OUT}}, " on VirtualMachine vm-9", id="values"),
        pytest.param({"source": IN, "owner": IN}, " on vm-10, which may be a VirtualMachine", id="several-types"),
        pytest.param({"owner": IN}, " on vm-10, which may be a VirtualMachine", id="only-several-types"),
        pytest.param({"source": IN, "options": {}}, None, id="empty-structure"),
        pytest.param(
            {"source": IN, "options": {"secret": "hunter2"}},
            " on something whose type cannot be determined",
            id="structure",
        ),
    ],
)
def test_bodies(lab: Contract, spec: dict[str, Any], reason: str | None) -> None:
    """A rule for machines holds wherever in a body a machine is named, or could be."""
    rpc = "lab.v1.Lab/Clone"
    policy = limited("machines: ['vm-10*']", lab.resource_types)
    assert policy.denial("ci", rpc, request(lab, rpc, spec=spec)) == reason


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        pytest.param([("VirtualMachine", IN)], None, id="inside"),
        pytest.param([("VirtualMachine", IN), ("VirtualApp", "app-1")], None, id="beside-another-type"),
        pytest.param([("VirtualMachine", OUT)], " on VirtualMachine vm-9", id="outside"),
        pytest.param([("VirtualMachine", IN), ("VirtualMachine", OUT)], " on VirtualMachine vm-9", id="one-outside"),
        pytest.param([("VirtualApp", OUT)], " without naming a VirtualMachine", id="only-another-type"),
        pytest.param(
            [("VirtualMachine", IN), ("virtualMachine", OUT)],
            " on vm-9, whose type cannot be determined",
            id="other-case",
        ),
        pytest.param(
            [("VirtualMachine", IN), ("VirtualMachine ", OUT)],
            " on vm-9, whose type cannot be determined",
            id="other-blanks",
        ),
        pytest.param([("VirtualMachine", IN), ("", OUT)], " on vm-9, whose type cannot be determined", id="no-type"),
    ],
)
def test_dynamic_identifiers(lab: Contract, objects: list[tuple[str, str]], reason: str | None) -> None:
    """A rule for machines holds where the request itself says of what type the object is, and for a type unknown."""
    rpc = "lab.v1.Lab/Attach"
    policy = limited("machines: ['vm-10*']", lab.resource_types)
    named = request(lab, rpc, tag="t-1", objects=[{"type": of_type, "id": name} for of_type, name in objects])
    assert policy.denial("ci", rpc, named) == reason


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"rules: [", "line 1: it is not valid YAML", id="not-yaml"),
        pytest.param(b"rules: []\nrules: []", "line 2: it is not valid YAML: 'rules' occurs twice", id="twice"),
        pytest.param(b"rules: \x01", "it is not valid YAML", id="control-character"),
        pytest.param(b"rules: " + b"[" * 2000, "it is not valid YAML", id="deep"),
        pytest.param(b"", "the file: Input should be", id="empty"),
        pytest.param(b"- a", "the file: Input should be", id="list"),
        pytest.param(b"rules: [{identities: [a]}]", "rules.0.rpcs: Field required", id="no-rpcs"),
        pytest.param(b"rules: [{identities: [], rpcs: [a]}]", "rules.0.identities: List should have", id="nobody"),
        pytest.param(b"rules: [{identities: [a], rpcs: ['']}]", "rules.0.rpcs.0: String should have", id="empty-text"),
        pytest.param(b"rules: [{identities: [a], rpcs: [a], vms: [a]}]", "rules.0.vms: Extra inputs", id="unknown-key"),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a], resources: {}}]",
            "rules.0.resources: Dictionary should have",
            id="no-types",
        ),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a], resources: {Folder: []}}]",
            "rules.0.resources.Folder: List should have",
            id="no-patterns",
        ),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a], resources: {Folder: a}}]",
            "rules.0.resources.Folder: Input should be",
            id="pattern-without-list",
        ),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a]}, {identities: [a], rpcs: [a], resources: {Virtualmachine: [a]}}]",
            "rules.1.resources: there is no resource type 'Virtualmachine'; the nearest is 'VirtualMachine'$",
            id="other-case",
        ),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a], resources: {Host: [a]}}]",
            "rules.0.resources: there is no resource type 'Host'; the nearest is 'HostSystem'$",
            id="half-a-type",
        ),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a], resources: {cdrom: [a]}}]",
            "rules.0.resources: there is no resource type 'cdrom'; the nearest is "
            "'com.vmware.vcenter.vm.hardware.Cdrom'$",
            id="last-part-of-a-type",
        ),
        pytest.param(
            b"rules: [{identities: [a], rpcs: [a], machines: [a], resources: {VirtualMachine: [a]}}]",
            "rules.0: machines and resources.VirtualMachine are the same; use only one of them in a rule$",
            id="machines-twice",
        ),
    ],
)
def test_wrong_files(content: bytes, problem: str) -> None:
    """A file that is no policy is refused with the place of the mistake."""
    with pytest.raises(ValueError, match="^" + problem.replace(".", r"\.")):
        parse_policy(content)
