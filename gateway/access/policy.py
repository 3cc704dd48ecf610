"""The policy: which identity may call which rpcs on which virtual machines. What no rule allows is denied.

    rules:
      - identities: ["spiffe://example.org/ns/build/*", "ci"]
        rpcs: ["vcenter.vm.hardware.v1.*/Get*", "vcenter.v1.VmService/*"]
      - identities: ["operator"]
        rpcs: ["*"]
        machines: ["vm-10*"]

In a pattern, `*` stands for any text and `?` for one character. A rule with `machines` allows only rpcs on one machine,
those that have a `vm` in their request, since it says nothing about all others.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.access.patterns import fits
from gateway.documents import read_yaml

__all__ = ["Policy", "parse_policy"]

_Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    identities: _Patterns
    rpcs: _Patterns
    machines: _Patterns | None = None


class Policy(BaseModel):
    """The rules. A call is allowed when one of them fits it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[_Rule]

    def allows(self, identity: str, rpc: str, machine: str | None) -> bool:
        """Whether `identity` may call `rpc` (`package.Service/Rpc`) on `machine`, None for an rpc on no single one."""
        return any(
            fits(identity, rule.identities)
            and fits(rpc, rule.rpcs)
            and (rule.machines is None or (machine is not None and fits(machine, rule.machines)))
            for rule in self.rules
        )


def parse_policy(content: bytes) -> Policy:
    """Reads a policy file. Raises ValueError with a sentence for the first mistake."""
    try:
        return Policy.model_validate(read_yaml(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}; a policy is a list of rules with identities and rpcs") from None
