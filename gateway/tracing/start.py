"""Decides whether to create spans, and reports what is missing for them before anything starts."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gateway.tracing.context import Tracing
from gateway.tracing.forwarding import Forwarding

if TYPE_CHECKING:
    from gateway.settings import TracingSettings

__all__ = ["TracingError", "check_tracing", "start_tracing"]

_NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
_NOT_INSTALLED = "--tracing needs OpenTelemetry, which is not installed: install the gateway's extra `otel`"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class TracingError(ValueError):
    """Traces are enabled but cannot be sent; the text is a readable reason."""


def check_tracing(settings: TracingSettings) -> None:
    """Raises TracingError. Only checks for OpenTelemetry's SDK without importing it, because the supervisor calls this
    for its workers."""
    if not _wanted(settings):
        return
    try:
        missing = any(find_spec(name) is None for name in _NEEDED)
    except ImportError:
        missing = True
    if missing:
        raise TracingError(_NOT_INSTALLED)
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter not in ("otlp", "none"):
        raise TracingError(f"OTEL_TRACES_EXPORTER={exporter}: the gateway supports otlp and none")
    for variable in _PROTOCOLS:
        if protocol := os.environ.get(variable):
            if protocol != "http/protobuf":
                raise TracingError(
                    f"{variable}={protocol}: the gateway sends traces as http/protobuf, which collectors "
                    "usually accept on port 4318"
                )
            break


def start_tracing(settings: TracingSettings, vcenter_url: str) -> Tracing:
    """Returns the tracing of this process, in front of the vCenter at this URL. Raises TracingError."""
    check_tracing(settings)
    if not _wanted(settings):
        return Forwarding()
    try:
        from gateway.tracing.export import ExportedSpans

        return ExportedSpans(vcenter_url)
    except ImportError:
        raise TracingError(_NOT_INSTALLED) from None
    except ValueError as error:
        raise TracingError(f"an environment variable of OpenTelemetry cannot be used: {error}") from None


def _wanted(settings: TracingSettings) -> bool:
    return settings.enabled and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
