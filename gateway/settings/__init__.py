"""All settings, and the sources of their values.

Everything else follows from one model: the flags of `serve`, the environment variables, the keys of the configuration
file, the checks, and docs/reference/configuration.md. A flag takes precedence over the environment, which takes
precedence over the file. The name of a setting follows from its place: `vcenter.ca_file` in the file is the flag
`--vcenter-ca-file` and the variable `GATEWAY_VCENTER_CA_FILE`; names omit the section `server`, and the main setting of
a section has only the section's name: `--vcenter`, `--simulator`, `--tracing`. gateway.configuration reads the values
from their sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from typing import Any, Self, cast

from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

from gateway.address import is_loopback, split_address
from gateway.settings.access import AuthSettings
from gateway.settings.jwt import IssuerSettings
from gateway.settings.live import LiveSettings
from gateway.settings.monitoring import AdminSettings, MetricsSettings, TracingSettings
from gateway.settings.section import VARIABLE_PREFIX, Section, Setting
from gateway.settings.server import LogSettings, ServerSettings, TlsSettings
from gateway.settings.vcenter import SimulatorSettings, VCenterSettings

__all__ = [
    "VARIABLE_PREFIX",
    "AdminSettings",
    "AuthSettings",
    "IssuerSettings",
    "LiveSettings",
    "LogSettings",
    "MetricsSettings",
    "ServerSettings",
    "Setting",
    "Settings",
    "SimulatorSettings",
    "TlsSettings",
    "TracingSettings",
    "VCenterSettings",
    "all_settings",
    "issuers_table",
    "reference_table",
]


class Settings(Section):
    """All settings. Immutable."""

    server: ServerSettings = ServerSettings()
    tls: TlsSettings = TlsSettings()
    vcenter: VCenterSettings = VCenterSettings()
    live: LiveSettings = LiveSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    auth: AuthSettings = AuthSettings()
    log: LogSettings = LogSettings()
    admin: AdminSettings = AdminSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for text, *concerns in self._contradictions():
            raise PydanticCustomError("contradiction", cast(Any, text), {"concerns": concerns})
        return self

    def _contradictions(self) -> Iterator[tuple[str, ...]]:
        """The contradictions between settings: a message, and the keys that it is about."""
        tls, auth = self.tls, self.auth
        if self.simulator.enabled and self.vcenter.url is not None:
            yield "--vcenter and --simulator exclude each other: keep one of them", "vcenter.url", "simulator.enabled"
        if not self.simulator.enabled and self.vcenter.url is None:
            yield (
                "there is no vCenter to serve: give --vcenter URL, or --simulator for the embedded simulator",
                "vcenter.url",
            )
        if self.admin.listen and split_address(self.admin.listen)[1] == (split_address(self.server.listen)[1] or -1):
            yield (
                "the admin port must differ from the port of the gRPC server: give another one",
                "admin.listen",
                "server.listen",
            )
        if (tls.cert_file is None) != (tls.key_file is None):
            yield "a certificate and its key belong together: give both", "tls.cert_file", "tls.key_file"
        if tls.client_ca_file and not tls.cert_file:
            yield (
                "client certificates require TLS: give --tls-cert-file and --tls-key-file",
                "tls.client_ca_file",
            )
        if auth.certificates and not tls.client_ca_file:
            yield "client certificates require a trusted authority: give --tls-client-ca-file", "auth.certificates"
        if auth.jwks_file and not (auth.jwt_issuer and auth.jwt_audience):
            yield "JWTs are checked for an issuer and an audience: give both", "auth.jwks_file"
        else:
            yield from self._confusable_issuers()
        if self.metrics.machines and self.admin.listen is None:
            yield "the admin port serves the metrics of machines: give --admin-listen", "metrics.machines"
        if self.metrics.machines and auth.mode == "passthrough" and not self.simulator.enabled:
            yield (
                "the metrics of machines require a service account: give --auth-mode service-account",
                "metrics.machines",
            )
        if self.log.audit_on_failure == "refuse" and not self.log.audit_file:
            yield (
                "changes are refused only if an audit file cannot be written: give --log-audit-file",
                "log.audit_on_failure",
            )
        if auth.mode == "passthrough":
            given = [
                name
                for name in ("user", "password_file", "certificates", "tokens_file", "jwks_file", "jwt.issuers")
                if attrgetter(name)(auth)
            ]
            if given:
                text = "callers send their own vCenter credentials; this setting requires --auth-mode service-account"
                yield text, *(f"auth.{name}" for name in given)
        elif not self.simulator.enabled and not (auth.user and auth.password_file):
            yield (
                "a service account requires a name and a password: give --auth-user and --auth-password-file",
                "auth.mode",
            )
        elif not (auth.callers_are_known or auth.allow_anyone or self.is_local):
            yield (
                "anyone who reaches this address could use the service account: give --auth-certificates, "
                "--auth-tokens-file, --auth-jwks-file or auth.jwt.issuers, or listen on a loopback address",
                "auth.mode",
                "server.listen",
            )

    def _confusable_issuers(self) -> Iterator[tuple[str, ...]]:
        """Issuers that could be confused, because a token or a name could be from either."""
        issuers = self.auth.issuers
        concerns = ("auth.jwks_file", "auth.jwt.issuers")
        names = [each.issuer for each in issuers if each.issuer]
        if len(set(names)) < len(names):
            yield "two issuers of JWTs have the same name: their tokens could not be distinguished", *concerns
        if sum(each.kubernetes for each in issuers) > 1:
            yield "the gateway runs in one cluster: only one issuer can have kubernetes", *concerns
        prefixes = [each.own_names for each in issuers]
        if len(set(prefixes)) < len(prefixes):
            yield (
                "two issuers of JWTs could give the same name to different callers: give each another identity_prefix",
                *concerns,
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call."""
        return is_loopback(split_address(self.server.listen)[0])

    @property
    def anonymous_allowed(self) -> bool:
        """Whether callers need no credentials: only with the simulator, and only if no other machine can call."""
        return self.simulator.enabled and self.is_local and self.auth.mode == "passthrough"


@cache
def all_settings() -> tuple[Setting, ...]:
    """Every setting, in the order of the model."""
    return tuple(_settings_below("", Settings))


def _settings_below(path: str, model: type[BaseModel]) -> Iterator[Setting]:
    for field, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from _settings_below(f"{path}.{field}".lstrip("."), info.annotation)
        else:
            yield Setting(path, field, info)


def reference_table() -> str:
    """All settings as a Markdown table, for docs/reference/configuration.md."""
    rows = ["| Flag, variable, key in the file | Value | Default | Description |", "|---|---|---|---|"]
    for setting in all_settings():
        flag = f"--{setting.name}" + (f"` / `--no-{setting.name}" if setting.is_switch else "")
        rows.append(
            f"| `{flag}`<br>`{setting.variable}`<br>`{setting.key}` | {setting.takes} "
            f"| {f'`{setting.default}`' if setting.default else ''} | {setting.description} |"
        )
    return "\n".join(rows)


def issuers_table() -> str:
    """The keys of an issuer in `auth.jwt.issuers` as a Markdown table, for docs/reference/configuration.md."""
    rows = ["| Key | Value | Default | Description |", "|---|---|---|---|"]
    for field, info in IssuerSettings.model_fields.items():
        key = Setting("auth.jwt.issuers[]", field, info)
        default = f"`{key.default}`" if key.default else ""
        rows.append(f"| `{field}` | {key.takes} | {default} | {key.description} |")
    return "\n".join(rows)
