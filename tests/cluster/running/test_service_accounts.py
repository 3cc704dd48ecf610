"""Pods prove who they are by the token of their ServiceAccount, and a policy says what each may do."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Object
from tests.cluster.control_plane import ISSUER
from tests.cluster.running.calling import call
from tests.cluster.running.release import Running

pytestmark = pytest.mark.timeout(300)
AUDIENCE = "vcenter-gateway"


def test_callers_are_service_accounts(running: Running) -> None:
    """One that the policy names lists machines; another one, a token for another audience, and none are refused."""
    keys = running.cluster.request("GET", "openid/v1/jwks").text
    for name, content in (("vcenter", {"password": "VMware1!"}), ("cluster", {"jwks.json": keys})):
        secret = {"metadata": {"name": name}, "stringData": content}
        running.cluster.create("Secret", running.namespace, secret)
    for name in ("ci", "other"):
        running.cluster.create("ServiceAccount", running.namespace, {"metadata": {"name": name}})
    values = running.values(
        replicaCount=1,
        secrets={"vcenterPassword": {"existingSecret": "vcenter"}, "jwks": {"existingSecret": "cluster"}},
        policy=[
            {"identities": [f"system:serviceaccount:{running.namespace}:ci"], "rpcs": ["vcenter.v1.VmService/ListVms"]}
        ],
    )
    values["config"]["auth"] = {
        "mode": "service-account",
        "user": "administrator@vsphere.local",
    }
    values["auth"] = {"kubernetes": {"enabled": True, "issuer": ISSUER, "audience": AUDIENCE}}
    running.install(values)
    [pod] = running.ready(1)
    target = f"{pod['status']['podIP']}:50051"
    assert call(target, bearer(running, "ci", AUDIENCE)) == ("OK", 20)
    assert call(target, bearer(running, "other", AUDIENCE))[0] == "PERMISSION_DENIED"
    assert call(target, bearer(running, "ci", "elsewhere"))[0] == "UNAUTHENTICATED"
    assert call(target)[0] == "UNAUTHENTICATED"


def bearer(running: Running, account: str, audience: str) -> tuple[str, str]:
    """A token as the kubelet projects it into a pod."""
    request: Object = {"spec": {"audiences": [audience], "expirationSeconds": 3600}}
    path = f"api/v1/namespaces/{running.namespace}/serviceaccounts/{account}/token"
    token = running.cluster.request("POST", path, json=request).json()["status"]["token"]
    return ("authorization", f"Bearer {token}")
