"""What Helm tells after the installation: addresses, sessions against vCenter's caps, and what is not safe."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.helm.chart import VCENTER, notes


def values(more: dict[str, Any] | None = None, **server: Any) -> dict[str, Any]:
    """Values for a vCenter, with settings of the section `server` and further values."""
    found = deepcopy(VCENTER)
    found["config"]["server"] = server
    return found | (more or {})


SESSIONS: list[tuple[str, dict[str, Any], tuple[int, int, int, int]]] = [
    ("defaults", values(), (3, 1, 3, 30)),
    ("workers", values({"replicaCount": 4}, workers=2), (5, 2, 10, 100)),
    ("at most", values({"autoscaling": {"enabled": True, "maxReplicas": 20}}), (21, 1, 21, 210)),
    (
        "surge in percent",
        values({"replicaCount": 10, "updateStrategy": {"rollingUpdate": {"maxSurge": "25%"}}}),
        (13, 1, 13, 130),
    ),
    ("the simulator", {"simulator": {"enabled": True}}, (2, 1, 2, 20)),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in SESSIONS], ids=[row[0] for row in SESSIONS])
def test_sessions_are_added_up(given: dict[str, Any], expected: tuple[int, int, int, int]) -> None:
    """Pods, those of a rolling update included, times workers times identities, beside what vCenter allows."""
    pods, workers, each, everything = expected
    text = notes(given)
    assert f"{pods} pods (including those of a rolling update) x {workers} workers" in text
    assert f"= {each} for each user; vCenter allows 550" in text
    assert f"x 10 identities = {everything} in total; vCenter allows 1000" in text
    assert "more sessions" not in text


def test_a_service_account_is_one_identity() -> None:
    """However many callers there are."""
    given = values({"secrets": {"vcenterPassword": {"value": "a"}, "tokens": {"value": "tokens: []"}}})
    given["config"]["auth"] = {"mode": "service-account", "user": "gateway@vsphere.local"}
    assert "x 1 identities = 3 in total; vCenter allows 1000" in notes(given)


def test_too_many_sessions() -> None:
    """More than vCenter allows is said, and 8.0 U3 allows three times as many."""
    many: dict[str, Any] = {"replicaCount": 99, "sizing": {"identities": 20}}
    assert "these are more sessions than vCenter allows" in notes(values(many))
    many["sizing"] = {"identities": 20, "sessionsInAll": 3000}
    assert "more sessions" not in notes(values(many))
    assert "needs more sessions than vCenter allows" in notes(values({"replicaCount": 300}, workers=2))


def test_what_is_not_safe_is_said() -> None:
    """TLS that is off, certificates that are not checked, and calls that would fail."""
    text = notes(values())
    assert "without TLS" in text
    assert "settle" not in text
    unsafe = values(settle_seconds=0)
    unsafe["config"]["vcenter"]["verify"] = False
    text = notes(unsafe)
    assert "does not verify vCenter's certificate" in text
    assert "calls fail whenever a pod stops" in text
    assert "without TLS" not in notes(values({"tls": {"enabled": True, "existingSecret": "a"}}))
    unsafe["config"]["vcenter"]["url"] = "http://vcenter.example.com"
    assert "the gateway calls vCenter without TLS" in notes(unsafe)


def test_addresses() -> None:
    """Both, and a first call."""
    text = notes({"simulator": {"enabled": True}})
    assert "dns:///gw-vcenter-gateway-headless.apps:50051" in text
    assert "gw-vcenter-gateway.apps:50051" in text
    assert "port-forward service/gw-vcenter-gateway 50051:50051" in text
    assert "helm --namespace apps test gw" in text
    without = notes(values({"headlessService": {"enabled": False}}))
    assert "headless" not in without
    assert "Address for clients: gw-vcenter-gateway.apps:50051" in without


TOKENS = {"vcenterPassword": {"existingSecret": "a"}, "tokens": {"existingSecret": "b"}}
TLS = {"enabled": True, "existingSecret": "c"}
GRPCURL = "grpcurl -servername gw-vcenter-gateway.apps -cacert ca.crt"
FIRST_CALLS: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("the simulator", {"simulator": {"enabled": True}}, None, "call --user administrator@vsphere.local ListVms"),
    ("a vCenter", values(), None, "vcenter-gateway call --user USER ListVms"),
    ("a token", values({"secrets": TOKENS}), "service-account", "vcenter-gateway call --token-file FILE ListVms"),
    ("TLS", values({"tls": TLS}), None, f'{GRPCURL} -H "authorization: Basic $(printf %s USER:PASSWORD | base64)"'),
    (
        "TLS and a token",
        values({"tls": TLS, "secrets": TOKENS}),
        "service-account",
        f'{GRPCURL} -H "authorization: Bearer TOKEN"',
    ),
]


@pytest.mark.parametrize(
    ("given", "mode", "expected"), [row[1:] for row in FIRST_CALLS], ids=[row[0] for row in FIRST_CALLS]
)
def test_first_call(given: dict[str, Any], mode: str | None, expected: str) -> None:
    """It is made as this gateway takes it: with TLS or without, and as who its callers are."""
    if mode:
        given["config"]["auth"] = {"mode": mode, "user": "gateway@vsphere.local"}
    assert expected in notes(given)


def test_a_test_that_is_not_there() -> None:
    """Where callers must show a certificate and the test has none, nothing says to run it."""
    assert "helm --namespace" not in notes(values({"tls": TLS, "secrets": {"clientCa": {"existingSecret": "a"}}}))
