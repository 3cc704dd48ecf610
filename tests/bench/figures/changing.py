"""A simulator with changing machines, and a gateway in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.bench import contenders
from tests.bench.contenders import SERVERS, Contender
from tests.bench.lab import Lab
from tests.bench.programs import Program, program

__all__ = ["RATE", "system"]

RATE = 100
"""Changes per second."""
_LIMITS = ("--max-streams", "5000", "--max-streams-per-caller", "5000", "--log-level", "warning")


@contextlib.contextmanager
def system(lab: Lab, machines: int) -> Iterator[tuple[Program, str, Contender]]:
    """The simulator, in which an empty line starts and stops the changes; its address; and the gateway."""
    with program(str(SERVERS / "changing.py"), str(machines), str(RATE), goes_first=True) as simulator:
        address = simulator.hear()
        with contenders.gateway(lab.folder, address, *_LIMITS) as gateway:
            yield simulator, address, gateway
