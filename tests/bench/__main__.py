"""Runs the measurements and writes the report: `python -m tests.bench --help`."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from tests.bench.contenders import ROOT
from tests.bench.figures import MEASUREMENTS
from tests.bench.lab import Lab
from tests.bench.processes import BenchError
from tests.bench.results import Section

_FOLDER = ROOT / "build" / "bench"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="one measurement; may be repeated")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement (default 5, in a quick run 2)")
    parser.add_argument("--quick", action="store_true", help="a trial run with few calls: its values mean nothing")
    return parser.parse_args()


def _measured(names: Sequence[str], rounds: int, *, quick: bool) -> list[Section]:
    sections = []
    with ExitStack() as stack:
        lab = Lab(_FOLDER, stack, rounds, quick=quick)
        for name in names:
            start = time.monotonic()
            section = MEASUREMENTS[name](lab)
            sections.append(dataclasses.replace(section, seconds=time.monotonic() - start))
            _show(sections[-1])
    return sections


def _show(section: Section) -> None:
    lines = [f"{section.title} ({section.seconds:.0f} s)"]
    lines += [f"  {s.label}: {s.median:.4g} {section.unit} {_all(s.values)}" for s in section.series]
    lines += [f"  {f.title}: {f.median:.3g} {f.unit} {_all(f.values)}" for f in section.figures]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _all(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.3g}' for value in values)})" if len(values) > 1 else ""


def _main() -> int:
    arguments = _arguments()
    names = [name for name in MEASUREMENTS if arguments.only is None or name in arguments.only]
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    shutil.rmtree(_FOLDER, ignore_errors=True)
    try:
        _measured(names, rounds, quick=arguments.quick)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
