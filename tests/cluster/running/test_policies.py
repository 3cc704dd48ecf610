"""The chart's NetworkPolicy, enforced: who may call, and what the gateway reaches."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Object, eventually
from tests.cluster.node import ADDRESS
from tests.cluster.running.policies import enforced_policies
from tests.cluster.running.release import Running

pytestmark = pytest.mark.timeout(400)
PASSWORD = [{"name": "VCENTER_PASSWORD", "value": "VMware1!"}]


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
