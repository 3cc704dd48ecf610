"""Logs: one stream, one form, and no secret in it.

Everything the process writes goes through the same processors: the line per rpc, the gateway's own messages, and those
of the libraries. Secrets are cut out twice, since either way alone has holes: by the name of the field that holds them,
and by their look in running text. Values that are neither text nor number appear as the name of their type only, so
that a message or a set of headers cannot be logged by mistake.
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
# `token:ci` is who calls; it looks like a secret with its name. A peer is an address that gRPC writes.
_PLAIN_NAMES = frozenset({"identity", "peer"})
# In a line per rpc, these are the contract's own names and numbers.
_PLAIN_NAMES_OF_A_LINE = _PLAIN_NAMES | {"rpc", "code", "duration_ms"}
_MAX_DEPTH = 4

EventDict = structlog.typing.EventDict


def configure_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Sends all logs of the process to `stream`, standard error unless given."""
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
    """The function that writes one line: its level, its event, its fields. To be made after `configure_logs`.

    A closed pipe or a full disk does not fail what the line is about.
    """
    log, configuration = structlog.get_logger().bind(), structlog.get_config()
    if configuration["processors"][-1] is not _render_json:

        def log_line(level: int, event: str, fields: dict[str, Any]) -> None:
            with contextlib.suppress(OSError, ValueError):
                log.log(level, event, **fields)

        return log_line
    # The same line, past the layers that are made for any event: they took more time than the line itself.
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
    """The function that writes a line of the audit log among the others, whatever the level of those is."""
    write = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET)).bind()

    def log_audit(fields: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError, ValueError):
            told = dict(fields)
            write.info(told.pop("event"), **told)

    return log_audit


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Cuts secrets out of an event."""
    return {
        name: value if name in _PLAIN_NAMES else HIDDEN if _is_secret(name) else _clean(value)
        for name, value in event.items()
    }


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Says in every line that is written during a call which trace the call belongs to."""
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
    # Asking first for a character that the pattern needs spares nearly every text the search.
    if " " in text:
        text = _SCHEME_AND_SECRET.sub(rf"\1 {HIDDEN}", text)
    if "@" in text:
        text = _USER_INFO.sub(f"//{HIDDEN}@", text)
    if "=" in text or ":" in text or "," in text:
        text = _NAME_AND_SECRET.sub(rf"\1{HIDDEN}", text)
    return text


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    """One line of JSON that begins with what people look for first."""
    first = {name: event.pop(name) for name in ("time", "level", "event") if name in event}
    return orjson.dumps({**first, **event}).decode()


def _visible(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Writes out what could command a terminal. Values of other types are shown by `repr`, which does too."""
    return {name: escaped(value) if isinstance(value, str) else value for name, value in event.items()}


def _console(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty() and not os.environ.get("NO_COLOR"),
        timestamp_key="time",
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,  # The others print the values of local variables.
    )
