"""Secrets that change are in use without a restart and without a failed call."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.cluster.cluster import Object, eventually
from tests.cluster.running.calling import BASIC, calling
from tests.cluster.running.release import NAME, Running, restarts, wait
from tests.integration.certificates import Authority, Pair

pytestmark = pytest.mark.timeout(300)


def tls_secret(name: str, pair: Pair, authority: Authority) -> Object:
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.certificate}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": encoded}


def issue(authority: Authority, running: Running) -> Pair:
    names = [f"{service}.{running.namespace}.svc.cluster.local" for service in (NAME, f"{NAME}-headless")]
    return authority.issue("gateway", names=[*names, f"{NAME}.{running.namespace}.svc"])


def test_a_certificate(running: Running, tmp_path: Path) -> None:
    """New connections get the new certificate within the time that a secret takes to reach the pods."""
    authority = Authority()
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.certificate)
    first, second = issue(authority, running), issue(authority, running)
    running.cluster.create("Secret", running.namespace, tls_secret("certificate", first, authority))
    running.install(
        running.values({"max_connection_age_seconds": 10}, tls={"enabled": True, "existingSecret": "certificate"})
    )
    pods = running.ready(2)
    addresses = [pod["status"]["podIP"] for pod in pods]
    assert {serial(address) for address in addresses} == {serial_of(first)}
    with calling(running.headless, BASIC, ca=ca) as seen:
        change = {"data": tls_secret("certificate", second, authority)["data"]}
        running.cluster.patch("Secret", running.namespace, "certificate", change)
        eventually(
            lambda: {serial(address) for address in addresses} == {serial_of(second)}, "all serve the new one", 150
        )
        wait(12)
    assert seen.failures == []
    assert seen.calls > 500
    assert [restarts(pod) for pod in running.ready(2)] == [0, 0]


def serial(address: str) -> int:
    """That of the certificate at an address."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((address, 50051)).encode()).serial_number


def serial_of(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate).serial_number


def test_tokens(running: Running) -> None:
    """A new token is accepted, and one that is withdrawn is not, while other callers call."""
    password = {"metadata": {"name": "vcenter"}, "stringData": {"password": "VMware1!"}}
    running.cluster.create("Secret", running.namespace, password)
    running.cluster.create(
        "Secret", running.namespace, {"metadata": {"name": "callers"}, "stringData": tokens("stays")}
    )
    values = running.values(
        secrets={"vcenterPassword": {"existingSecret": "vcenter"}, "tokens": {"existingSecret": "callers"}}
    )
    values["config"]["auth"] = {"mode": "service-account", "user": "administrator@vsphere.local"}
    running.install(values)
    with calling(running.headless, bearer("stays")) as seen:
        running.cluster.patch("Secret", running.namespace, "callers", {"stringData": tokens("stays", "comes")})
        eventually(lambda: accepted(running, "comes"), "the new token is accepted by all pods", 150)
        running.cluster.patch("Secret", running.namespace, "callers", {"stringData": tokens("stays")})
        eventually(lambda: not accepted(running, "comes"), "the token is refused again", 150)
    assert seen.failures == []
    assert [restarts(pod) for pod in running.ready(2)] == [0, 0]


def tokens(*names: str) -> Object:
    entries = [{"identity": name, "sha256": hashlib.sha256(token(name).encode()).hexdigest()} for name in names]
    return {"tokens.yaml": json.dumps({"tokens": entries})}


def token(name: str) -> str:
    return f"the-token-of-{name}-" + "x" * 20


def bearer(name: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {token(name)}")


def accepted(running: Running, name: str) -> bool:
    """Whether every pod accepts a token."""
    return all(code == "OK" for code in running.codes(bearer(name)))


def test_every_line_of_the_log_is_json(running: Running) -> None:
    """From the first one on, since a collector reads both outputs of the container."""
    running.install(running.values(replicaCount=1))
    [pod] = running.ready(1)
    assert set(running.codes(BASIC)) == {"OK"}
    lines = running.logs(pod)
    assert len(lines) >= 2
    assert all(isinstance(json.loads(line), dict) for line in lines)
