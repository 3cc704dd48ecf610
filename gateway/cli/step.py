"""One step of `check`: what it is called, how it went, and what to do about it."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.cli.exits import Exit

__all__ = ["State", "Step", "StepError", "take"]


class State(enum.StrEnum):
    """How a step went."""

    OK = "OK"
    WARNING = "WARNING"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step. `exit` is how the command ends when the step failed."""

    name: str
    state: State
    text: str
    advice: str = ""
    seconds: float = 0.0
    exit: Exit = Exit.OK


class StepError(Exception):
    """What a step found amiss. With `Exit.OK` it is a warning: the step worked, but should not stay as it is."""

    def __init__(self, text: str, advice: str, code: Exit = Exit.OK) -> None:
        super().__init__(text)
        self.text, self.advice, self.exit = text, advice, code


def take(name: str, check: Callable[[], str]) -> Step:
    """Takes one step: `check` returns what it found, or raises StepError."""
    started = time.monotonic()
    try:
        step = Step(name, State.OK, check())
    except StepError as error:
        state = State.WARNING if error.exit is Exit.OK else State.FAILED
        step = Step(name, state, error.text, error.advice, exit=error.exit)
    return replace(step, seconds=time.monotonic() - started)
