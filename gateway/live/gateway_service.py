"""`vcenter.gateway.v1.GatewayService`: information about the gateway for clients and dashboards."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from gateway import __version__
from gateway.calls import Call, SessionId
from gateway.contract import Contract
from gateway.events import BreakerChanged, CertificateChanged, Events, LoginEnded, SessionEnded
from gateway.live.heartbeat import heartbeat_seconds
from gateway.live.newest import Newest
from gateway.live.serves import serves
from gateway.vcenter.client import VCenter
from gateway.vcenter.version import VCenterVersion, VersionReader
from gateway.vim.client import SHARED_SESSIONS

if TYPE_CHECKING:
    from gateway.access.fetched_keys import Issuers

__all__ = ["GatewayService", "Limits"]

_NUMBER = re.compile(r"\d+")
_PACKAGE = "vcenter.gateway.v1"


@dataclass(frozen=True, slots=True)
class Limits:
    """The gateway's limits, by the names of `GatewayLimits`. Sizes are in bytes, times in seconds."""

    max_request_bytes: int
    max_response_bytes: int
    max_concurrent_calls: int
    max_waiting_calls: int
    max_streams_per_caller: int
    max_streams: int
    read_timeout: float
    change_timeout: float
    max_timeout: float


@dataclass(frozen=True, slots=True)
class _State:
    """The content of `GatewayState` without the time. Times are in seconds since the epoch."""

    circuit: str = "CLOSED"
    circuit_cause: str = ""
    next_probe: float | None = None
    logins: int = 0
    rejected: int = 0
    open_sessions: int = 0
    certificate_expires: float | None = None
    draining: bool = False


class GatewayService(Events):
    """The service of one gateway process, whose events keep the state up to date."""

    def __init__(
        self,
        contract: Contract,
        vcenter: Callable[[], VCenter | None],
        version: VersionReader,
        limits: Limits,
        *,
        has_policy: bool,
        issuers: Issuers | None = None,
    ) -> None:
        self._contract = contract
        self._vcenter = vcenter
        self._version = version
        self._limits = limits
        self._has_policy = has_policy
        self._issuers = issuers
        self._certificate: bytes | None = None
        self._expires: float | None = None
        self._draining = False
        self._state = Newest(_State())

    # What keeps the state up to date.

    def breaker_changed(self, changed: BreakerChanged) -> None:
        self._look()

    def login_ended(self, login: LoginEnded) -> None:
        self._look()

    def session_ended(self, ended: SessionEnded) -> None:
        self._look()

    def certificate_changed(self, changed: CertificateChanged) -> None:
        self._look()

    def stopping(self) -> None:
        """The gateway accepts no new calls from now on."""
        self._draining = True
        self._look()

    # The rpcs.

    @serves("vcenter.gateway.v1.GatewayService/GetGateway")
    async def get_gateway(self, call: Call) -> Any:
        """Versions, features and limits. Raises GatewayError for credentials that vCenter does not accept."""
        await self._authenticate(call)
        version = await self._version.current()
        limits = self._message("GatewayLimits")
        for name, value in asdict(self._limits).items():
            if name.endswith("_timeout"):
                getattr(limits, name).FromNanoseconds(round(value * 1e9))
            else:
                setattr(limits, name, value)
        vcenter = self._message("VCenterInfo", releases=version.releases)
        if version.api is not None:
            vcenter.api_version = version.api
        if version.problem:
            vcenter.problem = version.problem
        info = self._message(
            "GatewayInfo", version=__version__, vcenter=vcenter, features=self._features(call, version), limits=limits
        )
        return self._message("GetGatewayResponse", gateway=info)

    @serves("vcenter.gateway.v1.GatewayService/WatchGateway")
    async def watch_gateway(self, call: Call) -> AsyncIterator[Message]:
        """The state, each newer one, and a heartbeat if there is none for a while. Raises GatewayError."""
        quiet = heartbeat_seconds(call.message)
        await self._authenticate(call)
        self._look()
        async for state in self._state.watch(quiet):
            if state is not None:
                yield self._message("WatchGatewayResponse", state=self._told(state))
                continue
            heartbeat = self._message("Heartbeat")
            heartbeat.sent_at.GetCurrentTime()
            yield self._message("WatchGatewayResponse", heartbeat=heartbeat)
            self._look()

    async def _authenticate(self, call: Call) -> None:
        if vcenter := self._vcenter():
            await vcenter.authenticate(call)

    def _look(self) -> None:
        vcenter = self._vcenter()
        if vcenter is None:
            return
        breaker, counts, certificate = vcenter.breaker, vcenter.session_counts, vcenter.certificate
        if certificate != self._certificate:
            self._certificate, self._expires = certificate, _expiry(certificate)
        wait = breaker.seconds_to_probe
        self._state.set(
            _State(
                circuit=breaker.state.name,
                circuit_cause=breaker.cause,
                # In whole seconds, so that reading it twice is not a change.
                next_probe=float(round(time.time() + wait)) if wait else None,
                logins=counts.logins,
                rejected=counts.rejected,
                open_sessions=vcenter.open_sessions,
                certificate_expires=self._expires,
                draining=self._draining,
            )
        )

    def _told(self, state: _State) -> Any:
        logins = self._message(
            "Logins", succeeded=state.logins, rejected=state.rejected, open_sessions=state.open_sessions
        )
        told = self._message(
            "GatewayState", circuit=f"CIRCUIT_STATE_{state.circuit}", logins=logins, draining=state.draining
        )
        told.observed_at.GetCurrentTime()
        if state.circuit_cause:
            told.circuit_cause = state.circuit_cause
        if state.next_probe is not None:
            told.next_probe.FromNanoseconds(int(state.next_probe * 1e9))
        if state.certificate_expires is not None:
            told.vcenter_certificate_expires.FromNanoseconds(int(state.certificate_expires * 1e9))
        return told

    def _features(self, call: Call, version: VCenterVersion) -> list[Message]:
        releases = [tuple(map(int, _NUMBER.findall(each))) for each in version.releases[:1]]
        polls = isinstance(call.caller.credential, SessionId) and bool(releases) and releases[0] < SHARED_SESSIONS
        old = (
            "a session id gives access to the VIM API only from vCenter 8.0.3 on, so machines are polled"
            if polls
            else ""
        )
        has_session = isinstance(call.caller.credential, SessionId)
        own = "the call carries its own session, which the gateway neither opens nor renews" if has_session else ""
        no_policy = "" if self._has_policy else "no policy is configured: every caller may call every rpc"
        rows = [
            ("policy", self._has_policy, no_policy),
            ("sessions", not has_session, own),
            ("shared-reads", True, "for reads that send cache-control: max-age=SECONDS in their metadata"),
            ("streams", True, ""),
            ("vim", not polls, old),
        ]
        if self._issuers is not None:
            away = ", ".join(self._issuers.problems)
            why = f"keys cannot be fetched, and the known keys stay in use: {away}" if away else ""
            rows.append(("jwt-issuers", not away, why))
        return [
            self._message("Feature", name=name, available=available, **({"explanation": why} if why else {}))
            for name, available, why in rows
        ]

    def _message(self, name: str, /, **fields: Any) -> Any:
        return self._contract.message_class(f"{_PACKAGE}.{name}")(**fields)


def _expiry(certificate: bytes | None) -> float | None:
    """When a certificate in DER form expires, in seconds since the epoch; None if it cannot be read."""
    if certificate is None:
        return None
    # Imported here: it needs megabytes, and few clients watch the gateway.
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()
    except ValueError:
        return None
