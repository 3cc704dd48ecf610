"""Parses google.api.http rules in the form that vCenter's API needs.

The grammar is a subset of google/api/http.proto: whole-segment variables without patterns (`{vm}`), literal segments,
and a literal query, which vCenter uses to distinguish actions (`?action=connect`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["HttpRule", "HttpRuleError", "Variable", "parse_http_rule"]

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_TEXT = r"[A-Za-z0-9._~-]+"  # Characters that need no escaping in a URL: a literal is sent unchanged.
_LITERAL = re.compile(_TEXT)
_QUERY = re.compile(f"{_TEXT}={_TEXT}(?:&{_TEXT}={_TEXT})*")


class HttpRuleError(ValueError):
    """A rule that cannot be translated; the text says why."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A path segment that is filled from the request field `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class HttpRule:
    """A parsed rule: one REST call with the variables that the request fills."""

    verb: str
    """HTTP method in upper case."""
    path: str
    """Path template and literal query as in the proto."""
    segments: tuple[str | Variable, ...]
    query: str
    """Literal query without the question mark, empty if there is none."""
    body: str
    """Empty, `*`, or the request field that is the body."""
    response_body: str
    """Empty, or the response field that gets the whole result."""

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(segment.name for segment in self.segments if isinstance(segment, Variable))


def parse_http_rule(verb: str, path: str, body: str, response_body: str) -> HttpRule:
    """Parses one rule, whose `verb` is the name of its pattern in google.api.HttpRule, such as `get`.

    Raises HttpRuleError with a message that explains the mistake.
    """
    if not path.startswith("/"):
        raise HttpRuleError(f"the path {path!r} does not start with a slash")
    segments: list[str | Variable] = []
    plain, mark, query = path.partition("?")
    for text in plain[1:].split("/"):
        if match := _VARIABLE.fullmatch(text):
            segments.append(Variable(match.group(1)))
        elif _LITERAL.fullmatch(text) and text not in (".", ".."):
            segments.append(text)
        else:
            raise HttpRuleError(f"the segment {text!r} of {path!r} is neither a literal nor a variable such as {{vm}}")
    names = [segment.name for segment in segments if isinstance(segment, Variable)]
    if len(names) != len(set(names)):
        raise HttpRuleError(f"a variable occurs twice in {path!r}")
    if mark and not _QUERY.fullmatch(query):
        raise HttpRuleError(f"the query {query!r} is not of the form name=value")
    if body and verb in ("get", "delete"):
        raise HttpRuleError(f"{verb.upper()} cannot have a body")
    return HttpRule(verb.upper(), path, tuple(segments), query, body, response_body)
