"""Pods prove who they are by the token of their ServiceAccount, and a policy says what each may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.cluster.cluster import Object, eventually
from tests.cluster.control_plane import api_server_flags, new_signer, wait_until_ready
from tests.cluster.running.calling import call, calling
from tests.cluster.running.release import NAME, Running, restarts, wait

pytestmark = pytest.mark.timeout(400)
AUDIENCE = "vcenter-gateway"
_RPCS = [
    "vcenter.v1.VmService/ListVms",
    "vcenter.vm.hardware.v1.CpuService/GetCpu",
    "vcenter.vm.console.v1.TicketsService/CreateTicket",
]


def install(running: Running, pods: int, **more: Any) -> list[Object]:
    """A gateway whose callers are ServiceAccounts, of which its policy names `ci`; and its pods."""
    running.cluster.create(
        "Secret", running.namespace, {"metadata": {"name": "vcenter"}, "stringData": {"password": "VMware1!"}}
    )
    for name in ("ci", "other"):
        running.cluster.create("ServiceAccount", running.namespace, {"metadata": {"name": name}})
    values = running.values(
        replicaCount=pods,
        auth={"kubernetes": {"enabled": True}},
        secrets={"vcenterPassword": {"existingSecret": "vcenter"}},
        policy=[{"identities": [f"system:serviceaccount:{running.namespace}:ci"], "rpcs": _RPCS}],
        **more,
    )
    values["config"]["auth"] = {"mode": "service-account", "user": "administrator@vsphere.local"}
    running.install(values)
    return running.ready(pods)


def test_callers_are_service_accounts(running: Running) -> None:
    """One that the policy names lists machines; another one, a token for another audience, and none are refused. What
    the gateway takes for it is a token of its own: no role, and no key that somebody copied."""
    [pod] = install(running, 1)
    target = f"{pod['status']['podIP']}:50051"
    assert call(target, bearer(running, "ci")) == ("OK", 20), running.logs(pod)
    assert call(target, bearer(running, "other"))[0] == "PERMISSION_DENIED"
    assert call(target, bearer(running, "ci", "elsewhere"))[0] == "UNAUTHENTICATED"
    assert call(target, bearer(running, "ci", "https://kubernetes.default.svc"))[0] == "UNAUTHENTICATED"
    assert call(target)[0] == "UNAUTHENTICATED"


@pytest.mark.parametrize(("account", "succeeds"), [("ci", True), ("other", False)])
def test_helm_test_as_a_service_account(running: Running, account: str, succeeds: bool) -> None:
    """The test's pod calls with the token of a ServiceAccount, and fails if the policy does not name that one."""
    install(running, 1, tests={"serviceAccountName": account})
    result = running.helm.run("test", "gw", "--namespace", running.namespace, "--logs", "--timeout", "60s")
    assert (result.code == 0) == succeeds, result.words
    assert ("vm-1001" if succeeds else "PERMISSION_DENIED") in result.words


def test_a_pod_calls(running: Running) -> None:
    """A pod whose token the kubelet projects makes a call, as docs/operate/kubernetes.md shows it."""
    install(running, 1)
    arguments = ["call", "--plaintext", "--target", running.address, "--token-file", "/var/run/gateway/token"]
    source = {"serviceAccountToken": {"audience": AUDIENCE, "path": "token", "expirationSeconds": 3600}}
    container = {
        "name": "caller",
        "image": "localhost/vcenter-gateway:test",
        "imagePullPolicy": "Never",
        "args": [*arguments, "vcenter.v1.VmService/ListVms"],
        "volumeMounts": [{"name": "gateway-token", "mountPath": "/var/run/gateway", "readOnly": True}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "serviceAccountName": "ci",
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "gateway-token", "projected": {"sources": [source]}}],
    }
    running.cluster.create("Pod", running.namespace, {"metadata": {"name": "caller"}, "spec": spec})

    def ended() -> str:
        phase: str = running.cluster.get("Pod", running.namespace, "caller")["status"].get("phase", "")
        return phase if phase in ("Succeeded", "Failed") else ""

    phase = eventually(ended, "the caller has ended", 60)
    output = running.cluster.kubectl("logs", "caller", "--namespace", running.namespace).words
    assert phase == "Succeeded", output
    assert '"vm": "vm-1001"' in output


@pytest.mark.long("starts the API server three times, 130 s")
def test_the_cluster_changes_its_signer(running: Running, tmp_path: Path) -> None:
    """No call is refused: neither those with tokens of the old key, nor the first ones of the new key, nor any while
    the API server is away meanwhile."""
    pods = install(running, 2)
    addresses = [f"{pod['status']['podIP']}:50051" for pod in pods]
    plane = running.cluster.plane
    old = bearer(running, "ci")
    token = tmp_path / "token"
    write(token, old)
    with calling(running.headless, token=token) as seen:
        wait(5)
        new_signer(plane.file("second.key"))
        plane.start("kube-apiserver", *api_server_flags(plane, "second.key", "signer.key"))
        wait_until_ready(plane)
        new = bearer(running, "ci")
        assert key_id(new) != key_id(old)
        write(token, new)
        # The same moment for all pods: none of them has met the new key before.
        assert [call(address, new) for address in addresses] == [("OK", 20)] * 2
        assert [call(address, old) for address in addresses] == [("OK", 20)] * 2
        wait(5)
    assert seen.failures == []
    assert seen.calls > 300
    assert [restarts(pod) for pod in running.ready(2)] == [0, 0]
    # The old key is withdrawn, and pods that start from now on never knew it.
    plane.start("kube-apiserver", *api_server_flags(plane, "second.key"))
    wait_until_ready(plane)
    try:
        result = running.cluster.kubectl("rollout", "restart", f"deployment/{NAME}", "--namespace", running.namespace)
        assert result.code == 0, result.words
        names = {pod["metadata"]["name"] for pod in pods}
        eventually(lambda: not names & {pod["metadata"]["name"] for pod in running.pods()}, "new pods", 120)
        [address, _] = [f"{pod['status']['podIP']}:50051" for pod in running.ready(2)]
        assert call(address, bearer(running, "ci")) == ("OK", 20)
        assert call(address, old)[0] == "UNAUTHENTICATED"
    finally:
        plane.start("kube-apiserver", *api_server_flags(plane, "second.key", "signer.key"))
        wait_until_ready(plane)


def bearer(running: Running, account: str, audience: str = AUDIENCE) -> tuple[str, str]:
    """A token as the kubelet projects it into a pod."""
    request: Object = {"spec": {"audiences": [audience], "expirationSeconds": 3600}}
    path = f"api/v1/namespaces/{running.namespace}/serviceaccounts/{account}/token"
    token = running.cluster.request("POST", path, json=request).json()["status"]["token"]
    return ("authorization", f"Bearer {token}")


def write(path: Path, metadata: tuple[str, str]) -> None:
    """Puts a token into its file in one step, as the kubelet does."""
    other = path.with_suffix(".new")
    other.write_text(metadata[1].removeprefix("Bearer "), encoding="ascii")
    other.replace(path)


def key_id(metadata: tuple[str, str]) -> object:
    """Of the key that a token was signed with."""
    return jwt.get_unverified_header(metadata[1].removeprefix("Bearer "))["kid"]
