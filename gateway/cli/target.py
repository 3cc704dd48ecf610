"""Makes one call: to a gateway over gRPC, or straight to a vCenter. Failures of either leave as `CallError`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.cli.failure import CallError
from gateway.contract import Contract
from gateway.errors import GatewayError, status_of
from gateway.transcoding import Binding
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.credential import SESSION_HEADER, Credential, SessionId
from gateway.vcenter.options import USER_AGENT, VCenterOptions

__all__ = ["Answer", "Bearer", "Call", "call_gateway", "call_vcenter"]


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token by which a caller proves to a gateway who they are."""

    token: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of the metadata field `authorization`."""
        return f"Bearer {self.token}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call that succeeded brought."""

    message: Message
    metadata: tuple[tuple[str, str], ...] = ()
    """What the gateway says beside it: the request id, the age of a shared read."""


Call = Callable[[Binding, Message, float], Answer]
"""Makes one call within so many seconds. Raises CallError."""

_STATUS = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"


def call_gateway(
    address: str,
    credentials: grpc.ChannelCredentials | None,
    identity: Credential | Bearer | None,
    contract: Contract,
    further: tuple[tuple[str, str], ...] = (),
) -> Call:
    """Calls through the gateway at `address`, in plain text without `credentials`, with `further` metadata."""
    options = [
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_metadata_size", 64 * 1024),
        # A proxy of the environment is for the web, not for a gateway that stands next to its callers.
        ("grpc.enable_http_proxy", 0),
    ]
    metadata = further
    if isinstance(identity, SessionId):
        metadata += ((SESSION_HEADER, identity.value),)
    elif identity is not None:
        metadata += (("authorization", identity.header),)

    def call(binding: Binding, message: Message, timeout: float) -> Answer:
        with (
            grpc.secure_channel(address, credentials, options=options)
            if credentials is not None
            else grpc.insecure_channel(address, options=options)
        ) as channel:
            rpc: Any = channel.unary_unary(
                f"/{binding.method.full_name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=binding.response_class.FromString,
            )
            try:
                response, ended = rpc.with_call(message, timeout=timeout, metadata=metadata)
            except grpc.RpcError as error:
                raise _from_rpc(error, address, credentials is not None, contract) from None
            said = [*ended.initial_metadata(), *ended.trailing_metadata()]
        return Answer(response, tuple((name, value) for name, value in said if isinstance(value, str)))

    return call


def call_vcenter(options: VCenterOptions, identity: Credential, contract: Contract) -> Call:
    """Calls vCenter itself, with the gateway's translation but no gateway."""

    def call(binding: Binding, message: Message, timeout: float) -> Answer:
        try:
            with BlockingVCenter(options, identity, contract) as vcenter:
                return Answer(vcenter.call(binding, message, timeout))
        except GatewayError as error:
            raise CallError(status_of(error.failure), contract) from None

    return call


def _from_rpc(error: Any, address: str, is_tls: bool, contract: Contract) -> CallError:
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
            return CallError(status, contract, reached=False, hint=_unreachable_hint(status.message, address, is_tls))
        elif status.code == code_pb2.UNIMPLEMENTED:
            hint = f"what listens on {address} is no gateway, or one that does not have this rpc"
            return CallError(status, contract, hint=hint)
    return CallError(status, contract)


def _unreachable_hint(message: str, address: str, is_tls: bool) -> str:
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
    if not is_tls and ("closed" in text or "reset" in text):
        return f"what listens on {address} closed the connection: it may want TLS (--tls)"
    return ""
