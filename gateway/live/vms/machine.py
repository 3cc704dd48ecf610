"""One machine at one moment: an immutable value that many watchers and the history share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.live.vms.places import NOWHERE, Whereabouts

__all__ = ["Machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """The fields of `VmState`, each serialized, and beside them what filters look at."""

    vm: str
    parts: Sequence[bytes] = field(repr=False)
    """By index of the field; empty where it is not set."""
    name: str = ""
    power_state: int = 0
    """Of vcenter.vm.v1.PowerState, 0 where it is not known."""
    is_template: bool = False
    whereabouts: Whereabouts = NOWHERE
