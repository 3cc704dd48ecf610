"""Calls a vCenter directly, with the gateway's translation but without a gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator

import click
from google.protobuf.message import Message

from gateway.calls.credential import Credential
from gateway.cli.contexts import Context
from gateway.cli.failure import CallError
from gateway.cli.parameter_types import host_and_port, vcenter_url
from gateway.cli.target import Answer, Connection, check_authorities
from gateway.contract import Contract, Method, Rest
from gateway.errors import GatewayError, Reason, status_of
from gateway.transcoding import compile_bindings
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.options import VCenterOptions

__all__ = ["connected_to_vcenter", "vcenter_options"]

_CHECKED = frozenset({Reason.VCENTER_UNREACHABLE, Reason.VCENTER_CERTIFICATE_INVALID, Reason.VCENTER_CONNECTION_LOST})
"""Failures for which `check` explains why a vCenter does not respond."""


def vcenter_options(context: Context) -> VCenterOptions:
    """How to reach the vCenter of a context. Raises click.UsageError."""
    if context.vcenter_ca_file:
        check_authorities(context.vcenter_ca_file)
    if context.vcenter_proxy:
        host_and_port("--vcenter-proxy", context.vcenter_proxy)
    try:
        return VCenterOptions(
            vcenter_url(context.vcenter or ""),
            context.vcenter_ca_file,
            context.vcenter_thumbprint,
            context.vcenter_verify is not False,
            context.vcenter_proxy,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


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
