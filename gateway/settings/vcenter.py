"""Settings of the connection to vCenter, and of the embedded simulator."""

from __future__ import annotations

import ssl
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize

from gateway.address import checked_thumbprint, checked_url
from gateway.settings.section import BYTES, SECONDS, SWITCH, Address, ReadableFile, Section, setting

__all__ = ["RetrySettings", "SimulatorSettings", "VCenterSettings"]


def _check_authorities(path: str) -> str:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        raise ValueError("contains no certificate in PEM format") from None
    return path


class RetrySettings(Section):
    """How often and when calls to vCenter are retried."""

    tries: int = setting(
        3,
        "Maximum number of attempts of a call, including the first. 1 turns retries off.",
        "a whole number from 1 to 10",
        ge=1,
        le=10,
    )
    backoff_seconds: float = setting(
        0.2,
        "Maximum wait before the second attempt; it doubles with each attempt. The wait is random, up to this value.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=60,
    )
    max_backoff_seconds: float = setting(
        2.0, "Maximum wait before any attempt.", f"{SECONDS}; more than 0", gt=0, le=600
    )
    budget_ratio: float = setting(
        0.1,
        "Share of an operation's calls that the gateway may retry, in addition to a reserve of ten calls.",
        "a number from 0 to 1",
        ge=0,
        le=1,
    )
    login_backoff_seconds: float = setting(
        1.0,
        "Wait before the next login after one that failed for a reason other than the password. It doubles with each "
        "failure; the actual wait is random, between half of this value and all of it.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=60,
    )
    max_login_backoff_seconds: float = setting(
        30.0, "Maximum wait between two logins.", f"{SECONDS}; more than 0", gt=0, le=600
    )


class VCenterSettings(Section):
    """The connection to vCenter."""

    url: Annotated[str, AfterValidator(checked_url)] | None = setting(
        None,
        "The vCenter to serve.",
        "scheme, host and optionally port, nothing else, for example https://vcenter.example.com",
    )
    ca_file: Annotated[ReadableFile, AfterValidator(_check_authorities)] | None = setting(
        None,
        "Authorities to trust instead of the system's. vCenter offers its own at https://VCENTER/certs/download.zip. A "
        "changed file is reloaded within a second, for new connections.",
        "a file with certificates in PEM format",
    )
    thumbprint: Annotated[str, AfterValidator(checked_thumbprint)] | None = setting(
        None,
        "Trusts vCenter's certificate by this thumbprint alone, no matter which authority signed it.",
        "a SHA-256 thumbprint: 64 hexadecimal digits, with or without colons",
    )
    verify: bool = setting(
        True,
        "Verifies vCenter's certificate. If off, anyone on the network path can read passwords; for experiments only.",
        SWITCH,
    )
    proxy: Address | None = setting(
        None,
        "HTTP proxy through which the gateway connects to vCenter, by a tunnel (CONNECT). It gets no credentials. When "
        "unset, the gateway calls vCenter directly and ignores proxies in the environment.",
        "HOST:PORT, for example proxy.example.com:3128",
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
        "Maximum duration of any call, even if its caller set a longer deadline.",
        f"{SECONDS}; more than 0",
        gt=0,
        le=86400,
    )
    max_concurrent_calls: int = setting(
        64,
        "Maximum number of concurrent calls of one worker to vCenter. Additional calls wait for their turn within "
        "their deadline.",
        "a whole number from 1 to 10000",
        ge=1,
        le=10000,
    )
    max_waiting_calls: int = setting(
        4096,
        "Maximum number of calls of one worker that wait for their turn. Additional calls are refused immediately.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100_000,
    )
    max_transfers: int = setting(
        32,
        "Maximum number of files that one worker copies to and from guests at a time. Additional transfers are "
        "refused. Each uses a connection and less than 4 MiB of memory.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    max_concurrent_logins: int = setting(
        8,
        "Maximum number of concurrent logins of one worker to vCenter, and of other calls about sessions. They have a "
        "separate limit, so that calls with an open session never wait for them.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    max_waiting_logins: int = setting(
        512,
        "Maximum number of logins of one worker that wait for their turn. Additional logins are refused immediately.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100_000,
    )
    max_response_bytes: ByteSize = setting(
        32 * 1024**2, "Maximum size of a response from vCenter.", BYTES, ge=1024, lt=2**31
    )
    retries: RetrySettings = RetrySettings()


class SimulatorSettings(Section):
    """The embedded simulator."""

    enabled: bool = setting(False, "Serves the embedded vCenter simulator instead of a vCenter.", SWITCH)
    vms: int = setting(
        20, "Number of virtual machines in the simulator.", "a whole number from 0 to 100000", ge=0, le=100_000
    )
    release: Literal["7.0.3", "8.0.2", "9.1"] = setting(
        "9.1",
        "vCenter release that the simulator simulates. Anything that later releases added is missing.",
        "7.0.3, 8.0.2 or 9.1",
    )
