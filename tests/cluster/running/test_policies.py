"""The chart's NetworkPolicy, enforced: who may call, and what the gateway reaches."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Object, eventually
from tests.cluster.node import ADDRESS
from tests.cluster.running.calling import BASIC, call
from tests.cluster.running.policies import enforced_policies
from tests.cluster.running.release import Running

pytestmark = pytest.mark.timeout(400)
PASSWORD = [{"name": "VCENTER_PASSWORD", "value": "VMware1!"}]


@pytest.mark.long("needs kube-router, 25 s and its build")
def test_who_may_call(running: Running) -> None:
    """A pod that `grpcFrom` selects is served, by a gateway that reaches vCenter; another pod gets no connection."""
    port = int(running.vcenter.rpartition(":")[2])
    policy = {
        "enabled": True,
        "grpcFrom": [{"podSelector": {"matchLabels": {"may-call": "yes"}}}],
        "vcenterCidrs": [f"{ADDRESS}/32"],
        "vcenterPort": port,
    }
    with enforced_policies(running.cluster):
        running.install(running.values(replicaCount=1, networkPolicy=policy))
        [gateway] = running.ready(1)
        target = f"{gateway['status']['podIP']}:50051"
        # Until the rules are there, everybody may.
        eventually(lambda: caller(running, target, {})[0] == "Failed" or None, "others are kept out", 120)
        phase, output = caller(running, target, {"may-call": "yes"})
        assert phase == "Succeeded", output
        assert '"vm": "vm-1001"' in output
        phase, output = caller(running, target, {})
        assert phase == "Failed", output


@pytest.mark.long("needs kube-router, 60 s and its build")
def test_what_the_gateway_reaches(running: Running, second_vcenter: str) -> None:
    """It reaches the vCenter whose address and port the policy names, and no other port of the same address."""
    first, second = (int(url.rpartition(":")[2]) for url in (running.vcenter, second_vcenter))
    with enforced_policies(running.cluster):
        policy = {"enabled": True, "vcenterCidrs": [f"{ADDRESS}/32"], "vcenterPort": first}
        running.install(running.values(replicaCount=1, networkPolicy=policy))
        [gateway] = running.ready(1)
        eventually(lambda: not reached(running, gateway, second), "others are out of reach", 120)
        assert reached(running, gateway, first)
        assert call(f"{gateway['status']['podIP']}:50051", BASIC) == ("OK", 20)
        # The same gateway in front of the other vCenter: it starts, and its calls fail, until the policy lets it out.
        values = running.values(replicaCount=1, networkPolicy=policy)
        values["config"]["vcenter"] = {"url": second_vcenter, "retries": {"tries": 1}}
        running.upgrade(values)
        [gateway] = running.ready(1)
        target = f"{gateway['status']['podIP']}:50051"
        eventually(lambda: call(target, BASIC)[0] != "OK" or None, "the new pod is kept in", 60)
        assert call(target, BASIC)[0] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
        running.upgrade(values | {"networkPolicy": policy | {"vcenterPort": second}})
        eventually(lambda: call(target, BASIC) == ("OK", 7) or None, "the policy lets it out", 120)


def reached(running: Running, pod: Object, port: int) -> bool:
    """Whether a pod gets a connection to a port of this machine."""
    script = (
        "import socket\n"
        f"try: socket.create_connection(({ADDRESS!r}, {port}), 3)\n"
        "except OSError: print('refused')\n"
        "else: print('connected')"
    )
    name = pod["metadata"]["name"]
    result = running.cluster.kubectl("exec", name, "--namespace", running.namespace, "--", "python", "-c", script)
    assert result.code == 0, result.words
    return result.stdout.strip() == "connected"


def caller(running: Running, target: str, labels: Object) -> tuple[str, str]:
    """How a call of a pod with these labels ended, and what it wrote."""
    arguments = ["call", "--plaintext", "--deadline", "5", "--target", target, "--user", "administrator@vsphere.local"]
    container = {
        "name": "caller",
        "image": "localhost/vcenter-gateway:test",
        "imagePullPolicy": "Never",
        "args": [*arguments, "vcenter.v1.VmService/ListVms"],
        "env": PASSWORD,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    metadata = {"generateName": "caller-", "labels": labels}
    made = running.cluster.create("Pod", running.namespace, {"metadata": metadata, "spec": spec})
    name = made["metadata"]["name"]

    def ended() -> str:
        phase: str = running.cluster.get("Pod", running.namespace, name)["status"].get("phase", "")
        return phase if phase in ("Succeeded", "Failed") else ""

    phase = eventually(ended, "the caller has ended", 60)
    return phase, running.cluster.kubectl("logs", name, "--namespace", running.namespace).words
