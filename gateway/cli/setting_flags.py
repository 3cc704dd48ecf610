"""The flags of the settings, from a table that `make generate` writes.

To load the settings themselves, with all that checks them, takes longer than a help text may.
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
    """What the command line says about a setting."""

    name: str
    """Without the dashes, for example `vcenter-ca-file`."""
    section: str
    """The path of its section, for example `vcenter` or `vcenter.retries`."""
    description: str
    default: str
    """As people write it, empty where there is none."""
    is_switch: bool
    metavar: str
    """What it takes, in a word."""
    choices: tuple[str, ...]
    """The values that it takes, empty where it takes any."""

    @property
    def parameter(self) -> str:
        """Its name as a parameter of a command."""
        return self.name.replace("-", "_")


@cache
def setting_flags() -> dict[str, SettingFlag]:
    """The flag of every setting by its name, in the order of the settings."""
    found = (SettingFlag(**{**item, "choices": tuple(item["choices"])}) for item in json.loads(TABLE.read_bytes()))
    return {flag.name: flag for flag in found}
