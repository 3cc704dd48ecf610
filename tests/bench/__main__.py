"""Runs the measurements and writes the report: `python -m tests.bench --help`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.contenders import ROOT
from tests.bench.figures import MEASUREMENTS
from tests.bench.lab import Lab
from tests.bench.machine import machine, versions
from tests.bench.processes import BenchError
from tests.bench.report import Report, rounded, write
from tests.bench.results import Section

_FOLDER = ROOT / "build" / "bench"
_DOCS = ROOT / "docs" / "benchmarks"
_TRIAL = ROOT / "build" / "bench-report"
_QUIET = 0.25
"""The load per core above which other programs disturb the measurements."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="one measurement; may be repeated")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement (default 5, in a quick run 2)")
    parser.add_argument("--quick", action="store_true", help="a trial run with few calls: its values mean nothing")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the report (default docs/benchmarks; build/bench-report for a quick run or a part)",
    )
    return parser.parse_args()


def _measured(names: Sequence[str], rounds: int, *, quick: bool) -> list[Section]:
    """The sections with these names, without those that could not be measured, which are named on standard error."""
    sections = []
    with ExitStack() as stack:
        lab = Lab(_FOLDER, stack, rounds, quick=quick)
        for name in names:
            start = time.monotonic()
            try:
                section = MEASUREMENTS[name](lab)
            except BenchError as error:
                sys.stderr.write(f"error: {name}: {error}\n")
                continue
            sections.append(dataclasses.replace(section, seconds=time.monotonic() - start))
            _show(sections[-1])
    return sections


def _show(section: Section) -> None:
    lines = [f"{section.title} ({section.seconds:.0f} s)"]
    lines += [f"  {s.label}: {rounded(s.median)} {section.unit} {_all(s.values)}" for s in section.series]
    lines += [f"  {f.title}: {rounded(f.median)} {f.unit} {_all(f.values)}" for f in section.figures]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _all(values: Sequence[float]) -> str:
    return f"({', '.join(rounded(value) for value in values)})" if len(values) > 1 else ""


def _main() -> int:
    arguments = _arguments()
    names = [name for name in MEASUREMENTS if arguments.only is None or name in arguments.only]
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    cores = os.cpu_count() or 1
    if cores < 2:
        sys.stderr.write("error: takes two cores, one for what is measured and one for the generator of the load\n")
        return 1
    if os.getloadavg()[0] > _QUIET * cores:
        sys.stderr.write("warning: this machine is busy with something else; only CPU times will mean much\n")
    # As with Ctrl-C, so that nothing is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    shutil.rmtree(_FOLDER, ignore_errors=True)
    where = machine()
    sections = _measured(names, rounds, quick=arguments.quick)
    whole = len(sections) == len(MEASUREMENTS) and not arguments.quick
    folder = arguments.output or (_DOCS if whole else _TRIAL)
    given = " ".join(sys.argv[1:])
    command = f'make bench ARGS="{given}"' if given else "make bench"
    date = datetime.now(UTC).date().isoformat()
    write(Report(date, command, rounds, arguments.quick, where, versions(), sections), folder)
    sys.stdout.write(f"The report is in {folder}.\n")
    return int(len(sections) < len(names))


if __name__ == "__main__":
    sys.exit(_main())
