"""Where requests come from: the command line, a file or standard input; as JSON, as YAML, or one per line."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import Any, TextIO

import click
from google.protobuf.descriptor import Descriptor

from gateway.cli.request_json import RequestError, checked_object, read_json
from gateway.cli.user_files import explained

__all__ = ["is_lines", "read_request", "request_lines"]

# In characters. By default, a gateway accepts 4 MiB.
_MAX_REQUEST = 16 * 1024**2
_LINES = (".jsonl", ".ndjson")
_YAML = (".yaml", ".yml")
_FILES = (*_LINES, *_YAML, ".json")
_PAIR = re.compile(r"[\w.]+:(\s|$)")


def is_lines(text: str) -> bool:
    """Whether a REQUEST is a file that has one request per line."""
    return text.lower().endswith(_LINES)


def read_request(text: str, descriptor: Descriptor) -> dict[str, Any]:
    """The one request that REQUEST refers to. Raises click.UsageError."""
    try:
        content, prefers_yaml = _text(text)
        return _parsed(content, prefers_yaml, descriptor)
    except RequestError as error:
        raise click.UsageError(str(error)) from None


def request_lines(text: str, descriptor: Descriptor) -> Iterator[tuple[int, dict[str, Any] | RequestError]]:
    """The requests in a file, or in standard input for `-`, one JSON text per line, with the numbers of their lines.

    An invalid line yields its error. Raises click.UsageError for a file that cannot be read.
    """
    with _opened(text) as file:
        number = 0
        while line := file.readline(_MAX_REQUEST + 1):
            number += 1
            if len(line) > _MAX_REQUEST:
                raise click.UsageError(f"line {number} holds more than {_MAX_REQUEST} characters")
            if line.strip():
                try:
                    yield number, read_json(line, descriptor)
                except RequestError as error:
                    yield number, error


def _text(text: str) -> tuple[str, bool]:
    """The text of a request, and whether it is YAML rather than JSON.

    A file may also be named without the @, because no request looks like a file name.
    """
    if text.lstrip().startswith("{"):
        return text, False
    path = text.removeprefix("@")
    # Path.exists fails for what cannot be a name. A pipe of the shell, such as `<(jq ...)`, is a file too.
    if text == "-" or text != path or path.lower().endswith(_FILES) or os.path.exists(path):  # noqa: PTH110
        with _opened(text) as file:
            content = file.read(_MAX_REQUEST + 1)
        if len(content) > _MAX_REQUEST:
            where = "standard input" if text == "-" else path
            raise click.UsageError(f"{where} holds more than {_MAX_REQUEST} characters, which is more than any request")
        return content, path.lower().endswith(_YAML) or not content.lstrip().startswith("{")
    if _PAIR.match(text):
        return text, True
    try:
        json.loads(text)
    except RecursionError:
        raise click.UsageError("the request is nested too deeply") from None
    except ValueError:
        raise click.UsageError("the request is neither JSON nor YAML nor a file that exists") from None
    return text, False


@contextmanager
def _opened(text: str) -> Iterator[TextIO]:
    """The file that a REQUEST names. Raises click.UsageError, also for errors while reading."""
    path = text.removeprefix("@")
    try:
        with explained(path, "read"), _standard_input() if text == "-" else Path(path).open(encoding="utf-8") as file:
            yield file
    except UnicodeDecodeError:
        raise click.UsageError("the request is not UTF-8 text") from None


def _standard_input() -> AbstractContextManager[TextIO]:
    """Standard input as a separate file object: a thread may still read it when the process ends, which Python's own
    object does not support."""
    if sys.stdin is None:
        raise click.UsageError("standard input is closed")
    if sys.stdin is not sys.__stdin__:
        return nullcontext(sys.stdin)
    return open(0, encoding="utf-8", closefd=False)


def _parsed(content: str, prefers_yaml: bool, descriptor: Descriptor) -> dict[str, Any]:
    if not prefers_yaml:
        return read_json(content, descriptor)
    from gateway.documents import DocumentError, read_yaml

    try:
        value = read_yaml(content)
        # Without a value, as in a template whose fields are all still comments.
        return {} if value is None else checked_object(_json_value(value), descriptor)
    except DocumentError as error:
        raise RequestError(f"the request is not valid: {error}") from None


def _json_value(value: Any) -> Any:
    """A YAML value as JSON would have it: dates and times as texts, and keys as texts."""
    if isinstance(value, dict):
        return {_key(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z") if value.tzinfo else f"{value.isoformat()}Z"
    return value.isoformat() if isinstance(value, date) else value


def _key(key: Any) -> str:
    return ("true" if key else "false") if isinstance(key, bool) else str(key)
