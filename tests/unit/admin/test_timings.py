"""The series that every call adds to, against those of prometheus_client."""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.admin.families import Family
from gateway.admin.timings import Timings

BOUNDS = (0.01, 0.1, 1)
ENDS = Family("ends_total", "counter", ("name", "how"), "Ends.")
TOOK = Family("took_seconds", "histogram", ("name",), "Seconds.")


def test_they_are_those_of_the_library() -> None:
    """Whatever is counted, a scrape says what prometheus_client would say, to the letter."""
    chosen = random.Random(11)  # noqa: S311 - not for secrets
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    timings = Timings(ENDS, own=(TOOK, BOUNDS))
    ours.register(timings)
    took = Histogram(TOOK.full_name, TOOK.meaning, TOOK.labels, registry=theirs, buckets=BOUNDS)
    ends = Counter(ENDS.full_name, ENDS.meaning, ENDS.labels, registry=theirs)
    series = {name: timings.add("own", name) for name in ("a", "b")}
    for _ in range(100):
        name, how = chosen.choice("ab"), chosen.choice(["OK", 200])
        seconds = chosen.choice([0.0, *BOUNDS, chosen.uniform(0, 2)])
        series[name].ended(how, seconds)
        took.labels(name).observe(seconds)
        ends.labels(name, how).inc()
    assert _lines(ours) == _lines(theirs)


def test_nothing_was_counted() -> None:
    """A metric without series is described all the same."""
    registry = CollectorRegistry()
    registry.register(Timings(ENDS, own=(TOOK, BOUNDS)))
    assert _lines(registry) == sorted(
        [
            "# HELP vcenter_gateway_took_seconds Seconds.",
            "# TYPE vcenter_gateway_took_seconds histogram",
            "# HELP vcenter_gateway_ends_total Ends.",
            "# TYPE vcenter_gateway_ends_total counter",
        ]
    )


def _lines(registry: CollectorRegistry) -> list[str]:
    """Their order is nobody's concern, nor when a series was created."""
    return sorted(line for line in generate_latest(registry).decode().splitlines() if "_created" not in line)
