"""Combines the settings from flags, environment and file, and explains each mistake in one line. This module merges
them instead of a library because every message must name the source of the value.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gateway.documents import DocumentError, read_bounded, read_yaml
from gateway.settings import VARIABLE_PREFIX, Setting, Settings, all_settings
from gateway.settings.section import Section

__all__ = ["SettingsError", "load_settings"]

_CONFIG_VARIABLE = f"{VARIABLE_PREFIX}CONFIG"
_MAX_SHOWN = 200
# The clients' examples use these variables, and may run in the same shell.
_OF_CLIENTS = frozenset({"GATEWAY_TARGET", "GATEWAY_USER", "GATEWAY_PASSWORD"})


class SettingsError(Exception):
    """The configuration cannot be used. `problems` has one line for each mistake, without secrets."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Given:
    """A value that the user set, and its source."""

    origin: str
    value: Any


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Combines the settings and checks them. `flags` contains the given flags by name, without dashes; its `config` is
    the path of the file. `environ` defaults to the process's environment. Raises SettingsError with all mistakes.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    given: dict[str, _Given] = {}
    if flags.get("config"):
        given |= _from_file(str(flags["config"]), "--config (flag)", problems)
    elif environ.get(_CONFIG_VARIABLE):
        given |= _from_file(environ[_CONFIG_VARIABLE], f"{_CONFIG_VARIABLE} (environment variable)", problems)
    given |= _from_environment(environ, problems)
    for setting in all_settings():
        if (value := flags.get(setting.name)) is not None:
            given[setting.key] = _Given(f"--{setting.name} (flag)", value)
    return _validate(given, problems)


def _validate(given: Mapping[str, _Given], problems: list[str]) -> Settings:
    values: dict[str, Any] = {}
    for key, item in given.items():
        *sections, field = key.split(".")
        below = values
        for section in sections:
            below = below.setdefault(section, {})
        below[field] = item.value
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        by_key = {setting.key: setting for setting in all_settings()}
        for entry in error.errors(include_url=False):
            context = entry.get("ctx", {})
            if not entry["loc"]:
                # An unreadable value may be exactly what is missing here, so contradictions are checked last.
                if problems:
                    continue
                origins = [given[key].origin for key in context["concerns"] if key in given]
                problems.append(entry["msg"] + (f"; set by {' and '.join(origins)}" if origins else ""))
                continue
            places = [".".join(map(str, entry["loc"][:depth])) for depth in range(len(entry["loc"]), 0, -1)]
            setting = next(by_key[place] for place in places if place in by_key)
            item = given[setting.key]
            if setting.entries is not None and (inside := entry["loc"][len(setting.key.split(".")) :]):
                problems.append(f"{item.origin}: {_in_entry(setting.entries, inside, entry)}")
                continue
            why = f" ({_shown(str(context['error']))})" if entry["type"] == "value_error" else ""
            problems.append(f"{item.origin}: {_shown(repr(item.value))} is not valid{why}; expected {setting.takes}")
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _in_entry(model: type[Section], inside: tuple[int | str, ...], entry: Any) -> str:
    """Explains the mistake in an entry of a list of sections; `inside` is its index in the list, and the key if the
    mistake is about one."""
    number, *keys = inside
    why = str(entry.get("ctx", {}).get("error", ""))
    where = f"entry {int(number) + 1}"
    if not keys:
        return f"{where}: {_shown(why) or 'expected keys and values'}"
    key = str(keys[0])
    if key not in model.model_fields:
        return f"{where} has the key {_shown(key)!r}, which does not exist{_hint(key, list(model.model_fields))}"
    takes = Setting("", key, model.model_fields[key]).takes
    reason = f" ({_shown(why)})" if why else ""
    return f"{where}, {key}: {_shown(repr(entry['input']))} is not valid{reason}; expected {takes}"


def _shown(text: str) -> str:
    """A value that is safe to show: text before an @ may be a URL's password."""
    if "@" in text:
        text = f"***{text[text.rindex('@') :]}"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}... (cut)"


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, _Given]:
    by_variable = {setting.variable: setting for setting in all_settings()}
    given = {}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(VARIABLE_PREFIX) or variable in (_CONFIG_VARIABLE, *_OF_CLIENTS):
            continue
        if variable not in by_variable:
            hint = _hint(variable, [*by_variable, _CONFIG_VARIABLE], VARIABLE_PREFIX)
            problems.append(f"{variable} (environment variable): there is no such setting{hint}")
        elif value:
            given[by_variable[variable].key] = _Given(f"{variable} (environment variable)", value)
    return given


def _from_file(path: str, origin: str, problems: list[str]) -> dict[str, _Given]:
    try:
        content = read_bounded(path)
    except (OSError, DocumentError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        problems.append(f"{origin}: {path!r} cannot be read ({why}); expected a YAML file")
        return {}
    try:
        values = read_yaml(content.decode())
    except UnicodeDecodeError:
        problems.append(f"{origin}: {path!r} is not UTF-8 text; expected a YAML file")
        return {}
    except DocumentError as error:
        place = f"{path}:{error.line}:{error.column}" if error.line else path
        problems.append(f"{place}: {error.text}")
        return {}
    if values is not None and not isinstance(values, dict):
        problems.append(f"{path}: expected sections such as `server:` with keys below them")
        return {}
    return dict(_from_sections(path, values or {}, problems))


def _from_sections(
    path: str, content: Mapping[Any, Any], problems: list[str], above: str = ""
) -> Iterator[tuple[str, _Given]]:
    """The settings in a section; `above` is its path with a trailing dot, empty for the whole file."""
    keys = [setting.key.removeprefix(above) for setting in all_settings() if setting.key.startswith(above)]
    sections = list(dict.fromkeys(key.partition(".")[0] for key in keys if "." in key))
    fields = [key for key in keys if "." not in key]
    for name, value in content.items():
        key = f"{above}{name}"
        if name in fields:
            yield key, _Given(f"{path}:{key} (file)", value)
        elif name not in sections:
            what = "setting" if above else "section"
            hint = _hint(str(name), [*fields, *sections])
            problems.append(f"{path}:{key} (file): there is no such {what}{hint}")
        elif value is None or isinstance(value, dict):
            yield from _from_sections(path, value or {}, problems, f"{key}.")
        else:
            below = [item.removeprefix(f"{name}.").partition(".")[0] for item in keys if item.startswith(f"{name}.")]
            problems.append(f"{path}:{key} (file): expected keys below it: {', '.join(dict.fromkeys(below))}")


def _hint(name: str, known: list[str], prefix: str = "") -> str:
    """A suggestion for a misspelled name. The prefix that all names share does not count as similarity."""
    ends = [item.removeprefix(prefix) for item in known]
    matches = difflib.get_close_matches(name.removeprefix(prefix), ends, n=1, cutoff=0.6)
    return f"; did you mean {prefix}{matches[0]}?" if matches else ""
