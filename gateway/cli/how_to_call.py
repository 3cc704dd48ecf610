"""What a person who has just started a gateway wants to type next."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gateway import __version__
from gateway.settings import Settings, is_loopback, split_address

__all__ = ["how_to_call"]

_NAME = "vcenter-gateway"
_DEFAULT_PORT = 50051
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognized, not used


def how_to_call(settings: Settings, port: int) -> list[str]:
    """The lines of a gateway that has just started: what it serves, and what to type to call it."""
    host = split_address(settings.server.listen)[0]
    host = _WILDCARDS.get(host, host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    target = "" if (host, port) == ("127.0.0.1", _DEFAULT_PORT) else f" --target {address}"
    vcenter = settings.vcenter.url or f"the embedded vCenter with {settings.simulator.vms} virtual machines"
    lines = [
        f"vcenter-gateway {__version__} serves {vcenter} on {address}. From another shell:",
        f"  {_command()} call{target}{_options(settings, host)} vcenter.v1.VmService/ListVms '{{}}'",
    ]
    if settings.server.reflection:
        tls = settings.tls
        transport = " -cacert CA.pem" if tls.cert_file else " -plaintext"
        own = " -cert CERT.pem -key KEY.pem" if tls.client_ca_file else ""
        lines.append(f"  grpcurl{transport}{own} {address} list")
    return lines


def _options(settings: Settings, host: str) -> str:
    """The options that `call` needs for this gateway, with names in capitals for what only the caller has."""
    tls, auth = settings.tls, settings.auth
    options = ""
    if tls.cert_file:
        options += " --ca CA.pem"
    elif not is_loopback(host):
        options += " --plaintext"
    if tls.client_ca_file:
        options += " --cert CERT.pem --key KEY.pem"
    if auth.mode == "passthrough":
        options += "" if settings.anonymous_allowed else " --user USER"
    elif (auth.tokens_file or auth.jwks_file) and not auth.certificates:
        options += " --token-file TOKEN"
    return options


def _command() -> str:
    """The name of this command as it can be typed: short where the shell finds it, else as it was typed now."""
    typed = sys.argv[0]
    found = shutil.which(_NAME)
    if Path(typed).name != _NAME or (found and Path(found).samefile(typed)):
        return _NAME
    return typed
