"""Calls a vCenter directly, with the gateway's translation but without a gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator

import click
from google.protobuf.message import Message

from gateway.address import split_address
from gateway.calls.credential import Credential
from gateway.cli.failure import CallError
from gateway.cli.target import Answer, Connection, check_authorities
from gateway.contract import Contract, Method, Rest
from gateway.errors import GatewayError, Reason, status_of
from gateway.transcoding import compile_bindings
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.options import VCenterOptions

__all__ = ["connected_to_vcenter", "vcenter_options"]

_CHECKED = frozenset({Reason.VCENTER_UNREACHABLE, Reason.VCENTER_CERTIFICATE_INVALID, Reason.VCENTER_CONNECTION_LOST})
"""Failures for which `check` explains why a vCenter does not respond."""


def vcenter_options(
    url: str, ca_file: str | None, thumbprint: str | None, verify: bool, proxy: str | None = None
) -> VCenterOptions:
    """How to reach a vCenter. Raises click.UsageError."""
    if ca_file:
        check_authorities(ca_file)
    try:
        if proxy:
            split_address(proxy)
    except ValueError:
        raise click.UsageError(f"--vcenter-proxy takes HOST:PORT, not {proxy!r}") from None
    try:
        return VCenterOptions(url, ca_file, thumbprint, verify, proxy)
    except ValueError as error:
        # The text before an @ may be a password.
        text = "--vcenter takes scheme, host and port alone; say who you are with --user"
        raise click.UsageError(text if "@" in url else str(error)) from None


@contextlib.contextmanager
def connected_to_vcenter(options: VCenterOptions, credential: Credential, contract: Contract) -> Iterator[Connection]:
    """A connection to a vCenter, in one session."""
    with BlockingVCenter(options, credential, contract) as vcenter:

        def call(method: Method, requests: Iterable[Message], timeout: float | None = None) -> Generator[Answer]:
            if not isinstance(method.backing, Rest):
                raise click.UsageError(f"{method.full_name} is answered by the gateway itself; leave out --vcenter")
            try:
                yield Answer(vcenter.call(compile_bindings(contract)[method.full_name], next(iter(requests)), timeout))
            except GatewayError as error:
                hint = ""
                if error.failure.reason in _CHECKED:
                    hint = f"`vcenter-gateway check --vcenter {options.url}` tells what is wrong"
                raise CallError(status_of(error.failure), contract, hint=hint) from None

        yield call
