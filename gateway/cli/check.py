"""`check`: tests a configuration and its vCenter, or a running gateway, step by step; explains what is wrong with
each."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cryptography import x509

from gateway.access import Policy
from gateway.access.patterns import fits
from gateway.calls import Credential
from gateway.cli.options import checked_settings
from gateway.cli.output import Exit, echo, echo_json, wrapped
from gateway.cli.place import Place
from gateway.cli.serve import load
from gateway.cli.steps import State, Step, StepError, VCenterSteps, take
from gateway.contract import load_contract
from gateway.server.guards import account_file
from gateway.settings import Settings
from gateway.vcenter.certificate import described, ends_soon
from gateway.vcenter.options import VCenterOptions

if TYPE_CHECKING:
    from gateway.access.fetched_keys import FetchedKeys, Issuers

__all__ = ["run_check"]

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red", State.SKIPPED: "bright_black"}
_MAX_IDS = 300
_INDENT = " " * 18

_Steps = list[tuple[str, Callable[[], str]]]


def run_check(place: Place, flags: Mapping[str, Any] | None, as_json: bool) -> None:
    """Tests the configuration that the flags describe or, if `flags` is None, the gateway at a place. Ends the process
    with the exit code of the steps."""
    if flags is None:
        what, end = f"the gateway {place.target}", "The gateway can be used."
        steps = _taken(*_gateway_steps(place))
    else:
        settings = checked_settings({**flags, **_of_context(place)})
        if settings.vcenter.url is None:
            raise click.UsageError("the configuration serves the simulator; there is no vCenter to test")
        what, end = settings.vcenter.url, "The gateway can work with this vCenter."
        steps = _steps(settings, place.credential())
    _report(what, steps, end, as_json)


def _of_context(place: Place) -> dict[str, Any]:
    """The settings of a context for a vCenter."""
    known = place.settings.to_dict()
    return {name: value for name, value in known.items() if name.startswith("vcenter")}


def _report(what: str, taken: Iterator[Step], end: str, as_json: bool) -> None:
    """Prints the steps as they finish, and ends the process with their exit code."""
    if not as_json:
        echo(f"Checking {what}\n")
    steps = []
    for step in taken:
        steps.append(step)
        if not as_json:
            _print(step)
    failed = [step for step in steps if step.state is State.FAILED]
    if as_json:
        echo_json({"ok": not failed, "steps": [_to_json(step) for step in steps]})
    elif failed:
        echo(f"\n{failed[0].name} failed.")
    else:
        echo(f"\n{end}")
    sys.exit(failed[0].exit if failed else Exit.OK)


def _steps(settings: Settings, credential: Credential | None) -> Iterator[Step]:
    """Performs the steps for a configuration and its vCenter."""
    options = VCenterOptions.of(settings.vcenter)
    account = credential
    issuers: Issuers | None = None

    def config() -> str:
        nonlocal account, issuers
        try:
            admission = load(_without_new_audit_log(settings)).admission
            policy, issuers = admission.policy, admission.issuers
            if account is None and (file := account_file(settings.auth)):
                account = file.current()
        except ValueError as error:
            raise StepError(str(error), "`serve` would not start: fix this first.", Exit.USAGE) from None
        if findings := [*_ending(settings), *(_idle_patterns(policy()) if policy else ())]:
            raise StepError("; ".join(findings), "`serve` would start: renew the certificates, and fix the patterns.")
        return "`serve` can load everything that the settings name"

    vcenter = VCenterSteps(options, load_contract())
    steps: _Steps = [
        ("config", config),
        ("DNS", vcenter.dns),
        ("TCP", vcenter.tcp),
        ("TLS", vcenter.tls),
        ("API", vcenter.api),
        ("login", lambda: vcenter.login(account)),
        ("list", vcenter.list),
    ]

    def skips(name: str) -> str:
        return "no user was given: add --user NAME to test the login too" if name == "login" and account is None else ""

    def after(name: str) -> Iterator[Step]:
        for source in issuers.sources if issuers and name == "config" else ():
            yield take("issuer", lambda source=source: _issuer(source))  # type: ignore[misc]

    yield from _taken(steps, vcenter.close, skips, after)


def _gateway_steps(place: Place) -> tuple[_Steps, Callable[[], None]]:
    from gateway.cli.gateway_steps import GatewaySteps

    steps = GatewaySteps(place, load_contract())
    names = ("DNS", "TCP", "gateway", "vCenter", "list")
    return list(zip(names, (steps.dns, steps.tcp, steps.gateway, steps.vcenter, steps.list), strict=True)), steps.close


def _taken(
    steps: _Steps,
    close: Callable[[], None],
    skips: Callable[[str], str] = lambda name: "",
    after: Callable[[str], Iterator[Step]] = lambda name: iter(()),
) -> Iterator[Step]:
    """Performs the steps one after the other and yields each as soon as it is done.

    Every step depends on the one before it, so the first failure is the one to fix, and the remaining steps are
    skipped. `skips` gives the reason why a step and those after it are skipped, if there is one. `after` adds steps
    after a given one, on which no other step depends.
    """
    skip = ""
    try:
        for name, step in steps:
            skip = skip or skips(name)
            if skip:
                yield Step(name, State.SKIPPED, skip)
                continue
            taken = take(name, step)
            if taken.state is State.FAILED:
                skip = f"not tried, since {name} failed"
            yield taken
            yield from after(name)
    finally:
        close()


def _issuer(source: FetchedKeys) -> str:
    """What an issuer of JWTs publishes. Raises StepError if its keys cannot be fetched."""
    # Imported here because few configurations have one.
    from gateway.access.issuer_client import IssuerError

    try:
        published = asyncio.run(source.client.fetch())
    except IssuerError as error:
        raise StepError(
            f"the keys of {source.name} cannot be fetched: {error}",
            "`serve` would start, and refuse tokens of this issuer. Check its entry in auth.jwt.issuers, and whether "
            "this machine may reach it.",
            Exit.UNREACHABLE,
        ) from None
    ids = ", ".join(sorted(map(repr, published.keys)))[:_MAX_IDS]
    if not published.keys:
        raise StepError(f"{published.issuer} publishes no key for signatures", "Each of its tokens is refused.")
    return f"{published.issuer} publishes {len(published.keys)} keys for signatures: {ids}"


def _without_new_audit_log(settings: Settings) -> Settings:
    """The settings, without an audit log that does not exist yet: if `check` created it, the gateway's user would not
    own it.

    Raises ValueError if it cannot be created.
    """
    path = settings.log.audit_file
    if path is None or Path(path).exists():
        return settings
    folder = Path(path).parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise ValueError(f"the audit log {path} cannot be written: {folder} is not a folder that can be written to")
    return settings.model_copy(update={"log": settings.log.model_copy(update={"audit_file": None})})


def _ending(settings: Settings) -> Iterator[str]:
    """The certificates in files that expire soon."""
    tls, now = settings.tls, datetime.now(UTC)
    for path in (tls.cert_file, tls.client_ca_file, settings.vcenter.ca_file):
        for certificate in _certificates(path) if path else ():
            if when := ends_soon(certificate, now):
                yield f"{path}: the {described(certificate)}, {when}"


def _certificates(path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):  # OpenSSL has read the files already; it is less strict than this parser.
        return []


def _idle_patterns(policy: Policy) -> Iterator[str]:
    """The patterns of a policy that match no rpc: misspelled, or of a service that this gateway does not have."""
    names = load_contract().methods
    for number, rule in enumerate(policy.rules, start=1):
        for pattern in rule.rpcs:
            if not any(fits(name, [pattern]) for name in names):
                yield f"rule {number} of the policy: no rpc fits {pattern!r}"


def _print(step: Step) -> None:
    state = click.style(f"{step.state:7}", fg=_COLOURS[step.state])
    duration = "" if step.state is State.SKIPPED else f" ({step.seconds * 1000:.0f} ms)"
    echo(f"  {step.name:7}  {wrapped(step.text + duration, _INDENT, _INDENT).lstrip()}", styled=state)
    if step.advice:
        echo(wrapped(step.advice, f"{_INDENT}-> ", _INDENT + "   "))


def _to_json(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "state": step.state,
        "text": step.text,
        "advice": step.advice,
        "duration_ms": round(step.seconds * 1000, 1),
    }
