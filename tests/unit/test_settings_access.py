"""Settings about callers and TLS: what is refused at the start, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.configuration import SettingsError, load_settings

SERVICE = {"auth-mode": "service-account"}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file that can be read; what is in it is not looked at here."""
    path = tmp_path / "file"
    path.write_text("x")
    return str(path)


def problems(flags: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, {})
    return caught.value.problems


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        pytest.param({"tls-cert-file": "FILE"}, "a certificate and its key belong together", id="no-key"),
        pytest.param({"tls-key-file": "FILE"}, "a certificate and its key belong together", id="no-certificate"),
        pytest.param({"tls-client-ca-file": "FILE"}, "callers show certificates over TLS only", id="no-tls"),
        pytest.param(
            {**SERVICE, "auth-certificates": "a"}, "names in certificates need authorities", id="no-authority"
        ),
        pytest.param({**SERVICE, "auth-jwks-file": "FILE"}, "issuer and its audience", id="no-issuer"),
        pytest.param(
            {**SERVICE, "auth-jwks-file": "FILE", "auth-jwt-issuer": "i"}, "issuer and its audience", id="no-audience"
        ),
        pytest.param(
            {"auth-tokens-file": "FILE"}, "this needs --auth-mode service-account", id="tokens-in-passthrough"
        ),
        pytest.param({"auth-user": "a"}, "this needs --auth-mode service-account", id="user-in-passthrough"),
        pytest.param({**SERVICE, "listen": "0.0.0.0:1"}, "anybody who reaches this address", id="open-to-the-network"),
        pytest.param({**SERVICE, "listen": "[::]:1"}, "anybody who reaches this address", id="open-on-IPv6"),
        pytest.param({**SERVICE, "listen": "gateway:1"}, "anybody who reaches this address", id="open-by-name"),
        pytest.param({**SERVICE, "simulator": None, "vcenter": "https://vc"}, "a name and a password", id="no-account"),
        pytest.param({"auth-jwt-algorithms": "RS256,HS256"}, "HS256 is not allowed", id="shared-secret"),
        pytest.param({"auth-jwt-algorithms": "none"}, "none is not allowed", id="unsigned"),
        pytest.param({"auth-jwt-algorithms": ","}, "it is empty", id="no-algorithm"),
        pytest.param({"auth-mode": "open"}, "it takes passthrough or service-account", id="mode"),
        pytest.param({"auth-tokens-file": "/dev/zero"}, "it is not a regular file", id="device"),
        pytest.param({"log-audit-on-failure": "refuse"}, "give --log-audit-file", id="no-audit-file"),
        pytest.param({"log-audit-on-failure": "stop"}, "it takes continue or refuse", id="on-failure"),
        pytest.param({"auth-policy-file": "/nonexistent"}, "cannot be read: No such file", id="no-file"),
    ],
)
def test_refused(file: str, flags: dict[str, Any], problem: str) -> None:
    """What contradicts itself, or would leave the gateway open, stops the start with one sentence."""
    given = {"simulator": True, **flags}
    [found] = problems({name: file if value == "FILE" else value for name, value in given.items()})
    assert problem in found


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"listen": "127.0.0.1:1"}, id="loopback"),
        pytest.param({"listen": "[::1]:1"}, id="loopback-IPv6"),
        pytest.param({"listen": "localhost:1"}, id="loopback-by-name"),
        pytest.param({"listen": "0.0.0.0:1", "auth-tokens-file": "FILE"}, id="tokens"),
        pytest.param(
            {"listen": "0.0.0.0:1", "auth-jwks-file": "FILE", "auth-jwt-issuer": "i", "auth-jwt-audience": "a"},
            id="jwt",
        ),
        pytest.param(
            {
                "listen": "0.0.0.0:1",
                "auth-certificates": "a, b",
                "tls-cert-file": "FILE",
                "tls-key-file": "FILE",
                "tls-client-ca-file": "FILE",
            },
            id="certificates",
        ),
        pytest.param({"listen": "0.0.0.0:1", "auth-allow-anyone": True}, id="switched-off-aloud"),
    ],
)
def test_service_account(file: str, flags: dict[str, Any]) -> None:
    """A gateway with a service account starts where no other machine reaches it, or where callers are known."""
    given = {"simulator": True, **SERVICE, **flags}
    settings = load_settings({name: file if value == "FILE" else value for name, value in given.items()}, {})
    assert settings.auth.mode == "service-account"
    assert not settings.anonymous_allowed


def test_lists(tmp_path: Path) -> None:
    """Several names are one text with commas in flags and variables, and a list in the file."""
    path = tmp_path / "gateway.yaml"
    path.write_text("simulator: {enabled: true}\nauth: {jwt_algorithms: [RS256, EdDSA]}")
    assert load_settings({"config": str(path)}, {}).auth.jwt_algorithms == ("RS256", "EdDSA")
    variables = {"GATEWAY_SIMULATOR": "true", "GATEWAY_AUTH_JWT_ALGORITHMS": "ES256 , PS512,"}
    assert load_settings({}, variables).auth.jwt_algorithms == ("ES256", "PS512")
