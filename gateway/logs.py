"""Configures logging: one stream, one format, and no secrets.

Everything the process logs passes through the same processors: the line for each rpc, the gateway's own messages, and
those of the libraries. Secrets are redacted in two ways, because neither is complete: by the name of their field, and
by their form in text. Values that are neither text nor numbers appear only as the name of their type, so that a message
or headers cannot be logged by mistake.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson
import structlog

from gateway.log_stream import standard_error
from gateway.printable import escaped, escaped_json
from gateway.settings import LogSettings
from gateway.tracing.context import CURRENT, trace_fields

__all__ = ["audit_writer", "configure_logs", "line_writer", "redact"]

HIDDEN = "***"

_HIDDEN_NAMES = (
    r"(?:password|passwd|passphrase|secret|authorization|cookie|session[-_ ]?id|token|credential|saml"
    r"|(?:private|api|product)[-_ ]?key|header|metadata)"
)
_SECRET_NAME = re.compile(_HIDDEN_NAMES, re.IGNORECASE)
_SCHEME_AND_SECRET = re.compile(r"\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{8,}")
_USER_INFO = re.compile(r"//[^/\s@]+@")
# name=value, name: value, "name": "value", ("name", "value")
_NAME_AND_SECRET = re.compile(
    rf"""({_HIDDEN_NAMES}[\w-]*(?:["']\s*[:,]|\s*[:=])\s*)"""
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&)}\]]+)""",
    re.IGNORECASE,
)
# `token:ci` is an identity, but looks like a named secret. A peer is an address from gRPC.
_PLAIN_NAMES = frozenset({"identity", "peer"})
# In the line for an rpc, these are the contract's own names and numbers.
_PLAIN_NAMES_OF_A_LINE = _PLAIN_NAMES | {"rpc", "code", "duration_ms"}
_MAX_DEPTH = 4

EventDict = structlog.typing.EventDict


def configure_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Sends all logs of the process to `stream`, by default standard error."""
    stream = stream or standard_error()
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    ending: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        _add_trace,
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if settings.format == "console" or (settings.format == "auto" and stream.isatty()):
        ending += [_visible, _console(stream)]
    else:
        ending.append(_render_json)
        if stream.isatty():
            ending.append(lambda _logger, _method, line: escaped_json(str(line)))
    structlog.configure(
        processors=ending,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def line_writer() -> Callable[[int, str, dict[str, Any]], None]:
    """Returns the function that writes one line: its level, its event, its fields. Call this after `configure_logs`. A
    closed pipe or a full disk does not fail the logged operation.
    """
    log, configuration = structlog.get_logger().bind(), structlog.get_config()
    if configuration["processors"][-1] is not _render_json:

        def log_line(level: int, event: str, fields: dict[str, Any]) -> None:
            with contextlib.suppress(OSError, ValueError):
                log.log(level, event, **fields)

        return log_line
    # The same line without the generic layers, which took more time than the line itself.
    write = configuration["logger_factory"]().msg
    names = {level: logging.getLevelName(level).lower() for level in (logging.INFO, logging.WARNING)}
    names = {level: name for level, name in names.items() if log.is_enabled_for(level)}

    def write_line(level: int, event: str, fields: dict[str, Any]) -> None:
        if name := names.get(level):
            line = {"time": datetime.now(UTC), "level": name, "event": event, **fields}
            for field in fields.keys() - _PLAIN_NAMES_OF_A_LINE:
                if type(value := fields[field]) is str:
                    line[field] = _clean_text(value)
            try:  # noqa: SIM105 - a context manager would take longer than the rest of the line
                write(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())
            except (OSError, ValueError):
                pass

    return write_line


def audit_writer() -> Callable[[Mapping[str, object]], None]:
    """Returns the function that writes a line of the audit log into the general log, regardless of the log level."""
    write = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET)).bind()

    def log_audit(fields: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError, ValueError):
            told = dict(fields)
            write.info(told.pop("event"), **told)

    return log_audit


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redacts secrets in an event."""
    return {
        name: value if name in _PLAIN_NAMES else HIDDEN if _is_secret(name) else _clean(value)
        for name, value in event.items()
    }


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Adds the trace of the current call to each line."""
    trace = CURRENT.get()
    return event if trace is None else {**event, **trace_fields(trace.trace_id, trace.span_id)}


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH:
        if isinstance(value, dict):
            return {
                str(name): HIDDEN if _is_secret(str(name)) else _clean(inner, depth + 1)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_clean(inner, depth + 1) for inner in value]
    return f"<{type(value).__name__}>"


def _clean_text(text: str) -> str:
    # Checking first for a character that the pattern requires avoids the search for nearly every text.
    if " " in text:
        text = _SCHEME_AND_SECRET.sub(rf"\1 {HIDDEN}", text)
    if "@" in text:
        text = _USER_INFO.sub(f"//{HIDDEN}@", text)
    if "=" in text or ":" in text or "," in text:
        text = _NAME_AND_SECRET.sub(rf"\1{HIDDEN}", text)
    return text


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    """One line of JSON that starts with the fields that people look for first."""
    first = {name: event.pop(name) for name in ("time", "level", "event") if name in event}
    return orjson.dumps({**first, **event}).decode()


def _visible(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Escapes characters that could control a terminal. Values of other types are shown by `repr`, which escapes them
    too."""
    return {name: escaped(value) if isinstance(value, str) else value for name, value in event.items()}


def _console(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty() and not os.environ.get("NO_COLOR"),
        timestamp_key="time",
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,  # The other formatters print the values of local variables.
    )
