"""The measurements, one per module: each has `measure`, which gets the lab and returns a section of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.bench.figures import (
    burst,
    codec,
    copying,
    cpu,
    growth,
    inventory,
    latency,
    shared,
    size,
    start,
    vim,
    watching,
    workers,
)
from tests.bench.lab import Lab
from tests.bench.results import Section

__all__ = ["MEASUREMENTS"]

MEASUREMENTS: Mapping[str, Callable[[Lab], Section]] = {
    "cpu": cpu.measure,
    "latency": latency.measure,
    "codec": codec.measure,
    "vim": vim.measure,
    "burst": burst.measure,
    "start": start.measure,
    "growth": growth.measure,
    "workers": workers.measure,
    "size": size.measure,
    "shared": shared.measure,
    "watching": watching.measure,
    "inventory": inventory.measure,
    "copying": copying.measure,
}
"""By the name for `--only`, in the order of the report."""
