"""Lengths of time as options take them."""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["Seconds"]

_YEAR = 366 * 86400.0


class Seconds(click.FloatRange):
    """A number of seconds up to a year: infinity and what is no number would end a wait at once, or never."""

    name = "number of seconds"

    def __init__(self, *, more_than_0: bool = False) -> None:
        super().__init__(min=0, max=_YEAR, min_open=more_than_0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return seconds
