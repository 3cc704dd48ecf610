"""Settings of the metrics of virtual machines that the admin port serves."""

from __future__ import annotations

from gateway.settings.section import Section, Words, setting

__all__ = ["MetricsSettings"]


class MetricsSettings(Section):
    """Performance of virtual machines for Prometheus, at /metrics/machines of the admin port."""

    machines: Words = setting(
        (),
        "Names of virtual machines whose live performance the admin port serves at /metrics/machines, read as the "
        "service account. None when unset.",
        "comma-separated patterns, in which * matches any text and ? one character: web-*,db-1",
    )
    counters: Words = setting(
        (
            "cpu.usage.average",
            "cpu.ready.summation",
            "mem.usage.average",
            "mem.consumed.average",
            "disk.read.average",
            "disk.write.average",
            "net.received.average",
            "net.transmitted.average",
            "sys.uptime.latest",
        ),
        "Counters to read for each of these machines.",
        "comma-separated names of vCenter's counters, as MetricsService/ListMetrics returns them",
    )
    max_machines: int = setting(
        500,
        "Maximum number of these machines. If more match, the gateway reads those with the smallest identifiers and "
        "logs a warning.",
        "a whole number from 1 to 5000",
        ge=1,
        le=5000,
    )
