"""The flags of the settings, from a table that `make generate` writes.

Loading the settings themselves, with their validation, takes too long for a help text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["TABLE", "SettingFlag", "setting_flags"]

TABLE = Path(__file__).with_name("setting_flags.json")


@dataclass(frozen=True, slots=True)
class SettingFlag:
    """A setting on the command line."""

    name: str
    """Without the dashes, for example `vcenter-ca-file`."""
    section: str
    """The path of its section, for example `vcenter` or `vcenter.retries`."""
    description: str
    default: str
    """The default in readable form, empty if there is none."""
    is_switch: bool
    metavar: str
    """The kind of value, in one word."""
    choices: tuple[str, ...]
    """The allowed values, empty if any value is allowed."""

    @property
    def parameter(self) -> str:
        """Its name as a parameter of a command."""
        return self.name.replace("-", "_")


@cache
def setting_flags() -> dict[str, SettingFlag]:
    """The flags of all settings by name, in the order of the settings."""
    found = (SettingFlag(**{**item, "choices": tuple(item["choices"])}) for item in json.loads(TABLE.read_bytes()))
    return {flag.name: flag for flag in found}
