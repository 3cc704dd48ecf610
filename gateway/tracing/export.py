"""Sends spans to a collector: OpenTelemetry's SDK with OTLP over HTTP, set up by its standard environment variables."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from gateway import __version__
from gateway.tracing.spans import Spans

__all__ = ["ExportedSpans"]

_STOP_SECONDS = 3.0
_NOTHING_SENT = "nothing was sent"

_log = logging.getLogger(__name__)


class ExportedSpans(Spans):
    """Spans that are sent in batches in the background. Raises ValueError for an invalid variable."""

    def __init__(self, vcenter_url: str) -> None:
        # The SDK quotes unreadable headers for the collector, which contain secrets.
        logging.getLogger("opentelemetry.util.re").addFilter(_without_values)
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._exporter: SpanExporter | None = None
        if os.environ.get("OTEL_TRACES_EXPORTER") != "none":
            self._exporter = _Reporting()
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        super().__init__(self._provider, vcenter_url)

    async def stop(self) -> None:
        """Sends what is left, for at most three seconds, so that a collector that is down does not delay the shutdown
        longer."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # The loop may be closed by then.
                loop.call_soon_threadsafe(sent.set)

        # Not in the loop's own threads, whose end the process would wait for.
        threading.Thread(target=shut_down, name="tracing-stop", daemon=True).start()
        try:
            await asyncio.wait_for(sent.wait(), _STOP_SECONDS)
        except TimeoutError:
            _log.warning("the last traces could not be sent within %g s and are lost", _STOP_SECONDS)
            if self._exporter is not None:
                self._exporter.shutdown()  # Ends the wait between two attempts.


def _resource() -> Resource:
    """The description of this process. The environment takes precedence."""
    own = Resource({"service.name": "vcenter-gateway", "service.version": __version__})
    return Resource.create(own.merge(OTELResourceDetector().detect()).attributes)


class _Reporting(SpanExporter):
    """Logs once when traces cannot be sent to the collector, and once when they can be sent again. The exporter's own
    lines are suppressed: there would be one for each attempt, with arbitrary text from the collector.
    """

    def __init__(self) -> None:
        self._session = _Session()
        self._exporter = OTLPSpanExporter(session=self._session)
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._failing = False
        self._stopped = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._session.outcome = _NOTHING_SENT
        result = self._exporter.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            _log.warning("traces cannot be sent to the collector: %s; calls are not affected", self._session.outcome)
        elif self._failing and not failing:
            _log.info("traces can be sent to the collector again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._exporter.shutdown()  # type: ignore[no-untyped-call] # is not annotated


class _Session(requests.Session):
    """Keeps the outcome of the last request, as text without anything from the request or the response."""

    outcome = _NOTHING_SENT

    def request(self, *arguments: Any, **named: Any) -> requests.Response:
        try:
            response = super().request(*arguments, **named)
        except Exception as error:
            self.outcome = type(error).__name__
            raise
        self.outcome = f"HTTP {response.status_code}"
        return response


def _without_values(record: logging.LogRecord) -> bool:
    record.msg, record.args = "an entry of OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value and is ignored", ()
    return True
