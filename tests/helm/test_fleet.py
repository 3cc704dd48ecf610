"""Several vCenters in one release: what each has for itself, what they share, and what stands in front of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, VCENTER, gateway_yaml, gateways, only, refusal, render

FLEET = CHART / "ci" / "fleet-values.yaml"
EACH = ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor", "PrometheusRule", "Pod")


def fleet(**more: Any) -> dict[str, Any]:
    """Values of two vCenters."""
    vcenters = {name: {"config": {"vcenter": {"url": f"https://{name}.example.com"}}} for name in ("east", "west")}
    return {"vcenters": vcenters, **deepcopy(more)}


@pytest.mark.parametrize("kind", EACH)
def test_each_vcenter_has_its_own(kind: str) -> None:
    """One of each kind, by the vCenter's name and with a label that says it."""
    objects = render({}, FLEET)
    for name in ("east", "west", "playground"):
        found = [
            item
            for item in objects
            if item["kind"] == kind and item["metadata"]["labels"].get("vcenter-gateway/vcenter") == name
        ]
        assert found
        assert all(f"gw-vcenter-gateway-{name}" in item["metadata"]["name"] for item in found)


def test_no_selector_finds_pods_of_another_vcenter() -> None:
    """Services, budgets, policies and monitors find the pods of one Deployment."""
    objects = render({}, FLEET)
    labels = {item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"] for item in gateways(objects)}
    assert len(labels) == 3
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            selector = spec["selector"] if item["kind"] == "Service" else spec.get("selector", spec.get("podSelector"))
            selector = selector.get("matchLabels", selector)
            matched = [name for name, own in labels.items() if selector.items() <= own.items()]
            expected = (
                [] if "router" in item["metadata"]["name"] else [item["metadata"]["name"].removesuffix("-headless")]
            )
            assert matched == expected
        if item["kind"] == "ServiceMonitor":
            services = [other for other in objects if other["kind"] == "Service"]
            selector = spec["selector"]["matchLabels"]
            [found] = [other for other in services if selector.items() <= other["metadata"]["labels"].items()]
            assert found["metadata"]["name"] == f"{item['metadata']['name']}-headless"


def test_values_of_a_vcenter_beat_those_of_all() -> None:
    """What a vCenter does not say, the fleet does."""
    values = fleet(config={"vcenter": {"max_concurrent_calls": 32}, "server": {"workers": 2}}, replicaCount=4)
    values["vcenters"]["west"] |= {
        "replicaCount": 1,
        "config": {"vcenter": {"url": "https://w", "max_concurrent_calls": 8}},
    }
    found = {
        item["metadata"]["name"].rpartition("-")[2]: (item["spec"]["replicas"], yaml.safe_load(gateway_yaml([item])))
        for item in gateways(render(values))
    }
    assert found["east"][0] == 4
    assert found["east"][1]["vcenter"] == {"max_concurrent_calls": 32, "url": "https://east.example.com"}
    assert found["west"][0] == 1
    assert found["west"][1]["vcenter"] == {"max_concurrent_calls": 8, "url": "https://w"}
    assert found["west"][1]["server"]["workers"] == 2


def test_secrets_stay_apart() -> None:
    """Each Deployment mounts the secrets of its own vCenter."""
    values = fleet()
    for name in ("east", "west"):
        values["vcenters"][name] |= {"secrets": {"vcenterCa": {"value": name}}}
    for item in gateways(render(values)):
        name = item["metadata"]["name"]
        secrets = [
            volume["secret"]["secretName"]
            for volume in item["spec"]["template"]["spec"]["volumes"]
            if "secret" in volume
        ]
        assert secrets == [f"{name}-vcenter-ca"]


def test_one_service_account() -> None:
    """All pods of a release have it in common."""
    objects = render({}, FLEET)
    name = only(objects, "ServiceAccount")["metadata"]["name"]
    pods = [item["spec"]["template"]["spec"] for item in objects if item["kind"] == "Deployment"]
    assert {pod["serviceAccountName"] for pod in pods} == {name}


def test_long_names() -> None:
    """Two vCenters with long names in a release with a long name have objects with different names."""
    names = ["a" * 19 + "x", "a" * 19 + "y"]
    objects = render({"vcenters": dict.fromkeys(names, VCENTER)}, release="r" * 53)
    deployments = [item["metadata"]["name"] for item in objects if item["kind"] == "Deployment"]
    assert sorted(name[-20:] for name in deployments) == names
    assert all(len(item["metadata"]["name"]) <= 63 for item in objects)


def test_a_route_for_each_vcenter() -> None:
    """By the metadata alone: a rule without it would take a call with a misspelt name to the wrong vCenter."""
    rules = only(render({}, FLEET), "GRPCRoute")["spec"]["rules"]
    chosen = {rule["matches"][0]["headers"][0]["value"]: rule["backendRefs"][0]["name"] for rule in rules}
    assert chosen == {name: f"gw-vcenter-gateway-{name}" for name in ("east", "playground", "west")}


def test_a_route_for_one_vcenter() -> None:
    """Without a fleet the route takes every call to the service."""
    route = {"enabled": True, "parentRefs": [{"name": "internal"}], "hostnames": ["vcenter.example.com"]}
    spec = only(render(VCENTER | {"grpcRoute": route}), "GRPCRoute")["spec"]
    assert spec["parentRefs"] == [{"name": "internal"}]
    assert spec["rules"] == [{"backendRefs": [{"name": "gw-vcenter-gateway", "port": 50051}]}]


@pytest.mark.parametrize(("tls", "protocol"), [({}, "GRPC"), ({"enabled": True, "existingSecret": "a"}, "GRPCS")])
def test_an_ingress_speaks_what_the_gateway_does(tls: dict[str, Any], protocol: str) -> None:
    """ingress-nginx is told so by an annotation, which values may change."""
    ingress: dict[str, Any] = {"enabled": True, "className": "nginx", "hosts": ["vcenter.example.com"]}
    item = only(render(VCENTER | {"ingress": ingress, "tls": tls}), "Ingress")
    name = "nginx.ingress.kubernetes.io/backend-protocol"
    assert item["metadata"]["annotations"] == {name: protocol}
    [path] = item["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "gw-vcenter-gateway", "port": {"name": "grpc"}}
    ingress["annotations"] = {name: "OTHER"}
    assert only(render(VCENTER | {"ingress": ingress}), "Ingress")["metadata"]["annotations"] == {name: "OTHER"}


def test_an_ingress_of_a_fleet_leads_to_the_router() -> None:
    """An Ingress cannot choose by metadata."""
    [path] = only(render({}, FLEET), "Ingress")["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["name"] == "gw-vcenter-gateway-router"


HOSTS = {"enabled": True, "hosts": ["vcenter.example.com"]}
CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("a router without a fleet", VCENTER | {"router": {"enabled": True}}, "router.enabled requires a fleet"),
    ("a default that is not there", fleet(router={"enabled": True, "default": "x"}), 'router.default is "x"'),
    (
        "a router without names",
        fleet(router={"enabled": True}, headlessService={"enabled": False}),
        "the router discovers the pods through the headless services",
    ),
    (
        "certificates that end at the router",
        fleet(
            router={"enabled": True},
            secrets={"clientCa": {"value": "A"}},
            tls={"enabled": True, "existingSecret": "a"},
        ),
        "would not receive callers' certificates",
    ),
    ("an Ingress without names", VCENTER | {"ingress": {"enabled": True}}, "set ingress.hosts"),
    ("an Ingress that cannot choose", fleet(ingress=HOSTS), "an Ingress cannot route by metadata"),
    ("a route without a Gateway", VCENTER | {"grpcRoute": {"enabled": True}}, "set grpcRoute.parentRefs"),
    ("a vCenter without an address", {"vcenters": {"east": {}}}, "no vCenter is configured"),
    ("a name that no object may have", {"vcenters": {"East": VCENTER}}, "does not match pattern"),
    ("a value that is the release's", fleet() | {"vcenters": {"east": {"image": {"tag": "2"}}}}, "image"),
]


@pytest.mark.parametrize(
    ("values", "sentence"), [row[1:] for row in CONTRADICTIONS], ids=[row[0] for row in CONTRADICTIONS]
)
def test_contradictions_are_refused(values: dict[str, Any], sentence: str) -> None:
    """Each with a sentence that says what to do."""
    assert sentence in refusal(values)
