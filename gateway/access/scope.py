"""What a policy allows a caller to see in the gateway's own responses.

Rules limit what requests may name. An rpc that lists or watches names nothing: there, the same limits decide what the
responses contain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.access.patterns import fits

__all__ = ["EVERYTHING", "Scope"]

Limits = Mapping[str, list[str]]
"""The patterns of identifiers by resource type."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Alternatives, each with the limits of one rule; None if no rule limits anything."""

    alternatives: tuple[Limits, ...] | None = None

    @property
    def is_unlimited(self) -> bool:
        """Whether everything is visible."""
        return self.alternatives is None

    def allows(self, thing: Mapping[str, Iterable[str]]) -> bool:
        """Whether an object is visible that is, or is within, the resources with these identifiers by type. For each
        type that a rule limits, one of these must match. An object without any known resource does not match.
        """
        if self.alternatives is None:
            return True
        return any(
            all(any(fits(each, patterns) for each in thing.get(of_type, ())) for of_type, patterns in limits.items())
            for limits in self.alternatives
        )

    @property
    def text(self) -> str:
        """Distinguishes one scope from another."""
        return repr(None if self.alternatives is None else [sorted(limits.items()) for limits in self.alternatives])


EVERYTHING = Scope()
