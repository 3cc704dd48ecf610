"""The steps of `check` for a running gateway: from resolving its name to a list of virtual machines."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from gateway.cli.failure import CallError
from gateway.cli.output import Exit
from gateway.cli.parameter_types import host_and_port
from gateway.cli.place import Place
from gateway.cli.steps import StepError, addresses_of
from gateway.cli.target import Connection
from gateway.contract import Contract

__all__ = ["GatewaySteps"]

_SECONDS = 15.0
_GET_GATEWAY, _LIST = "vcenter.gateway.v1.GatewayService/GetGateway", "vcenter.v1.VmService/ListVms"


class GatewaySteps:
    """The steps for one gateway, in their order. Each returns what it found; raises StepError."""

    def __init__(self, place: Place, contract: Contract) -> None:
        self._place, self._contract = place, contract
        self._host, self._port = host_and_port("--target", place.target)
        self._stack = contextlib.ExitStack()
        self._connection: Connection | None = None

    def close(self) -> None:
        self._stack.close()

    def dns(self) -> str:
        return f"{self._host} is {', '.join(addresses_of(self._host, self._port, '--target'))}"

    def tcp(self) -> str:
        try:
            socket.create_connection((self._host, self._port), _SECONDS).close()
        except OSError as error:
            raise StepError(
                f"port {self._port} of {self._host} does not accept connections: {error.strerror or error}",
                "Check that the gateway runs and listens on this address, and that no firewall is between.",
                Exit.UNREACHABLE,
            ) from None
        return f"port {self._port} of {self._host} accepts connections"

    def gateway(self) -> str:
        """Checks what does not need vCenter's machines: whether a gateway responds, over TLS or in plain text, and whom
        it identifies as the caller."""
        tls = self._place.tls()
        self._connection = self._stack.enter_context(self._place.opened())
        response = self._ask(_GET_GATEWAY)
        how = "in plain text" if tls is None else "over TLS"
        return f"vcenter-gateway {response.gateway.version} answers {how}"

    def vcenter(self) -> str:
        """What the gateway reports about its vCenter."""
        info = self._ask(_GET_GATEWAY).gateway
        if info.vcenter.problem:
            raise StepError(
                f"the gateway does not know its vCenter's version: {info.vcenter.problem}",
                "Run `vcenter-gateway check --vcenter URL` where the gateway runs.",
            )
        missing = [
            feature.name + (f" ({feature.explanation})" if feature.explanation else "")
            for feature in info.features
            if not feature.available
        ]
        lacks = f"; not available to this caller: {', '.join(missing)}" if missing else ""
        return f"vCenter's API is {info.vcenter.api_version}{lacks}"

    def list(self) -> str:
        return f"{len(self._ask(_LIST).vms)} virtual machines are visible"

    def _ask(self, rpc: str) -> Any:
        assert self._connection is not None  # noqa: S101 - the first step that asks has opened it
        method = self._contract.methods[rpc]
        request = self._contract.message_class(method.input_type)()
        try:
            return next(iter(self._connection(method, [request], _SECONDS))).message
        except CallError as error:
            reason = next(error.lines())
            advice = error.hint or _ADVICE.get(error.code, "See the message.")
            raise StepError(f"{reason}: {error.status.message}", advice, error.exit) from None


_ADVICE = {
    "UNAUTHENTICATED": "Give --user NAME, --token-file FILE, or --cert and --key, as the gateway wants it.",
    "PERMISSION_DENIED": "The gateway's policy or vCenter does not allow it to this caller.",
    "UNAVAILABLE": "The gateway answers, and its vCenter does not: run `vcenter-gateway check` where the gateway runs.",
    "DEADLINE_EXCEEDED": "Look at the load of the gateway and of its vCenter.",
}
