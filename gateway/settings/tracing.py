"""Settings of traces. OpenTelemetry's own environment variables configure the collector."""

from __future__ import annotations

from gateway.settings.section import SWITCH, Section, setting

__all__ = ["TracingSettings"]


class TracingSettings(Section):
    """Distributed traces."""

    enabled: bool = setting(
        False,
        "Sends a trace of each call to a collector over OTLP, configured by OpenTelemetry's OTEL_ variables. "
        "Needs the extra `otel`: `pip install '.[otel]'`.",
        SWITCH,
    )
