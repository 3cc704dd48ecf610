"""The objects beside the pods: services, autoscaling, network policy, monitoring, the certificate, and the test."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest

from gateway.admin.families import FAMILIES
from tests.helm.chart import CHART, VCENTER, gateway_yaml, only, render

SIMULATOR = {"simulator": {"enabled": True}}


def everything() -> list[dict[str, Any]]:
    return render({}, CHART / "ci" / "everything-values.yaml")


def test_playground() -> None:
    """`simulator.enabled=true` is all it takes: no vCenter, no secret, one pod, and a test that makes a real call."""
    objects = render(SIMULATOR)
    kinds = sorted(item["kind"] for item in objects)
    assert kinds == ["Deployment", "Pod", "PodDisruptionBudget", "Service", "Service", "ServiceAccount"]
    assert only(objects, "Deployment")["spec"]["replicas"] == 1
    assert "simulator:\n  enabled: true\n  vms: 20" in gateway_yaml(objects)


def test_services() -> None:
    """One address for all pods, and a name that resolves to each of them for clients that balance themselves."""
    objects = render()
    service, headless = only(objects, "Service", "gateway"), only(objects, "Service", "-headless")
    assert service["spec"]["type"] == "ClusterIP"
    assert "clusterIP" not in service["spec"]
    assert headless["spec"]["clusterIP"] == "None"
    assert "publishNotReadyAddresses" not in headless["spec"]
    for item in (service, headless):
        assert item["spec"]["ports"][0] == {
            "name": "grpc",
            "port": 50051,
            "targetPort": "grpc",
            "protocol": "TCP",
            "appProtocol": "grpc",
        }
    # The status page is for those who look after the gateway.
    assert [port["name"] for port in service["spec"]["ports"]] == ["grpc"]


def test_autoscaler() -> None:
    """By CPU and a custom metric that the gateway has; the Deployment then leaves the number of pods alone."""
    objects = everything()
    spec = only(objects, "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 12)
    cpu, calls, memory = spec["metrics"]
    # 70 % of two workers' two cores, whatever the pods request.
    assert cpu["resource"]["target"] == {"type": "AverageValue", "averageValue": "1400m"}
    assert calls["pods"]["metric"]["name"] in {family.full_name for family in FAMILIES}
    assert memory["resource"]["name"] == "memory"
    assert "replicas" not in only(objects, "Deployment")["spec"]


def test_budget() -> None:
    """A drain takes one pod at a time, even where there is only one."""
    spec = only(render(), "PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec
    assert only(everything(), "PodDisruptionBudget")["spec"]["minAvailable"] == "50%"


def test_network_policy() -> None:
    """In come calls and scrapes, out go DNS and vCenter, and nothing else."""
    objects = render({}, CHART / "ci" / "service-account-values.yaml")
    spec = only(objects, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    calls, scrapes = spec["ingress"]
    assert [port["port"] for port in calls["ports"]] == ["grpc"]
    assert {"namespaceSelector": {"matchLabels": {"team": "build"}}} in calls["from"]
    assert [port["port"] for port in scrapes["ports"]] == ["admin"]
    dns, vcenter = spec["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert vcenter == {"ports": [{"port": 8443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "192.0.2.10/32"}}]}


def test_network_policy_for_the_keys_of_a_cluster() -> None:
    """Where callers are ServiceAccounts, the API server is let out too, at its Service and behind it."""
    objects = render({}, CHART / "ci" / "kubernetes-callers-values.yaml")
    rule = only(objects, "NetworkPolicy")["spec"]["egress"][2]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.96.0.1/32"}}, {"ipBlock": {"cidr": "192.0.2.30/32"}}]
    values = {**VCENTER, "networkPolicy": {"enabled": True, "apiServerPorts": [8443]}}
    values["config"] = {**VCENTER["config"], "auth": {"mode": "service-account", "user": "a"}}
    values |= {"auth": {"kubernetes": {"enabled": True}}, "secrets": {"vcenterPassword": {"existingSecret": "a"}}}
    rule = only(render(values), "NetworkPolicy")["spec"]["egress"][2]
    assert rule == {"ports": [{"port": 8443, "protocol": "TCP"}]}


def test_network_policy_without_an_address() -> None:
    """A name in vCenter's URL can be at any address: its port is let out."""
    spec = only(render({**VCENTER, "networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]
    assert spec["egress"][1] == {"ports": [{"port": 443, "protocol": "TCP"}]}


def test_network_policy_lets_the_test_in() -> None:
    """`helm test` works where only some may call."""
    objects = render({}, CHART / "ci" / "service-account-values.yaml")
    labels = only(objects, "Pod")["metadata"]["labels"]
    peers = only(objects, "NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert set(peers[-1]["podSelector"]["matchLabels"].items()) <= set(labels.items())


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://192.0.2.10", 443), ("HTTP://192.0.2.10/", 80), ("https://192.0.2.10:8443", 8443)],
)
def test_network_policy_follows_the_url(url: str, port: int) -> None:
    """An address in vCenter's URL needs no further value."""
    values = {"config": {"vcenter": {"url": url}}, "networkPolicy": {"enabled": True}}
    rule = only(render(values), "NetworkPolicy")["spec"]["egress"][1]
    assert rule["ports"] == [{"port": port, "protocol": "TCP"}]
    assert rule["to"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]


def test_the_simulator_goes_nowhere() -> None:
    """A playground needs DNS alone."""
    spec = only(render({**SIMULATOR, "networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]
    assert len(spec["egress"]) == 1


def test_service_monitor_finds_the_headless_service() -> None:
    """By labels, port and namespace."""
    objects = everything()
    spec = only(objects, "ServiceMonitor")["spec"]
    service = only(objects, "Service", "-headless")
    assert set(spec["selector"]["matchLabels"].items()) <= set(service["metadata"]["labels"].items())
    assert spec["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert spec["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    others = [item for item in objects if item["kind"] == "Service" and item is not service]
    for other in others:
        assert not set(spec["selector"]["matchLabels"].items()) <= set(other["metadata"]["labels"].items())


def test_pod_monitor_finds_the_pods() -> None:
    """From another namespace too."""
    objects = render({}, CHART / "ci" / "pod-monitor-values.yaml")
    monitor = only(objects, "PodMonitor")
    labels = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert set(monitor["spec"]["selector"]["matchLabels"].items()) <= set(labels.items())
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == ["apps"]


def metrics_in(text: str) -> set[str]:
    """The gateway's metrics that a text names, without what histograms add."""
    found = re.findall(r"vcenter_gateway_[a-z_]+", text)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


KNOWN = {family.full_name for family in FAMILIES}
LABELS = {family.full_name: set(family.labels) for family in FAMILIES}
OF_TARGETS = {"namespace", "pod", "job"}
"""Labels of the scraped target that queries may use."""


def labels_in(expression: str) -> set[str]:
    """The labels that a query selects or sums by, without Grafana's and Prometheus' own."""
    selected = re.findall(r'[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*"', expression)
    grouped = [name.strip() for found in re.findall(r"by \(([^)]*)\)", expression) for name in found.split(",")]
    return {*selected, *grouped} - {"le"}


def test_labels_are_not_those_of_targets() -> None:
    """Prometheus gives these to what it scrapes in Kubernetes: a metric's own would become `exported_service`."""
    taken = {"job", "instance", "namespace", "pod", "container", "endpoint", "service", "node"}
    assert [name for name, labels in LABELS.items() if labels & taken] == []


def test_docs_name_metrics_that_exist() -> None:
    """Whoever copies a name from the documentation finds something."""
    for path in (CHART.parents[1] / "docs").glob("**/*.md"):
        named = metrics_in(path.read_text(encoding="utf-8")) - {"vcenter_gateway_client"}
        assert named <= KNOWN, path.name


def test_alerts_name_metrics_that_exist() -> None:
    """Each alert has a severity, a summary and a description, and looks at the gateway's own metrics."""
    values = {**deepcopy(VCENTER), "metrics": {"prometheusRule": {"enabled": True}}}
    rules = only(render(values), "PrometheusRule")["spec"]["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names)) == 12
    for rule in rules:
        assert metrics_in(rule["expr"]), rule["alert"]
        assert metrics_in(rule["expr"]) <= KNOWN, rule["alert"]
        own = set().union(*(LABELS[name] for name in metrics_in(rule["expr"])))
        assert labels_in(rule["expr"]) <= own | OF_TARGETS, rule["alert"]
        assert 'namespace="apps",job="gw-vcenter-gateway"' in rule["expr"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith(".")


def test_alerts_can_be_changed() -> None:
    """Left out, labelled, added to, and given a runbook."""
    rules = only(everything(), "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert "VCenterGatewaySchemaDrift" not in [rule.get("alert") for rule in rules]
    assert rules[0]["labels"]["team"] == "platform"
    assert rules[0]["annotations"]["runbook_url"] == "https://runbooks.example.com/vcentergatewaydown"
    assert rules[-1]["record"] == "vcenter_gateway:rpcs:rate5m"


def test_dashboard() -> None:
    """It is JSON that Grafana's sidecar finds, and shows every metric that there is, by labels that it has."""
    item = only(everything(), "ConfigMap", "-dashboard")
    assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(item["data"]["vcenter-gateway.json"])
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    expressions = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert metrics_in(expressions) == KNOWN
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        for target in panel["targets"]:
            own = set().union(*(LABELS[name] for name in metrics_in(target["expr"])))
            named = labels_in(target["expr"]) | set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert named <= own | OF_TARGETS, panel["title"]
            selectors = re.findall(r"vcenter_gateway_\w+{([^}]*)}", target["expr"])
            assert selectors, panel["title"]
            assert all('namespace=~"$namespace",job=~"$job"' in text for text in selectors), panel["title"]


def test_panels_do_not_overlap() -> None:
    """Each has a place of its own in Grafana's grid of 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(column, row) for column in columns for row in rows}
        assert columns.stop <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_certificate() -> None:
    """It covers both services under all their names, and ends up in the secret that is mounted."""
    objects = everything()
    spec = only(objects, "Certificate")["spec"]
    for service in ("gw", "gw-headless"):
        for ending in ("", ".elsewhere", ".elsewhere.svc", ".elsewhere.svc.cluster.local"):
            assert f"{service}{ending}" in spec["dnsNames"]
    assert "gateway.example.com" in spec["dnsNames"]
    volumes = only(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "tls", "secret": {"secretName": spec["secretName"], "defaultMode": 0o440}} in volumes


def test_helm_test_makes_a_real_call() -> None:
    """With the simulator's account, over the service's name."""
    item = only(render(SIMULATOR), "Pod")
    assert item["metadata"]["annotations"]["helm.sh/hook"] == "test"
    container = item["spec"]["containers"][0]
    assert "command" not in container
    assert container["args"] == [
        "call",
        "--deadline",
        "20",
        "--target",
        "gw-vcenter-gateway.apps.svc:50051",
        "--plaintext",
        "vcenter.v1.VmService/ListVms",
    ]
    assert {"name": "VCENTER_USER", "value": "administrator@vsphere.local"} in container["env"]


def test_helm_test_with_an_account() -> None:
    """With TLS and an account from a secret."""
    item = only(everything(), "Pod")
    container = item["spec"]["containers"][0]
    assert container["args"][5:8] == ["--tls", "--ca", "/etc/tls/ca.crt"]
    assert container["env"][1]["valueFrom"]["secretKeyRef"] == {"name": "vcenter-user", "key": "password"}
    # The key of the certificate is nobody's but the gateway's.
    assert item["spec"]["volumes"][0]["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


def test_helm_test_with_a_token() -> None:
    """With a service account, the test shows a caller's bearer token, of whose secret it sees nothing else."""
    item = only(render({}, CHART / "ci" / "service-account-values.yaml"), "Pod")
    container = item["spec"]["containers"][0]
    assert "command" not in container
    assert container["args"][-3:] == ["--token-file", "/etc/token/token", "vcenter.v1.VmService/ListVms"]
    assert {"name": "token", "mountPath": "/etc/token", "readOnly": True} in container["volumeMounts"]
    secret = {"secretName": "ci-token", "items": [{"key": "token", "path": "token"}], "defaultMode": 0o440}
    assert {"name": "token", "secret": secret} in item["spec"]["volumes"]


def test_helm_test_as_a_service_account() -> None:
    """The test's pod runs as it, and has its token for the gateway's audience and no other."""
    pod = only(render({}, CHART / "ci" / "kubernetes-callers-values.yaml"), "Pod")
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["serviceAccountName"] == "gateway-test"
    assert pod["spec"]["automountServiceAccountToken"] is False
    position = container["args"].index("--token-file")
    assert container["args"][position + 1] == "/etc/token/token"
    [volume] = [item for item in pod["spec"]["volumes"] if item["name"] == "token"]
    [source] = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "vcenter-gateway"
    assert {"name": "token", "mountPath": "/etc/token", "readOnly": True} in container["volumeMounts"]
    assert "command" not in container


def test_helm_test_without_an_account() -> None:
    """The call has to be refused as one without credentials: the gateway answers, and lets nobody in."""
    container = only(render(), "Pod")["spec"]["containers"][0]
    assert container["command"][:2] == ["python", "-c"]
    assert "env" not in container


def test_helm_test_with_client_certificates() -> None:
    """Where the gateway asks for a certificate, the test shows one or is left out."""
    with_one = render({}, CHART / "ci" / "inline-secrets-values.yaml")
    assert "--cert" in only(with_one, "Pod")["spec"]["containers"][0]["args"]
    without = render({}, CHART / "ci" / "locked-down-values.yaml")
    assert not [item for item in without if item["kind"] == "Pod"]


def test_extra_objects_are_templates() -> None:
    """They may use the chart's names."""
    assert only(everything(), "ConfigMap", "-extra")["metadata"]["name"] == "gw-extra"
