"""What `serve` says should be typed fits its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.serve import how_to_call
from gateway.settings import Settings

TLS = {"cert_file": __file__, "key_file": __file__}
ACCOUNT = {"mode": "service-account", "user": "u", "password_file": __file__}
VCENTER = {"url": "https://vcenter.example.com"}
CERTIFICATE = " --cert CERT.pem --key KEY.pem"


@pytest.mark.parametrize(
    ("settings", "call", "grpcurl"),
    [
        pytest.param({"simulator": {"enabled": True}}, "", "-plaintext 127.0.0.1:50051", id="simulator"),
        pytest.param({"vcenter": VCENTER}, " --user USER", "-plaintext 127.0.0.1:50051", id="passthrough"),
        pytest.param(
            {"vcenter": VCENTER, "server": {"listen": "192.0.2.1:50051"}},
            " --target 192.0.2.1:50051 --plaintext --user USER",
            "-plaintext 192.0.2.1:50051",
            id="plain-text-to-other-machines",
        ),
        pytest.param(
            {"vcenter": VCENTER, "server": {"listen": "[::]:50052"}, "tls": TLS},
            " --target [::1]:50052 --ca CA.pem --user USER",
            "-cacert CA.pem [::1]:50052",
            id="tls",
        ),
        pytest.param(
            {"vcenter": VCENTER, "auth": {**ACCOUNT, "tokens_file": __file__}},
            " --token-file TOKEN",
            "-plaintext 127.0.0.1:50051",
            id="tokens",
        ),
        pytest.param(
            {"vcenter": VCENTER, "tls": {**TLS, "client_ca_file": __file__}, "auth": {**ACCOUNT, "certificates": "*"}},
            f" --ca CA.pem{CERTIFICATE}",
            "-cacert CA.pem -cert CERT.pem -key KEY.pem 127.0.0.1:50051",
            id="certificates",
        ),
        pytest.param({"vcenter": VCENTER, "auth": ACCOUNT}, "", "-plaintext 127.0.0.1:50051", id="local-account"),
    ],
)
def test_how_to_call(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], call: str, grpcurl: str) -> None:
    """Both commands have the address, the kind of connection and the identity that this gateway asks for."""
    monkeypatch.setattr("sys.argv", [str(Path("elsewhere") / "pytest")])
    parsed = Settings.model_validate(settings)
    port = int(parsed.server.listen.rpartition(":")[2])
    _, *lines = how_to_call(parsed, port)
    assert lines == [
        f"  vcenter-gateway call{call} vcenter.v1.VmService/ListVms '{{}}'",
        f"  grpcurl {grpcurl} list",
    ]


def test_without_reflection() -> None:
    """grpcurl is not mentioned where it cannot find the services."""
    settings = Settings.model_validate({"simulator": {"enabled": True}, "server": {"reflection": False}})
    assert not any("grpcurl" in line for line in how_to_call(settings, 50051))
