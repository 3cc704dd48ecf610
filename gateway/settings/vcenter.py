"""Settings of the way to vCenter, and of the embedded one."""

from __future__ import annotations

import ssl
from typing import Literal

from pydantic import ByteSize, field_validator

from gateway.address import checked_thumbprint, checked_url
from gateway.settings.section import BYTES, SECONDS, SWITCH, Address, ReadableFile, Section, setting

__all__ = ["RetrySettings", "SimulatorSettings", "VCenterSettings"]


class RetrySettings(Section):
    """How often and when a call is sent to vCenter again."""

    tries: int = setting(
        3,
        "How often a call is sent, including the first time. 1 turns retries off.",
        "a whole number from 1 to 10",
        ge=1,
        le=10,
    )
    backoff_seconds: float = setting(
        0.2,
        "Longest wait before the second try; it doubles with each further try. The wait is random, up to this value.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=60,
    )
    max_backoff_seconds: float = setting(2.0, "Longest wait before any try.", f"{SECONDS}; more than 0", gt=0, le=600)
    budget_ratio: float = setting(
        0.1,
        "Share of an operation's calls that may be retried, in addition to a reserve of ten calls.",
        "a number from 0 to 1",
        ge=0,
        le=1,
    )
    login_backoff_seconds: float = setting(
        1.0,
        "Wait before the next login after one that failed for another reason than the password. It doubles with each "
        "further failure; the actual wait is random, between half of it and all of it.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=60,
    )
    max_login_backoff_seconds: float = setting(
        30.0, "Longest wait between two logins.", f"{SECONDS}; more than 0", gt=0, le=600
    )


class VCenterSettings(Section):
    """The way to vCenter."""

    url: str | None = setting(
        None,
        "The vCenter to serve.",
        "scheme, host and optionally port, nothing else, for instance https://vcenter.example.com",
    )
    ca_file: ReadableFile | None = setting(
        None,
        "Authorities to trust instead of the system's. vCenter offers its own at https://VCENTER/certs/download.zip. A "
        "changed file is reloaded within a second, for new connections.",
        "a file with certificates in PEM form",
    )
    thumbprint: str | None = setting(
        None,
        "Trusts vCenter's certificate by this alone, no matter which authority signed it.",
        "a SHA-256 thumbprint: 64 hexadecimal digits, with or without colons",
    )
    verify: bool = setting(
        True,
        "Verifies vCenter's certificate. If off, anyone on the network can read passwords. For experiments.",
        SWITCH,
    )
    proxy: Address | None = setting(
        None,
        "An HTTP proxy through which vCenter is reached, by a tunnel (CONNECT). It gets no credentials. When unset, "
        "vCenter is called directly; proxies in the environment are ignored.",
        "HOST:PORT, for instance proxy.example.com:3128",
    )
    connect_timeout_seconds: float = setting(
        10.0, "Timeout for opening a connection.", f"{SECONDS}; more than 0", gt=0, le=600
    )
    read_timeout_seconds: float = setting(
        60.0,
        "Timeout of a read whose caller set no deadline.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=86400,
    )
    change_timeout_seconds: float = setting(
        120.0,
        "Timeout of a change whose caller set no deadline.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=86400,
    )
    max_timeout_seconds: float = setting(
        600.0,
        "Longest time for any call, even if its caller set a longer deadline.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=86400,
    )
    max_concurrent_calls: int = setting(
        64,
        "Concurrent calls of one worker to vCenter. Further calls wait for their turn within their deadline.",
        "a whole number from 1 to 10000",
        ge=1,
        le=10000,
    )
    max_waiting_calls: int = setting(
        4096,
        "Calls of one worker that wait for their turn. Further calls are refused immediately.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100_000,
    )
    max_transfers: int = setting(
        32,
        "Files that one worker copies to and from guests at a time. Further transfers are refused. Each uses a "
        "connection and less than 4 MiB of memory.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    max_concurrent_logins: int = setting(
        8,
        "Concurrent logins of one worker to vCenter, and other calls about sessions. They are limited separately, so "
        "that calls with an open session never wait behind them.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    max_waiting_logins: int = setting(
        512,
        "Logins of one worker that wait for their turn. Further logins are refused immediately.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100_000,
    )
    max_response_bytes: ByteSize = setting(
        32 * 1024**2, "Largest answer of vCenter that is read.", BYTES, ge=1024, lt=2**31
    )
    retries: RetrySettings = RetrySettings()

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return None if value is None else checked_url(value)

    @field_validator("thumbprint")
    @classmethod
    def _check_thumbprint(cls, value: str | None) -> str | None:
        return None if value is None else checked_thumbprint(value)

    @field_validator("ca_file")
    @classmethod
    def _check_ca_file(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=value)
            except OSError:
                raise ValueError("holds no certificate in PEM form") from None
        return value


class SimulatorSettings(Section):
    """The embedded vCenter."""

    enabled: bool = setting(False, "Serves the embedded vCenter simulator instead of a vCenter.", SWITCH)
    vms: int = setting(
        20, "Number of virtual machines of the simulator.", "a whole number from 0 to 100000", ge=0, le=100_000
    )
    release: Literal["7.0.3", "8.0.2", "9.1"] = setting(
        "9.1", "Release of vCenter that the simulator is. What came later is missing.", "7.0.3, 8.0.2 or 9.1"
    )
