"""The building blocks of settings: fields with a description and the values that they accept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.address import split_address
from gateway.files import open_regular

__all__ = [
    "BYTES",
    "SECONDS",
    "SWITCH",
    "VARIABLE_PREFIX",
    "Address",
    "ReadableFile",
    "Section",
    "Setting",
    "Words",
    "setting",
]

VARIABLE_PREFIX = "GATEWAY_"
_SHORT_NAMES = {"vcenter.url": "vcenter", "simulator.enabled": "simulator", "tracing.enabled": "tracing"}

SECONDS = "seconds, for example 30 or 0.5"
BYTES = "a size in bytes, or with a unit: 4MiB"
SWITCH = "true or false"


class Section(BaseModel):
    """One section of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64")


def setting(default: Any, description: str, takes: str, **rules: Any) -> Any:
    """A field of a section with its description and accepted values."""
    return Field(default, description=description, json_schema_extra={"takes": takes}, **rules)


def _split(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _check_address(value: str) -> str:
    split_address(value)
    return value


def _check_readable(value: str) -> str:
    try:
        open_regular(value).close()
        return value
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Several strings: a list in the file, one comma-separated string in flags and variables."""
Address = Annotated[str, AfterValidator(_check_address)]
"""HOST:PORT."""
ReadableFile = Annotated[str, AfterValidator(_check_readable)]
"""The path of a regular file that exists and is readable."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, under all its names."""

    section: str
    """The path of its section, for example `vcenter` or `vcenter.retries`."""
    field: str
    info: FieldInfo

    @property
    def key(self) -> str:
        """Its key in the configuration file, for example `vcenter.ca_file`."""
        return f"{self.section}.{self.field}"

    @property
    def name(self) -> str:
        """Its name on the command line without the dashes, for example `vcenter-ca-file`."""
        return _SHORT_NAMES.get(self.key) or self.key.removeprefix("server.").replace(".", "-").replace("_", "-")

    @property
    def variable(self) -> str:
        return VARIABLE_PREFIX + self.name.upper().replace("-", "_")

    @property
    def is_switch(self) -> bool:
        return self.info.annotation is bool

    @property
    def entries(self) -> type[Section] | None:
        """The section of each entry if the setting is a list of sections, else None."""
        model = next(iter(get_args(self.info.annotation)), None)
        return model if isinstance(model, type) and issubclass(model, Section) else None

    @property
    def takes(self) -> str:
        return str(cast(dict[str, Any], self.info.json_schema_extra)["takes"])

    @property
    def description(self) -> str:
        return self.info.description or ""

    @property
    def default(self) -> str:
        """The default as users write it, empty if there is none."""
        value = self.info.default
        if value is None or value is PydanticUndefined:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if self.info.annotation is ByteSize:
            return ByteSize(value).human_readable(separator="").replace(".0", "")
        if isinstance(value, tuple):
            return ",".join(value)
        return f"{value:g}" if isinstance(value, float) else str(value)
