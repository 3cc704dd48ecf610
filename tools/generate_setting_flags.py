"""Writes gateway/cli/setting_flags.json: what the command line says about each setting, without loading the settings.

generate_setting_flags.py           writes it
generate_setting_flags.py --check   fails if it is out of date
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal, get_args, get_origin

from generated import write_or_check

from gateway.cli.setting_flags import TABLE, SettingFlag
from gateway.settings import Setting, all_settings

# The kind of a setting's values, by a word of the sentence that describes them.
_METAVARS = (("HOST:PORT", "HOST:PORT"), ("https://", "URL"), ("file", "FILE"), ("size", "SIZE"), ("number", "NUMBER"))


def flags() -> list[dict[str, Any]]:
    """All flags, in the form of the table."""
    return [asdict(_flag(setting)) for setting in all_settings()]


def _flag(setting: Setting) -> SettingFlag:
    annotation = setting.info.annotation
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    return SettingFlag(
        name=setting.name,
        section=setting.section,
        description=setting.description,
        default=setting.default,
        is_switch=setting.is_switch,
        metavar=_metavar(setting.takes) or "|".join(choices) or "TEXT",
        choices=choices,
    )


def _metavar(takes: str) -> str:
    if takes.startswith("seconds"):
        return "SECONDS"
    return next((metavar for word, metavar in _METAVARS if word in takes), "")


def main() -> None:
    """Writes or checks the file."""
    write_or_check({TABLE: json.dumps(flags(), indent=1) + "\n"})


if __name__ == "__main__":
    main()
