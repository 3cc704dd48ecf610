"""One machine at one moment: an immutable value that watchers and the history share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.live.vms.places import NOWHERE, Whereabouts

__all__ = ["Machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """The fields of `VmState`, each serialized, and the values that filters look at."""

    vm: str
    parts: Sequence[bytes] = field(repr=False)
    """By index of the field; empty if the field is not set."""
    name: str = ""
    power_state: int = 0
    """A vcenter.vm.v1.PowerState, 0 if it is unknown."""
    is_template: bool = False
    whereabouts: Whereabouts = NOWHERE
