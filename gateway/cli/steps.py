"""The steps of `check` from resolving the name in the URL to a list of virtual machines, each with advice on
failure."""

from __future__ import annotations

import enum
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from google.rpc import code_pb2

from gateway.calls.credential import SESSION_HEADER, Credential, SessionId
from gateway.cli.output import Exit
from gateway.contract import Contract
from gateway.errors import Failure, GatewayError
from gateway.transcoding import RestRequest, compile_bindings
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.certificate import CertificateFindingError, check_certificate
from gateway.vcenter.failures import AnswerTimeoutError, TransportError
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.proxy import place

__all__ = ["State", "Step", "StepError", "VCenterSteps", "addresses_of", "take"]

_LIST = "vcenter.v1.VmService/ListVms"
_SESSION = RestRequest("GET", "/api/session", None)


class State(enum.StrEnum):
    """The outcome of a step."""

    OK = "OK"
    WARNING = "WARNING"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step. `exit` is the exit code of the command if the step failed."""

    name: str
    state: State
    text: str
    advice: str = ""
    seconds: float = 0.0
    exit: Exit = Exit.OK


class StepError(Exception):
    """A problem that a step found. With `Exit.OK` it is a warning: the step worked, but the problem should be fixed."""

    def __init__(self, text: str, advice: str, code: Exit = Exit.OK) -> None:
        super().__init__(text)
        self.text, self.advice, self.exit = text, advice, code


def take(name: str, check: Callable[[], str]) -> Step:
    """Performs one step: `check` returns what it found, or raises StepError."""
    started = time.monotonic()
    try:
        step = Step(name, State.OK, check())
    except StepError as error:
        state = State.WARNING if error.exit is Exit.OK else State.FAILED
        step = Step(name, state, error.text, error.advice, exit=error.exit)
    return replace(step, seconds=time.monotonic() - started)


def addresses_of(host: str, port: int, source: str) -> list[str]:
    """The addresses of a host, whose name the user gave in `source`. Raises StepError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StepError(
            f"the name {host} is not known: {getattr(error, 'strerror', None) or error}",
            f"Check the spelling of {source}, and whether this machine's DNS server knows the name "
            f"(`getent hosts {host}`).",
            Exit.UNREACHABLE,
        ) from None
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class VCenterSteps:
    """The steps for one vCenter, in their order. Each returns what it found; raises StepError."""

    def __init__(self, options: VCenterOptions, contract: Contract) -> None:
        self._options = options
        self._contract = contract
        self._errors = error_reader(contract)
        parts = urlsplit(options.url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._place = place(options.proxy, self._host, self._port)
        """The address to connect to: vCenter, or the proxy, which resolves vCenter's name itself."""
        self._of_proxy = "" if options.proxy is None else "the proxy "
        self._addresses: list[str] = []
        self._vcenter: BlockingVCenter | None = None

    def close(self) -> None:
        if self._vcenter is not None:
            self._vcenter.close()

    def dns(self) -> str:
        host, port = self._place
        self._addresses = addresses_of(host, port, "the URL")
        return f"{self._of_proxy}{host} is {', '.join(self._addresses)}"

    def tcp(self) -> str:
        failures: list[OSError] = []
        host, port = self._place
        for address in self._addresses:
            try:
                socket.create_connection((address, port), self._options.connect_timeout).close()
            except OSError as error:
                failures.append(error)
        where = f"port {port} of {self._of_proxy}{host}"
        if not failures:
            return f"{where} accepts connections"
        if len(failures) < len(self._addresses):
            raise StepError(
                f"{where} accepts connections at {len(self._addresses) - len(failures)} of {len(self._addresses)} "
                "addresses",
                "Remove the addresses that do not answer from the DNS: each costs time when a connection is made.",
            )
        if isinstance(failures[0], ConnectionRefusedError):
            raise StepError(
                f"{where} refused the connection",
                "The machine is up, but nothing listens there. Check the port in the URL, and whether vCenter's "
                "services are running.",
                Exit.UNREACHABLE,
            )
        raise StepError(
            f"{where} cannot be reached: {failures[0].strerror or 'no answer in time'}",
            "Nothing came back: look for a firewall or a missing route between this machine and vCenter.",
            Exit.UNREACHABLE,
        )

    def tls(self) -> str:
        """What the server's certificate says. Raises StepError for a certificate that is not trusted, or should be
        replaced."""
        try:
            return check_certificate(self._options, self._host, self._port)
        except CertificateFindingError as finding:
            code = Exit.OK if finding.usable else Exit.UNREACHABLE
            raise StepError(finding.text, finding.advice, code) from None

    def api(self) -> str:
        """A request without credentials: vCenter rejects it as unauthenticated; any other response is not from
        vCenter."""
        self._vcenter = BlockingVCenter(self._options, SessionId("none"), self._contract)
        failure = self._get(self._vcenter, {})
        if failure is None or failure.reason == "UNAUTHENTICATED":
            return "vCenter's API answers"
        advice = "Check that the URL is vCenter's own, and that it is version 7.0 Update 2 or later."
        if failure.code == code_pb2.UNAVAILABLE:
            advice = "vCenter may still be starting: try again in some minutes; then look at its services."
        raise StepError(failure.message, advice, Exit.FAILED)

    def login(self, credential: Credential | None) -> str:
        assert credential is not None  # noqa: S101 - the step is skipped otherwise
        self.close()
        vcenter = self._vcenter = BlockingVCenter(self._options, credential, self._contract)
        if isinstance(credential, SessionId):
            failure = self._get(vcenter, {SESSION_HEADER: credential.value})
            if failure is None:
                return "not needed: the session id that was given is valid"
            raise StepError(
                f"vCenter did not accept the session id: {failure.message}",
                "Sessions end after some minutes without a call: open a new one, or give --user.",
                Exit.IDENTITY,
            )
        try:
            vcenter.login(self._options.read_timeout)
        except TransportError as error:
            raise _unanswered(error) from None
        except GatewayError as error:
            if error.failure.code == code_pb2.UNAUTHENTICATED:
                raise StepError(
                    f"vCenter rejected the user name {credential.user} or the password",
                    "User names have their domain: administrator@vsphere.local. Do not try too often: after five "
                    "wrong passwords within minutes vCenter locks the account for a while.",
                    Exit.IDENTITY,
                ) from None
            advice = "See the message; when vCenter has too many sessions, wait until some of them have ended."
            raise StepError(f"the login failed: {error.failure.message}", advice, Exit.FAILED) from None
        return f"{credential.user} logged in"

    def list(self) -> str:
        """Makes a call as the gateway does, through the whole translation."""
        assert self._vcenter is not None  # noqa: S101 - login comes first
        binding = compile_bindings(self._contract)[_LIST]
        try:
            response: Any = self._vcenter.call(binding, binding.request_class(), self._options.read_timeout)
        except GatewayError as error:
            if error.failure.code == code_pb2.RESOURCE_EXHAUSTED:
                return "vCenter has more virtual machines than it lists at once"
            advice = (
                "The user lacks a privilege."
                if error.failure.code == code_pb2.PERMISSION_DENIED
                else "See the message."
            )
            raise StepError(
                f"the virtual machines cannot be listed: {error.failure.message}", advice, Exit.FAILED
            ) from None
        return f"{len(response.vms)} virtual machines are visible"

    def _get(self, vcenter: BlockingVCenter, headers: dict[str, str]) -> Failure | None:
        """Requests the session of these headers: None if it exists, otherwise vCenter's response."""
        try:
            response = vcenter.send(_SESSION, headers, self._options.read_timeout)
        except TransportError as error:
            raise _unanswered(error) from None
        if 200 <= response.status < 300:
            return None
        return self._errors.read("GET /api/session", response.status, response.headers, response.body)


def _unanswered(error: TransportError) -> StepError:
    late = isinstance(error, AnswerTimeoutError)
    code = Exit.TIMEOUT if late else Exit.FAILED if error.was_sent else Exit.UNREACHABLE
    return StepError(str(error), "The connection works, the answer does not come: see vCenter's services.", code)
