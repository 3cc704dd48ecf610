"""The policy: which identity may call which rpcs on which resources. What no rule allows is denied.

    rules:
      - identities: ["spiffe://example.org/ns/build/*", "ci"]
        rpcs: ["vcenter.vm.hardware.v1.*/Get*", "vcenter.v1.VmService/*"]
      - identities: ["operator"]
        rpcs: ["*"]
        machines: ["vm-10*"]
      - identities: ["planner"]
        rpcs: ["vcenter.v1.VmService/ListVms"]
        resources: {Folder: ["group-v3"], HostSystem: ["host-1*"]}

In a pattern, `*` matches any text and `?` one character. `machines` is short for `VirtualMachine` in `resources`. A
rule that limits a type allows only requests that name a resource of this type, no such resource outside the patterns,
and no identifier of unknown type. If the responses of an rpc are filtered instead, such as those of WatchVms, the
request may name anything: the responses contain what matches the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.access.patterns import fits, identity_fits
from gateway.access.scope import EVERYTHING, Scope
from gateway.contract import Named, load_contract
from gateway.documents import read_yaml

__all__ = ["Policy", "parse_policy"]

_MACHINE = "VirtualMachine"
_MAX_IDENTIFIER = 100
"""Maximum number of characters of an identifier in a denial."""

_Text = Annotated[str, Field(min_length=1)]
_Patterns = Annotated[list[_Text], Field(min_length=1)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    identities: _Patterns
    rpcs: _Patterns
    machines: _Patterns | None = None
    resources: Annotated[dict[_Text, _Patterns], Field(min_length=1)] | None = None

    @cached_property
    def limits(self) -> Mapping[str, list[str]]:
        """The patterns of identifiers by resource type."""
        machines = {} if self.machines is None else {_MACHINE: self.machines}
        return machines | (self.resources or {})

    def covers(self, identity: str, rpc: str) -> bool:
        """Whether the rule is about this identity and this rpc."""
        return identity_fits(identity, self.identities) and fits(rpc, self.rpcs)

    def denial(self, named: Callable[[], Iterable[Named]]) -> str | None:
        """The resource in a request that the rule does not allow, None if there is none."""
        limits, missing = self.limits, set(self.limits)
        for resource in named() if limits else ():
            types, identifier = resource.types, resource.identifier
            if not types:
                return f" on {f'{_shown(identifier)},' if identifier else 'something'} whose type cannot be determined"
            if types.isdisjoint(limits):
                continue
            of_type = min(types & limits.keys())
            if len(types) > 1:
                return f" on {_shown(identifier)}, which may be a {of_type}"
            if not fits(identifier, limits[of_type]):
                return f" on {of_type} {_shown(identifier)}"
            missing.discard(of_type)
        return f" without naming a {min(missing)}" if missing else None


def _shown(identifier: str) -> str:
    return identifier[:_MAX_IDENTIFIER] or "''"


class Policy(BaseModel):
    """The rules. A call is allowed if one of them matches it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[_Rule]

    def denial(self, identity: str, rpc: str, named: Callable[[], Iterable[Named]]) -> str | None:
        """Why `identity` (`kind:name`) may not call `rpc` (`package.Service/Rpc`), None if it may. `named` returns the
        resources that the request names; it is called only if a rule limits these. The reason continues a sentence that
        ends with the rpc, and is empty if the rpc itself is not allowed.
        """
        reasons: list[str] = []
        for rule in self.rules:
            if rule.covers(identity, rpc):
                reason = rule.denial(named)
                if reason is None:
                    return None
                reasons.append(reason)
        return reasons[0] if reasons else ""

    def allowing(self, identity: str, rpc: str, named: Sequence[Named], *, is_filtered: bool) -> int | None:
        """The number of the first rule, from 1, that allows a call, None if there is none."""
        for number, rule in enumerate(self.rules, start=1):
            if rule.covers(identity, rpc) and (is_filtered or rule.denial(lambda: named) is None):
                return number
        return None

    def scope(self, identity: str, rpc: str) -> Scope | None:
        """What `identity` may see in the filtered responses of an rpc, None if it may not call the rpc."""
        fitting = [rule for rule in self.rules if rule.covers(identity, rpc)]
        if not fitting:
            return None
        if not all(rule.limits for rule in fitting):
            return EVERYTHING
        return Scope(tuple(rule.limits for rule in fitting))


def parse_policy(content: bytes, types: Collection[str] | None = None) -> Policy:
    """Reads a policy file. Raises ValueError with a readable message for the first mistake. `types` are the known
    resource types, by default those of the packaged contract.
    """
    try:
        policy = Policy.model_validate(read_yaml(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}; a policy is a list of rules with identities and rpcs") from None
    for number, rule in enumerate(policy.rules):
        _check(f"rules.{number}", rule, load_contract().resource_types if types is None else types)
    return policy


def _check(where: str, rule: _Rule, types: Collection[str]) -> None:
    resources = rule.resources or {}
    if rule.machines is not None and _MACHINE in resources:
        raise ValueError(f"{where}: machines and resources.{_MACHINE} are the same; use only one of them in a rule")
    for name in resources:
        if name not in types:
            nearest = max(sorted(types), key=lambda known: _likeness(name, known))
            raise ValueError(f"{where}.resources: there is no resource type {name!r}; the nearest is {nearest!r}")


def _likeness(name: str, known: str) -> float:
    """The similarity of a name to a type, or to the last part of its name."""
    spellings = (known, known.rpartition(".")[2])
    return max(SequenceMatcher(None, name.lower(), spelling.lower()).ratio() for spelling in spellings)
