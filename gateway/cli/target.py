"""Makes one call, unary or streaming: to a gateway over gRPC, or straight to a vCenter. Failures of either leave as
`CallError`."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.calls.credential import SESSION_HEADER, Credential, SessionId
from gateway.cli.credentials import Bearer
from gateway.cli.failure import CallError
from gateway.contract import Contract
from gateway.errors import GatewayError, Reason, status_of
from gateway.settings import is_loopback, split_address
from gateway.transcoding import Binding
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.options import USER_AGENT, VCenterOptions

__all__ = ["Answer", "Call", "Talk", "Tls", "call_gateway", "call_vcenter", "talking_to_gateway", "vcenter_options"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call brought: one answer, or a message of a stream."""

    message: Message | None
    """None at the end of a stream."""
    metadata: tuple[tuple[str, str], ...] = ()
    """What the gateway says beside it: the request id, the age of a shared read."""


Call = Callable[[Binding, Message, float | None], Generator[Answer]]
"""Makes one call within so many seconds; it is cancelled when the iterator is closed. Raises CallError."""

Talk = Callable[[Binding, Iterable[Message], float | None], Iterator[Any]]
"""Streams requests, and gives the responses as they come. Ends the call when it is closed. Raises CallError."""

_STATUS = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"
_CHECKED = frozenset({Reason.VCENTER_UNREACHABLE, Reason.VCENTER_CERTIFICATE_INVALID, Reason.VCENTER_CONNECTION_LOST})
"""Why a vCenter that is called without a gateway may give no answer, and `check` tells more."""


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS towards a gateway: whom to trust, and what to show. Raises click.UsageError for files that are no use."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise click.UsageError("--cert and --key belong together")
        # gRPC would say of files that it cannot use no more than that there is no connection.
        if self.ca:
            _check_authorities(str(self.ca))
        if self.cert:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.cert, self.key, password="")
            except OSError:
                text = "are no certificate with its key, in PEM form and without a passphrase"
                raise click.UsageError(f"{self.cert} and {self.key} {text}") from None

    def credentials(self) -> grpc.ChannelCredentials:
        try:
            files = [path.read_bytes() if path else None for path in (self.ca, self.key, self.cert)]
        except OSError as error:
            raise click.UsageError(f"{error.filename} cannot be read: {error.strerror}") from None
        return grpc.ssl_channel_credentials(*files)

    @classmethod
    def choose(
        cls, target: str, wanted: bool | None, ca: Path | None, cert: Path | None, key: Path | None
    ) -> Tls | None:
        """TLS for the gateway at `target`, None for plain text, which is for loopback addresses unless `wanted` says
        otherwise. Raises click.UsageError."""
        try:
            host, _ = split_address(target)
        except ValueError:
            raise click.UsageError(f"--target takes HOST:PORT, for instance 127.0.0.1:50051, not {target!r}") from None
        given = any((ca, cert, key))
        if wanted is None:
            wanted = given or not is_loopback(host)
        if not wanted and given:
            raise click.UsageError("--ca, --cert and --key need TLS; leave out --plaintext")
        return cls(ca, cert, key) if wanted else None


def vcenter_options(
    url: str, ca_file: str | None, thumbprint: str | None, verify: bool, proxy: str | None = None
) -> VCenterOptions:
    """How to reach a vCenter. Raises click.UsageError."""
    if ca_file:
        _check_authorities(ca_file)
    try:
        if proxy:
            split_address(proxy)
    except ValueError:
        raise click.UsageError(f"--vcenter-proxy takes HOST:PORT, not {proxy!r}") from None
    try:
        return VCenterOptions(url, ca_file, thumbprint, verify, proxy)
    except ValueError as error:
        # What stands before an @ may be a password.
        text = "--vcenter takes scheme, host and port alone; say who you are with --user"
        raise click.UsageError(text if "@" in url else str(error)) from None


def _check_authorities(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise click.UsageError(f"{path} holds no certificate in PEM form") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None


def call_gateway(
    address: str,
    tls: Tls | None,
    credential: Credential | Bearer | None,
    contract: Contract,
    further: tuple[tuple[str, str], ...] = (),
) -> Call:
    """Calls through the gateway at `address`, in plain text without `tls`, with `further` metadata."""
    open_channel, metadata = _channel(address, tls), _metadata(credential, further)

    def call(binding: Binding, message: Message, timeout: float | None) -> Generator[Answer]:
        is_unary = binding.method.is_unary
        with open_channel() as channel:
            make: Any = channel.unary_unary if is_unary else channel.unary_stream
            rpc = make(
                f"/{binding.method.full_name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=binding.response_class.FromString,
            )
            try:
                if is_unary:
                    response, ended = rpc.with_call(message, timeout=timeout, metadata=metadata)
                    yield Answer(response, (*_texts(ended.initial_metadata()), *_texts(ended.trailing_metadata())))
                    return
                stream = rpc(message, timeout=timeout, metadata=metadata)
                said = _texts(stream.initial_metadata())
                for response in stream:
                    yield Answer(response, said)
                    said = ()
                yield Answer(None, (*said, *_texts(stream.trailing_metadata())))
            except grpc.RpcError as error:
                raise _from_rpc(error, address, tls, contract) from None

    return call


def _texts(metadata: Iterable[tuple[str, str | bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in metadata if isinstance(value, str))


@contextlib.contextmanager
def talking_to_gateway(
    address: str, tls: Tls | None, credential: Credential | Bearer | None, contract: Contract
) -> Iterator[Talk]:
    """Streams through the gateway at `address`, on one connection."""
    open_channel, metadata = _channel(address, tls), _metadata(credential, ())
    with open_channel() as channel:

        def talk(binding: Binding, requests: Iterable[Message], timeout: float | None) -> Iterator[Any]:
            rpc: Any = channel.stream_stream(
                f"/{binding.method.full_name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=binding.response_class.FromString,
            )
            responses = rpc(iter(requests), timeout=timeout, metadata=metadata)
            try:
                yield from responses
            except grpc.RpcError as error:
                raise _from_rpc(error, address, tls, contract) from None
            finally:
                responses.cancel()

        yield talk


def _channel(address: str, tls: Tls | None) -> Callable[[], Any]:
    credentials = tls.credentials() if tls else None
    options = [
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_metadata_size", 64 * 1024),
        # A proxy of the environment is for the web, not for a gateway that stands next to its callers.
        ("grpc.enable_http_proxy", 0),
    ]
    if credentials is not None:
        return lambda: grpc.secure_channel(address, credentials, options=options)
    return lambda: grpc.insecure_channel(address, options=options)


def _metadata(
    credential: Credential | Bearer | None, further: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if isinstance(credential, SessionId):
        return (*further, (SESSION_HEADER, credential.value))
    return further if credential is None else (*further, ("authorization", credential.header))


def call_vcenter(options: VCenterOptions, credential: Credential, contract: Contract) -> Call:
    """Calls vCenter itself, with the gateway's translation but no gateway."""

    def call(binding: Binding, message: Message, timeout: float | None) -> Generator[Answer]:
        try:
            with BlockingVCenter(options, credential, contract) as vcenter:
                yield Answer(vcenter.call(binding, message, timeout))
        except GatewayError as error:
            hint = ""
            if error.failure.reason in _CHECKED:
                hint = f"`vcenter-gateway check --vcenter {options.url}` tells what is wrong"
            raise CallError(status_of(error.failure), contract, hint=hint) from None

    return call


def _from_rpc(error: Any, address: str, tls: Tls | None, contract: Contract) -> CallError:
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status()
    try:
        status.ParseFromString(metadata.get(_STATUS, b""))
    except DecodeError:
        status = status_pb2.Status()
    if not status.code:
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
        if metadata.get(_REQUEST_ID):
            status.details.add().Pack(error_details_pb2.RequestInfo(request_id=metadata[_REQUEST_ID]))
        elif status.code == code_pb2.UNAVAILABLE:
            # A gateway always says more than this: it was gRPC itself that found no way.
            return CallError(status, contract, reached=False, hint=_unreachable_hint(status.message, address, tls))
        elif status.code == code_pb2.UNIMPLEMENTED:
            hint = f"what listens on {address} is no gateway, or one that does not have this rpc"
            return CallError(status, contract, hint=hint)
    return CallError(status, contract)


def _unreachable_hint(message: str, address: str, tls: Tls | None) -> str:
    text = message.lower()
    if "refused" in text:
        return f"nothing listens on {address}: start a gateway, for instance with `vcenter-gateway serve --simulator`"
    if "certificate" in text or "ssl" in text or "handshake" in text:
        return (
            f"the gateway on {address} was reached, but its certificate is not trusted or it does not use TLS: "
            "give --ca FILE, or --plaintext"
        )
    if "dns" in text or "resol" in text:
        return f"the name in {address} is not known: check its spelling and the DNS"
    if "closed" in text or "reset" in text or "broken pipe" in text:
        if tls is None:
            why = "it may want TLS: give --tls"
        elif tls.cert is None:
            why = "it may ask for a client certificate: give --cert and --key; or it does not use TLS: give --plaintext"
        else:
            why = f"it may not accept the certificate in {tls.cert}: look whether it is valid, and who signed it"
        return f"what listens on {address} closed the connection: {why}"
    return ""
