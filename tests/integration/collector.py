"""A collector of traces: a real HTTP server that takes OTLP and keeps what it gets."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

__all__ = ["Collector", "ReceivedSpan"]


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span with what tests look at; ids are in hexadecimal digits."""

    name: str
    kind: str
    """SERVER or CLIENT."""
    trace_id: str
    span_id: str
    parent: str
    """Empty for the first one of a trace."""
    attributes: Mapping[str, Any]
    status: str
    """UNSET, OK or ERROR."""
    message: str
    """What the status says in words."""
    events: int
    resource: Mapping[str, Any]

    @property
    def traceparent(self) -> str:
        """What the work below this span was told."""
        return f"00-{self.trace_id}-{self.span_id}"


class Collector:
    """Takes traces on a free port of the loopback address for as long as it is entered."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        """All that was sent, as it came."""
        self.status = 200
        """How requests are answered."""
        self.requests = 0
        self.go_on = threading.Event()
        """While it is not set, nothing is answered."""
        self.go_on.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def __enter__(self) -> Collector:
        # The interval is how long the end may take.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[ReceivedSpan]:
        """All spans so far, in the order in which they came."""
        return [
            _span(span, _values(group.resource.attributes))
            for body in list(self.bodies)
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[ReceivedSpan]:
        """The spans with this name."""
        return [span for span in self.spans if span.name == name]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.requests += 1
                collector.go_on.wait()
                accepted = (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
                if accepted and collector.status == 200:
                    collector.bodies.append(body)
                self.send_response(collector.status if accepted else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Prints nothing."""

        return Handler


def _span(span: trace_pb2.Span, resource: Mapping[str, Any]) -> ReceivedSpan:
    return ReceivedSpan(
        span.name,
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _values(span.attributes),
        trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        span.status.message,
        len(span.events),
        resource,
    )


def _values(attributes: Any) -> Mapping[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
