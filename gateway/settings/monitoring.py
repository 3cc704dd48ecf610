"""Settings of what the gateway shows of itself and of its machines: the admin port, metrics, traces."""

from __future__ import annotations

from gateway.settings.section import SWITCH, Address, Section, Words, setting

__all__ = ["AdminSettings", "MetricsSettings", "TracingSettings"]


class AdminSettings(Section):
    """Health, metrics and the status page."""

    listen: Address | None = setting(
        None,
        "Address that serves /healthz, /readyz, /metrics and a status page over plain HTTP, without authentication. "
        "Off when unset; port 0 picks a free port.",
        "HOST:PORT, for example 127.0.0.1:9090",
    )


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


class TracingSettings(Section):
    """Distributed traces."""

    enabled: bool = setting(
        False,
        "Sends a trace of each call to a collector over OTLP, configured by OpenTelemetry's OTEL_ variables. "
        "Needs the extra `otel`: `pip install '.[otel]'`.",
        SWITCH,
    )
