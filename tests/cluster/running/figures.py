"""What a run measured: the calls of each test, and the memory of its pods by their control groups. Told at the end."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Object
from tests.cluster.node import CGROUP, FOLDER

__all__ = ["forget", "note", "note_memory", "summary"]

_REPORT = FOLDER / "figures.jsonl"
_MEMORY = Path("/sys/fs/cgroup/memory") / CGROUP / "kubepods"


def forget() -> None:
    """Begins a run."""
    _REPORT.unlink(missing_ok=True)


def note(**figures: Any) -> None:
    """Notes figures of the test that runs."""
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0].rpartition("::")[2]
    with _REPORT.open("a", encoding="utf-8") as report:
        report.write(json.dumps({"test": test, **figures}) + "\n")


def note_memory(pods: list[Object]) -> None:
    """Notes the most memory that any of these pods has used, in bytes."""
    found = [
        usage for pod in pods for usage in _MEMORY.glob(f"*/pod{pod['metadata']['uid']}/memory.max_usage_in_bytes")
    ]
    if found:
        note(memory=max(int(usage.read_text()) for usage in found))


def summary() -> list[str]:
    """A line for each test that noted something."""
    if not _REPORT.exists():
        return []
    lines = [json.loads(line) for line in _REPORT.read_text(encoding="utf-8").splitlines()]
    return [
        _line(test, [line for line in lines if line["test"] == test])
        for test in dict.fromkeys(line["test"] for line in lines)
    ]


def _line(test: str, noted: list[Object]) -> str:
    codes: Counter[str] = Counter()
    for line in noted:
        codes.update(line.get("codes", {}))
    calls = codes.total()
    parts = []
    if calls:
        slowest = max(line.get("slowest", 0) for line in noted)
        parts.append(f"{calls} calls, {calls - codes['OK']} failed, the slowest in {slowest:.1f} s")
    if memory := max(line.get("memory", 0) for line in noted):
        parts.append(f"a pod's memory at most {memory / (1 << 20):.0f} MiB")
    return f"{test}: {'; '.join(parts)}"
