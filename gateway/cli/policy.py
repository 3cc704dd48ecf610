"""`policy test`: whether a policy allows an identity to call an rpc on resources, and by which rule."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.group import Group
from gateway.cli.output import Exit, echo
from gateway.cli.rpcs import RpcName, resolve_rpc
from gateway.cli.user_files import explained

if TYPE_CHECKING:
    from gateway.contract import Named

__all__ = ["policy"]

_MACHINE = "VirtualMachine"


@click.group(
    cls=Group, epilog="\b\nExamples:\n  vcenter-gateway policy test --policy-file policy.yaml token:ci StopVm vm-42"
)
def policy() -> None:
    """Tests what a policy allows."""


@policy.command(
    epilog="""
An IDENTITY is a kind and a name, as in the audit log: token:ci, cert:operator, jwt:build, vcenter:me@vsphere.local.
A RESOURCE is an identifier, with its type in front unless it is a virtual machine: vm-1001, Folder:group-v3.

\b
Examples:
  vcenter-gateway policy test --policy-file policy.yaml token:ci StopVm vm-42
  vcenter-gateway policy test --policy-file policy.yaml cert:planner \\
      ListVms Folder:group-v3 HostSystem:host-10
  vcenter-gateway policy test --policy-file policy.yaml token:ci ListVms

\b
Exit codes: 0 allowed, 1 denied, 2 wrong policy or options
"""
)
@click.argument("identity")
@click.argument("rpc", type=RpcName())
@click.argument("resources", nargs=-1, metavar="[RESOURCE]...")
@click.option(
    "--policy-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="GATEWAY_AUTH_POLICY_FILE",
    required=True,
    metavar="FILE",
    help="The policy. Also the variable GATEWAY_AUTH_POLICY_FILE.",
)
def test(identity: str, rpc: str, resources: tuple[str, ...], policy_file: Path) -> None:
    """Tests whether a policy allows an identity to call an rpc on resources."""
    from gateway.access.policy import parse_policy
    from gateway.calls.identity import Kind
    from gateway.contract import load_contract
    from gateway.documents import read_bounded

    kind, colon, name = identity.partition(":")
    if not colon or kind not in set(Kind) or not name:
        raise click.UsageError(
            f"IDENTITY is a kind and a name, for example token:ci, not {identity!r}; kinds are {', '.join(Kind)}"
        )
    contract = load_contract()
    method = contract.methods[resolve_rpc(rpc)]
    named = [_named(text, contract.resource_types) for text in resources]
    try:
        with explained(policy_file, "read"):
            rules = parse_policy(read_bounded(policy_file))
    except ValueError as error:
        raise click.UsageError(f"{policy_file} cannot be used: {error}") from None
    if method.is_filtered:
        scope = rules.scope(identity, method.full_name)
        denial = None if scope is not None else ""
    else:
        denial = rules.denial(identity, method.full_name, lambda: named)
    if denial is not None:
        echo(f"denied: the policy does not allow {identity} to call {method.full_name}{denial}")
        sys.exit(Exit.FAILED)
    number = rules.allowing(identity, method.full_name, named, is_filtered=method.is_filtered)
    echo(f"allowed: by rule {number}")
    if method.is_filtered:
        echo("the answers hold only what the rules that fit allow; the request may name anything")


def _named(text: str, types: frozenset[str]) -> Named:
    """The resource that a text names. Raises click.UsageError for an unknown type."""
    from gateway.contract import Named

    kind, colon, identifier = text.partition(":")
    if not colon or kind not in types:
        if colon and kind.isidentifier() and not kind.startswith("vm"):
            close = sorted(name for name in types if kind.lower() in name.lower())[:5]
            hint = f"; types like it are {', '.join(close)}" if close else ""
            raise click.UsageError(f"there is no resource type {kind!r}{hint}")
        kind, identifier = _MACHINE, text
    return Named(frozenset({kind}), identifier)
