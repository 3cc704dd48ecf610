"""Starts `load.py` and reads what its callers saw."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.helm.chart import ROOT

__all__ = ["BASIC", "Seen", "calling"]

BASIC = ("authorization", "Basic " + base64.b64encode(b"administrator@vsphere.local:VMware1!").decode())


@dataclass(slots=True)
class Seen:
    """What callers saw; complete when they have ended."""

    codes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def calls(self) -> int:
        return sum(self.codes.values())


@contextmanager
def calling(target: str, *metadata: tuple[str, str], ca: Path | None = None) -> Iterator[Seen]:
    """Callers that call while the block runs."""
    command = [
        sys.executable,
        "-m",
        "tests.cluster.running.load",
        target,
        json.dumps(metadata),
        *([str(ca)] if ca else []),
    ]
    seen = Seen()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield seen
        except BaseException:
            process.kill()
            raise
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    found = json.loads(output)
    seen.codes, seen.failures, seen.slowest = found["codes"], found["failures"], found["slowest"]
