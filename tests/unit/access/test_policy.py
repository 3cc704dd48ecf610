"""What the policy allows, and what a wrong policy file is told."""

from __future__ import annotations

import weakref

import pytest

from gateway.access.policy import parse_policy

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


@pytest.mark.parametrize(
    ("identity", "rpc", "machine", "allowed"),
    [
        pytest.param("ci", GET_CPU, "vm-1", True, id="read-by-name"),
        pytest.param("spiffe://example.org/ns/build/sa/x", GET_CPU, "vm-1", True, id="read-by-pattern"),
        pytest.param("ci", LIST_VMS, None, True, id="no-machine"),
        pytest.param("ci", UPDATE_CPU, "vm-1", False, id="other-rpc"),
        pytest.param("ci2", GET_CPU, "vm-1", False, id="longer-name"),
        pytest.param("CI", GET_CPU, "vm-1", False, id="other-case"),
        pytest.param("operator", UPDATE_CPU, "vm-1001", True, id="machine-by-pattern"),
        pytest.param("operator", UPDATE_CPU, "vm-7", True, id="machine-by-name"),
        pytest.param("operator", UPDATE_CPU, "vm-70", False, id="other-machine"),
        pytest.param("operator", LIST_VMS, None, False, id="rule-for-machines-only"),
        pytest.param("nobody", GET_CPU, "vm-1", False, id="no-rule"),
    ],
)
def test_rules(identity: str, rpc: str, machine: str | None, allowed: bool) -> None:
    """A call is allowed when one rule fits its identity, its rpc and its machine, and else denied."""
    assert parse_policy(POLICY).allows(identity, rpc, machine) is allowed


def test_brackets() -> None:
    """Brackets stand for themselves: only `*` and `?` stand for something else."""
    policy = parse_policy(b"rules: [{identities: ['team [a-c]'], rpcs: ['*']}]")
    assert policy.allows("team [a-c]", GET_CPU, None)
    assert not policy.allows("team b", GET_CPU, None)


def test_nothing_is_remembered_of_callers() -> None:
    """What callers name is forgotten when their call has ended: they may name any number of things, of any length."""

    class Name(str):
        """A text of which can be seen whether anybody still has it."""

    policy = parse_policy(POLICY)
    names = [Name("operator"), Name("x" * 1000), Name("vm-1001")]
    watched = [weakref.ref(name) for name in names]
    assert policy.allows(names[0], UPDATE_CPU, names[2])
    assert not policy.allows(names[1], UPDATE_CPU, names[2])
    names.clear()
    assert [reference() for reference in watched] == [None] * 3


def test_empty_policy_denies() -> None:
    """A policy without rules allows nothing."""
    assert not parse_policy(b"rules: []").allows("ci", GET_CPU, "vm-1")


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
    ],
)
def test_wrong_files(content: bytes, problem: str) -> None:
    """A file that is no policy is refused with the place of the mistake."""
    with pytest.raises(ValueError, match="^" + problem.replace(".", r"\.")):
        parse_policy(content)
