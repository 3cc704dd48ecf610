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
        pytest.param({"tls-client-ca-file": "FILE"}, "client certificates require TLS", id="no-tls"),
        pytest.param(
            {**SERVICE, "auth-certificates": "a"}, "client certificates require a trusted authority", id="no-authority"
        ),
        pytest.param({**SERVICE, "auth-jwks-file": "FILE"}, "issuer and an audience", id="no-issuer"),
        pytest.param(
            {**SERVICE, "auth-jwks-file": "FILE", "auth-jwt-issuer": "i"}, "issuer and an audience", id="no-audience"
        ),
        pytest.param({"auth-tokens-file": "FILE"}, "requires --auth-mode service-account", id="tokens-in-passthrough"),
        pytest.param({"auth-user": "a"}, "requires --auth-mode service-account", id="user-in-passthrough"),
        pytest.param({**SERVICE, "listen": "0.0.0.0:1"}, "anyone who reaches this address", id="open-to-the-network"),
        pytest.param({**SERVICE, "listen": "[::]:1"}, "anyone who reaches this address", id="open-on-IPv6"),
        pytest.param({**SERVICE, "listen": "gateway:1"}, "anyone who reaches this address", id="open-by-name"),
        pytest.param({**SERVICE, "simulator": None, "vcenter": "https://vc"}, "a name and a password", id="no-account"),
        pytest.param({"auth-jwt-algorithms": "RS256,HS256"}, "HS256 is not allowed", id="shared-secret"),
        pytest.param({"auth-jwt-algorithms": "none"}, "none is not allowed", id="unsigned"),
        pytest.param({"auth-jwt-algorithms": ","}, "it is empty", id="no-algorithm"),
        pytest.param(
            {"auth-jwt-issuers": "[{kubernetes: true}]"},
            "requires --auth-mode service-account",
            id="issuer-in-passthrough",
        ),
        pytest.param({"auth-jwt-refresh-seconds": "59"}, "60 or more", id="too-often"),
        pytest.param({"auth-mode": "open"}, "expected passthrough or service-account", id="mode"),
        pytest.param({"auth-tokens-file": "/dev/zero"}, "it is not a regular file", id="device"),
        pytest.param({"log-audit-on-failure": "refuse"}, "give --log-audit-file", id="no-audit-file"),
        pytest.param({"log-audit-on-failure": "stop"}, "expected continue or refuse", id="on-failure"),
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


A = '{issuer: "https://a.example", audience: g, discovery: true'
B = '{issuer: "https://b.example", audience: g, discovery: true'


@pytest.mark.parametrize(
    ("issuers", "problem"),
    [
        pytest.param("x", "expected a list; in flags and variables as JSON or YAML", id="text"),
        pytest.param("[", "it is not valid YAML", id="broken"),
        pytest.param("[5]", "entry 1: expected keys and values", id="number"),
        pytest.param("[{}]", "entry 1: an issuer's keys come from one of discovery", id="nothing"),
        pytest.param(f"[{A}, kubernetes: true}}]", "entry 1: an issuer's keys come from one of", id="two-ways"),
        pytest.param(f"[{A}, audiance: x}}]", "which does not exist; did you mean audience?", id="misspelt"),
        pytest.param("[{issuer: a, discovery: true}]", "give both", id="no-audience"),
        pytest.param("[{audience: a, jwks_file: FILE}]", "give both", id="no-issuer"),
        pytest.param("[{issuer: a, audience: g, discovery: true}]", "it is not a URL", id="issuer-without-address"),
        pytest.param(
            '[{issuer: "http://a.example", audience: g, discovery: true}]',
            "keys are fetched over https only",
            id="plain",
        ),
        pytest.param(
            '[{issuer: a, audience: g, jwks_url: "https://u:secret@a.example"}]',
            "must not contain a user name",
            id="user",
        ),
        pytest.param(
            '[{issuer: a, audience: g, jwks_url: "https://a", discovery_url: "https://a"}]',
            "requires discovery",
            id="url",
        ),
        pytest.param(
            "[{issuer: a, audience: g, jwks_file: FILE, ca_file: FILE}]",
            "apply only to fetched keys",
            id="ca-of-file",
        ),
        pytest.param(f"[{A}, algorithms: [HS256]}}]", "entry 1, algorithms: ['HS256'] is not valid (HS256", id="hmac"),
        pytest.param(f"[{A}}}, {A}, identity_prefix: b}}]", "two issuers of JWTs have the same name", id="twice"),
        pytest.param(f"[{A}}}, {B}}}]", "give each another identity_prefix", id="same-names"),
        pytest.param(
            "[{kubernetes: true}, {kubernetes: true, identity_prefix: b}]", "runs in one cluster", id="two-clusters"
        ),
        pytest.param(
            f'[{A}, identity_prefix: "system:serviceaccount:"}}, {{kubernetes: true}}]',
            "give each another identity_prefix",
            id="names-of-a-cluster",
        ),
    ],
)
def test_refused_issuers(file: str, issuers: str, problem: str) -> None:
    """A wrong issuer is named by its place in the list, and what is wrong with it is one sentence."""
    [found] = problems({"simulator": True, **SERVICE, "auth-jwt-issuers": issuers.replace("FILE", file)})
    assert problem in found
    assert "secret" not in found


def test_a_single_issuer_is_one_of_several(file: str) -> None:
    """The settings of a single issuer with a file are an entry like the others, and are checked with them."""
    single = {"auth-jwks-file": file, "auth-jwt-issuer": "https://a.example", "auth-jwt-audience": "g"}
    given = {"simulator": True, **SERVICE, **single}
    settings = load_settings({**given, "auth-jwt-issuers": f"[{B}, identity_prefix: b}}]"}, {})
    assert [issuer.issuer for issuer in settings.auth.issuers] == ["https://a.example", "https://b.example"]
    assert settings.auth.issuers[0].jwks_file == file
    for issuers, problem in ((f"[{A}}}]", "the same name"), (f"[{B}}}]", "another identity_prefix")):
        [found, *_] = problems({**given, "auth-jwt-issuers": issuers})
        assert problem in found
