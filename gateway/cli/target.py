"""A connection to a gateway: calls of every kind over one channel. Failures are raised as `CallError`."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway import USER_AGENT
from gateway.address import is_loopback
from gateway.calls.credential import SESSION_HEADER, Credential, SessionId
from gateway.cli.credentials import Bearer
from gateway.cli.failure import CallError
from gateway.cli.parameter_types import host_and_port
from gateway.cli.user_files import explained
from gateway.contract import Contract, Method, Streaming

__all__ = ["Answer", "Connection", "Tls", "check_authorities", "connected"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A result of a call: one response, or a message of a stream."""

    message: Any
    """None at the end of a stream."""
    metadata: tuple[tuple[str, str], ...] = ()
    """The gateway's metadata: the request id, the age of a shared read."""
    request: Any = None
    """The request of a unary call; None for a stream, and for the task that a call has started."""


class Connection(Protocol):
    """Calls a gateway or a vCenter, sequentially or concurrently."""

    def __call__(self, method: Method, requests: Iterable[Message], timeout: float | None = None) -> Generator[Answer]:
        """Makes one call within `timeout` seconds, None for no limit. Closing the iterator cancels the call.

        `requests` contains one message unless the rpc streams its requests. Raises CallError.
        """


_STATUS = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS to a gateway: the trusted authorities and the client certificate. Raises click.UsageError for unusable
    files."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise click.UsageError("--cert and --key belong together")
        # For files that it cannot use, gRPC would only report that there is no connection.
        if self.ca:
            check_authorities(str(self.ca))
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
        """TLS for the gateway at `target`, None for plain text, which is the default for loopback addresses; `wanted`
        overrides it. Raises click.UsageError."""
        host, _ = host_and_port("--target", target)
        given = any((ca, cert, key))
        if wanted is None:
            wanted = given or not is_loopback(host)
        if not wanted and given:
            raise click.UsageError("--ca, --cert and --key need TLS; leave out --plaintext")
        return cls(ca, cert, key) if wanted else None


def check_authorities(path: str) -> None:
    """Raises click.UsageError for an unusable file of authorities."""
    with explained(path, "read"):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:  # An OSError too.
            raise click.UsageError(f"{path} holds no certificate in PEM form") from None


@contextlib.contextmanager
def connected(
    address: str,
    tls: Tls | None,
    caller: Credential | Bearer | None,
    contract: Contract,
    further: tuple[tuple[str, str], ...] = (),
) -> Iterator[Connection]:
    """A connection to the gateway at `address`, in plain text without `tls`, with `further` metadata in each call."""
    metadata = _metadata(caller, further)
    with _channel(address, tls) as channel:

        def call(method: Method, requests: Iterable[Message], timeout: float | None = None) -> Generator[Answer]:
            rpc = _stub(channel, method, contract)
            try:
                if method.streaming is Streaming.UNARY:
                    (request,) = requests
                    response, ended = rpc.with_call(request, timeout=timeout, metadata=metadata)
                    yield Answer(response, (*_texts(ended.initial_metadata()), *_texts(ended.trailing_metadata())))
                else:
                    sent: Any = iter(requests) if method.streams_requests else next(iter(requests))
                    yield from _messages(rpc(sent, timeout=timeout, metadata=metadata))
            except grpc.RpcError as error:
                raise _from_rpc(error, method, address, tls, contract) from None

        yield call


def _stub(channel: Any, method: Method, contract: Contract) -> Any:
    if method.streaming is Streaming.UNARY:
        make = channel.unary_unary
    else:
        # On the wire, a single response is a stream of one.
        make = channel.stream_stream if method.streams_requests else channel.unary_stream
    return make(
        f"/{method.full_name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=contract.message_class(method.output_type).FromString,
    )


def _messages(stream: Any) -> Generator[Answer]:
    try:
        said = _texts(stream.initial_metadata())
        for response in stream:
            yield Answer(response, said)
            said = ()
        yield Answer(None, (*said, *_texts(stream.trailing_metadata())))
    finally:
        stream.cancel()


def _texts(metadata: Iterable[tuple[str, str | bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in metadata if isinstance(value, str))


def _channel(address: str, tls: Tls | None) -> Any:
    options = [
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_metadata_size", 64 * 1024),
        # The environment's proxy is for the web, not for a gateway that runs next to its callers.
        ("grpc.enable_http_proxy", 0),
    ]
    if tls is not None:
        return grpc.secure_channel(address, tls.credentials(), options=options)
    return grpc.insecure_channel(address, options=options)


def _metadata(
    credential: Credential | Bearer | None, further: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if isinstance(credential, SessionId):
        return (*further, (SESSION_HEADER, credential.value))
    return further if credential is None else (*further, ("authorization", credential.header))


def _from_rpc(error: Any, method: Method, address: str, tls: Tls | None, contract: Contract) -> CallError:
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
            # A gateway's errors always carry more: this one is gRPC's own, which could not connect.
            return CallError(status, contract, reached=False, hint=_unreachable_hint(status.message, address, tls))
        elif status.code == code_pb2.UNIMPLEMENTED:
            hint = f"what listens on {address} is no gateway, or one that does not have this rpc"
            return CallError(status, contract, hint=hint)
        elif status.code == code_pb2.DEADLINE_EXCEEDED:
            # The deadline expired on the client; the gateway's response was not awaited.
            maybe = "" if method.is_read_only else "; the call may have been executed: look at the state first"
            return CallError(status, contract, hint=f"--deadline SECONDS allows more time{maybe}")
    return CallError(status, contract)


def _unreachable_hint(message: str, address: str, tls: Tls | None) -> str:
    text = message.lower()
    if "http/2" in text or "http1.x" in text:
        return (
            f"what listens on {address} speaks HTTP but not gRPC: give the address of a gateway, or call a vCenter "
            "itself with --vcenter URL"
        )
    if "refused" in text:
        return f"nothing listens on {address}: start a gateway, for example with `vcenter-gateway serve --simulator`"
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
