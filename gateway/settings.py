"""What can be configured, and where each value comes from.

One table, the model, gives everything else: the flags of `serve`, the environment variables, the keys of the
configuration file, the checks, and the reference in docs/configuration.md. A flag beats the environment, which beats
the file. What a setting is called follows from its place: `vcenter.ca_file` in the file is the flag `--vcenter-ca-file`
and the variable `GATEWAY_VCENTER_CA_FILE`; the section `server` is left out, and the two settings that everybody needs
are short: `--vcenter` and `--simulator`. Where values come from is the matter of gateway.configuration.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined

from gateway.vcenter.options import VCenterOptions

__all__ = [
    "VARIABLE_PREFIX",
    "LogSettings",
    "ServerSettings",
    "Setting",
    "Settings",
    "SimulatorSettings",
    "VCenterSettings",
    "all_settings",
    "is_loopback",
    "reference_table",
    "split_address",
]

VARIABLE_PREFIX = "GATEWAY_"
_SHORT_NAMES = {"vcenter.url": "vcenter", "simulator.enabled": "simulator"}
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>\d{1,5})")

_SECONDS = "seconds, for instance 30 or 0.5"
_BYTES = "a size in bytes, or with a unit: 4MiB"
_SWITCH = "true or false"


def _setting(default: Any, description: str, takes: str, **rules: Any) -> Any:
    """A field of the model with what people are told about it."""
    return Field(default, description=description, json_schema_extra={"takes": takes}, **rules)


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 host is in brackets. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535 or (match["v6"] and not _is_ipv6(match["v6"])):
        raise ValueError("not of the form HOST:PORT")
    return match["v6"] or match["host"], int(match["port"])


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64")


class ServerSettings(_Section):
    """The gRPC side."""

    listen: str = _setting(
        "127.0.0.1:50051",
        "Address that gRPC clients connect to. Port 0 takes a free one.",
        "HOST:PORT, for instance 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051",
    )
    workers: int = _setting(
        1,
        "Processes that share the port. One uses about one processor core.",
        "a whole number from 1 to 64",
        ge=1,
        le=64,
    )
    max_request_bytes: ByteSize = _setting(4 * 1024**2, "Largest request that is accepted.", _BYTES, ge=1024, lt=2**31)
    max_response_bytes: ByteSize = _setting(32 * 1024**2, "Largest response that is sent.", _BYTES, ge=1024, lt=2**31)
    keepalive_seconds: float = _setting(
        60.0, "An idle connection is probed this often.", f"{_SECONDS}; 1 or more", ge=1, le=86400
    )
    max_connection_age_seconds: float | None = _setting(
        None,
        "Connections are closed in an orderly way after about this time, so that clients find new replicas. "
        "Unlimited when unset.",
        f"{_SECONDS}; 1 or more",
        ge=1,
        le=86400 * 365,
    )
    settle_seconds: float = _setting(
        0.0,
        "How long new calls are still taken after the stop began, until load balancers have noticed.",
        _SECONDS,
        ge=0,
        le=3600,
    )
    grace_seconds: float = _setting(
        30.0, "How long calls under way may take to finish after the stop began.", _SECONDS, ge=0, le=3600
    )
    reflection: bool = _setting(True, "Lets tools such as grpcurl ask for the services.", _SWITCH)

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, value: str) -> str:
        split_address(value)
        return value


class VCenterSettings(_Section):
    """The way to vCenter."""

    url: str | None = _setting(
        None,
        "The vCenter to serve.",
        "scheme, host and optionally port, nothing else, for instance https://vcenter.example.com",
    )
    ca_file: str | None = _setting(
        None,
        "Authorities to trust in place of the system's. vCenter offers its own at https://VCENTER/certs/download.zip.",
        "a file with certificates in PEM form",
    )
    thumbprint: str | None = _setting(
        None,
        "Trusts vCenter's certificate by this alone, whoever signed it.",
        "a SHA-256 thumbprint: 64 hexadecimal digits, with or without colons",
    )
    verify: bool = _setting(
        True, "Off, no certificate is checked: anybody on the way can read passwords. For experiments.", _SWITCH
    )
    connect_timeout_seconds: float = _setting(
        10.0, "How long opening a connection may take.", f"{_SECONDS}; more than 0", gt=0, le=600
    )
    timeout_seconds: float = _setting(
        60.0, "How long a call may take whose caller set no deadline.", f"{_SECONDS}; more than 0", gt=0, le=86400
    )
    max_connections: int = _setting(
        64,
        "Connections to vCenter of one worker; further calls wait for one within their deadline.",
        "a whole number from 1 to 10000",
        ge=1,
        le=10000,
    )
    max_response_bytes: ByteSize = _setting(
        32 * 1024**2, "Largest answer of vCenter that is read.", _BYTES, ge=1024, lt=2**31
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return None if value is None else VCenterOptions(value).url

    @field_validator("thumbprint")
    @classmethod
    def _check_thumbprint(cls, value: str | None) -> str | None:
        return None if value is None else VCenterOptions("https://vcenter", thumbprint=value).thumbprint

    @field_validator("ca_file")
    @classmethod
    def _check_ca_file(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=value)
            except ssl.SSLError:
                raise ValueError("holds no certificate in PEM form") from None
            except OSError as error:
                raise ValueError(f"cannot be read: {error.strerror}") from None
        return value

    def options(self, url: str | None = None) -> VCenterOptions:
        """The options of the client; `url` takes the place of the configured one. Raises ValueError without any."""
        return VCenterOptions(
            url=url or self.url or "",
            ca_file=self.ca_file,
            thumbprint=self.thumbprint,
            verify=self.verify,
            connect_timeout=self.connect_timeout_seconds,
            timeout=self.timeout_seconds,
            max_connections=self.max_connections,
            max_response_bytes=self.max_response_bytes,
        )


class SimulatorSettings(_Section):
    """The embedded vCenter."""

    enabled: bool = _setting(False, "Serves the embedded vCenter simulator in place of a vCenter.", _SWITCH)
    vms: int = _setting(20, "Virtual machines it has.", "a whole number from 0 to 100000", ge=0, le=100_000)


class LogSettings(_Section):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "The least important lines that are written.", "debug, info, warning or error"
    )
    format: Literal["auto", "json", "console"] = _setting(
        "auto", "How lines look. `auto`: for people on a terminal, JSON elsewhere.", "auto, json or console"
    )


class Settings(_Section):
    """Everything that can be configured. Immutable."""

    server: ServerSettings = ServerSettings()
    vcenter: VCenterSettings = VCenterSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _one_vcenter(self) -> Self:
        if self.simulator.enabled and self.vcenter.url is not None:
            text = "a vCenter and the simulator exclude each other: keep one of them"
        elif not self.simulator.enabled and self.vcenter.url is None:
            text = "there is no vCenter to serve: give --vcenter URL, or --simulator for the embedded one"
        else:
            return self
        raise PydanticCustomError("one_vcenter", cast(Any, text), {"concerns": ["vcenter.url", "simulator.enabled"]})

    @property
    def anonymous_allowed(self) -> bool:
        """Whether callers need no identity: with the simulator only, and only where no other machine can call."""
        return self.simulator.enabled and is_loopback(split_address(self.server.listen)[0])


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, under all its names."""

    section: str
    field: str
    info: FieldInfo

    @property
    def key(self) -> str:
        """Its key in the configuration file, for instance `vcenter.ca_file`."""
        return f"{self.section}.{self.field}"

    @property
    def name(self) -> str:
        """Its name on the command line without the dashes, for instance `vcenter-ca-file`."""
        return _SHORT_NAMES.get(self.key) or self.key.removeprefix("server.").replace(".", "-").replace("_", "-")

    @property
    def variable(self) -> str:
        return VARIABLE_PREFIX + self.name.upper().replace("-", "_")

    @property
    def is_switch(self) -> bool:
        return self.info.annotation is bool

    @property
    def takes(self) -> str:
        return str(cast(dict[str, Any], self.info.json_schema_extra)["takes"])

    @property
    def description(self) -> str:
        return self.info.description or ""

    @property
    def default(self) -> str:
        """The default as people write it, empty where there is none."""
        value = self.info.default
        if value is None or value is PydanticUndefined:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if self.info.annotation is ByteSize:
            return ByteSize(value).human_readable(separator="").replace(".0", "")
        return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def all_settings() -> tuple[Setting, ...]:
    """Every setting, in the order of the model."""
    return tuple(
        Setting(section, field, info)
        for section, section_info in Settings.model_fields.items()
        for field, info in cast(type[BaseModel], section_info.annotation).model_fields.items()
    )


def reference_table() -> str:
    """All settings as a Markdown table, for docs/configuration.md."""
    rows = ["| Flag, variable, key in the file | Takes | Default | Meaning |", "|---|---|---|---|"]
    for setting in all_settings():
        flag = f"--{setting.name}" + (f"` / `--no-{setting.name}" if setting.is_switch else "")
        rows.append(
            f"| `{flag}`<br>`{setting.variable}`<br>`{setting.key}` | {setting.takes} "
            f"| {f'`{setting.default}`' if setting.default else ''} | {setting.description} |"
        )
    return "\n".join(rows)
