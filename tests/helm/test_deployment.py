"""The pods: what they may do, how they are probed, how they stop, and what makes them start anew."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from gateway import __version__
from tests.helm.chart import CHART, CONFIG, VALUE_FILES, VCENTER, gateway_yaml, only, render

TLS = {"tls": {"enabled": True, "existingSecret": "certificate"}}


def pod(values: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The pod of the deployment."""
    template = only(render({**(VCENTER if values is None else values), **more}), "Deployment")["spec"]["template"]
    found: dict[str, Any] = template["spec"]
    return found


def config(**server: Any) -> dict[str, Any]:
    """Values for a vCenter, with settings of the section `server`."""
    values = deepcopy(VCENTER)
    values["config"]["server"] = server
    return values


@pytest.mark.parametrize("more", [{}, TLS], ids=["plain text", "TLS"])
def test_probes_ask_the_admin_port_over_http(more: dict[str, Any]) -> None:
    """Kubernetes' gRPC probes do not speak TLS; the admin port needs none, and knows when workers hang."""
    container = pod(**more)["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 50051, "admin": 9090}
    paths = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for probe, path in paths.items():
        assert container[probe]["httpGet"] == {"path": path, "port": "admin", "scheme": "HTTP"}
        assert "grpc" not in container[probe]


@pytest.mark.parametrize("file", VALUE_FILES, ids=lambda file: file.stem)
def test_nothing_is_mounted_by_sub_path(file: Any) -> None:
    """What is mounted by subPath is never renewed: certificates would run out, and passwords stay old."""
    for deployment in [item for item in render({}, file) if item["kind"] == "Deployment"]:
        for mount in deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]:
            assert not {"subPath", "subPathExpr"} & set(mount)


def test_no_template_mounts_by_sub_path() -> None:
    """Nor is there a branch that would."""
    assert not [path for path in CHART.rglob("templates/**/*.yaml") if "subPath:" in path.read_text()]


def test_probes_can_be_changed_and_left_out() -> None:
    """What is given is added to the request, an empty one is the request alone, and null leaves a probe out."""
    nothing = dict.fromkeys(("periodSeconds", "failureThreshold", "timeoutSeconds"))
    header = {"httpGet": {"httpHeaders": [{"name": "a", "value": "b"}]}}
    container = pod(startupProbe=nothing, livenessProbe=None, readinessProbe=header)["containers"][0]
    assert container["startupProbe"] == {"httpGet": {"path": "/healthz", "port": "admin", "scheme": "HTTP"}}
    assert "livenessProbe" not in container
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["readinessProbe"]["httpGet"]["httpHeaders"] == [{"name": "a", "value": "b"}]


def test_recreate() -> None:
    """Kubernetes takes no numbers of a rolling update beside another strategy, so that they are left out."""
    deployment = only(render({**VCENTER, "updateStrategy": {"type": "Recreate"}}), "Deployment")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    rolling = only(render(), "Deployment")["spec"]["strategy"]
    assert rolling == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_annotations_of_the_pods_do_not_clash() -> None:
    """One that the chart has too is there once, and the chart's."""
    annotations = template({"podAnnotations": {CONFIG: "a", "b": "c"}})["metadata"]["annotations"]
    assert "vcenter.example.com" in annotations[CONFIG]
    assert annotations["b"] == "c"


def template(values: dict[str, Any]) -> dict[str, Any]:
    """The pods' template: where it changes, Kubernetes replaces the pods."""
    found: dict[str, Any] = only(render({**VCENTER, **values}), "Deployment")["spec"]["template"]
    return found


def test_renewal_needs_no_restart() -> None:
    """A new certificate, authority or policy does not change the pods: the gateway reads them while it runs."""
    inline = {"tls": {"enabled": True, "certificate": "A", "key": "A"}}
    renewed = {"tls": {"enabled": True, "certificate": "B", "key": "B"}}
    assert template(inline) == template(renewed)
    assert template({"secrets": {"vcenterCa": {"value": "A"}}}) == template({"secrets": {"vcenterCa": {"value": "B"}}})
    rules = [[{"identities": [name], "rpcs": ["*"]}] for name in ("a", "b")]
    assert template({"policy": rules[0]}) == template({"policy": rules[1]})


def test_each_version_has_its_own_configuration() -> None:
    """gateway.yaml is in the pods' template and nowhere else: a new one starts new pods and reaches no old ones."""
    assert template(config(workers=1)) != template(config(workers=2))
    objects = render(config(workers=2))
    assert yaml.safe_load(gateway_yaml(objects))["server"]["workers"] == 2
    assert not [item for item in objects if item["kind"] == "ConfigMap"]


@pytest.mark.parametrize(
    ("server", "stop"),
    [({}, 65), ({"settle_seconds": 0}, 30), ({"settle_seconds": 4.5, "grace_seconds": 60}, 64.5)],
    ids=["defaults", "no settling", "fractions"],
)
def test_pods_have_time_to_stop(server: dict[str, Any], stop: float) -> None:
    """Kubernetes kills no pod that is still settling or draining, and leaves it time to log out of vCenter."""
    assert pod(config(**server))["terminationGracePeriodSeconds"] >= stop + 10


def test_pods_settle() -> None:
    """By default new calls are still taken for longer than clients wait until they look for pods again."""
    assert yaml.safe_load(gateway_yaml(render()))["server"]["settle_seconds"] > 30


def test_restricted_pod_security() -> None:
    """The pods pass Kubernetes' restricted profile, and the test's pod too."""
    objects = render({"simulator": {"enabled": True}})
    for spec in (only(objects, "Deployment")["spec"]["template"]["spec"], only(objects, "Pod")["spec"]):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 65532
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(spec)


def test_pods_know_nothing_of_kubernetes() -> None:
    """No token, and no variables for services: those named VCENTER_GATEWAY would mean something else to `call`."""
    objects = render()
    for spec in (only(objects, "Deployment")["spec"]["template"]["spec"], only(objects, "Pod")["spec"]):
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
    assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False


def test_secrets_are_for_the_gateway_alone() -> None:
    """Secrets are readable for owner and group, not for everybody; the chart makes only those that values hold."""
    objects = render({}, CHART / "ci" / "inline-secrets-values.yaml")
    spec = only(objects, "Deployment")["spec"]["template"]["spec"]
    volumes = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    assert {volume["defaultMode"] for volume in volumes} == {0o440}
    made = {item["metadata"]["name"] for item in objects if item["kind"] == "Secret"}
    assert made == {volume["secretName"] for volume in volumes}
    assert not [item for item in render() if item["kind"] == "Secret"]


def test_secrets_of_others_are_used_as_they_are() -> None:
    """`existingSecret` and `existingConfigMap` name what is mounted, and the chart makes no secret."""
    objects = render({}, CHART / "ci" / "service-account-values.yaml")
    volumes = {volume["name"]: volume for volume in only(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]}
    assert volumes["vcenter-password"]["secret"]["secretName"] == "vcenter"
    assert volumes["tokens"]["secret"]["secretName"] == "gateway-tokens"
    assert volumes["vcenter-ca"]["configMap"]["name"] == "vcenter-authorities"
    assert volumes["tls"]["secret"]["secretName"] == "gateway-certificate"
    assert not [item for item in objects if item["kind"] == "Secret"]


def test_image() -> None:
    """A digest beats a tag, which beats the chart's version."""
    assert pod()["containers"][0]["image"] == f"vcenter-gateway:{__version__}"
    assert pod(image={"tag": "2"})["containers"][0]["image"] == "vcenter-gateway:2"
    digest = f"sha256:{'0' * 64}"
    assert pod(image={"tag": "2", "digest": digest})["containers"][0]["image"] == f"vcenter-gateway@{digest}"


def test_spread_gets_the_pods_labels() -> None:
    """Pods spread over nodes and zones without anybody writing a selector."""
    deployment = only(render(), "Deployment")
    constraints = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [item["topologyKey"] for item in constraints] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for item in constraints:
        assert item["labelSelector"] == deployment["spec"]["selector"]


def test_selectors_keep_to_the_gateways_pods() -> None:
    """Labels of the user's change no selector, and every selector finds the pods of the deployment and no other."""
    objects = render({}, CHART / "ci" / "everything-values.yaml")
    deployment = only(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert set(selector.items()) <= set(labels.items())
    assert not {"team", "example.com/l"} & set(selector)
    for item in objects:
        if item["kind"] == "Service":
            assert item["spec"]["selector"] == selector
    assert only(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == selector
    assert only(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == selector
    test_pod = only(objects, "Pod")["metadata"]["labels"]
    assert not set(selector.items()) <= set(test_pod.items())


def test_everything_carries_labels_and_annotations() -> None:
    """What is common is on every object, what is the object's own beside it."""
    objects = render({}, CHART / "ci" / "everything-values.yaml")
    for item in objects:
        # Extra objects are taken as they are.
        if not item["metadata"]["name"].endswith(("-extra", "-important", "-sandbox")):
            assert item["metadata"]["labels"]["team"] == "platform", item["kind"]
            assert item["metadata"]["annotations"]["example.com/owner"] == "platform", item["kind"]
    own = {item["metadata"].get("annotations", {}).get("example.com/a") for item in objects}
    assert own >= {
        "certificate",
        "service",
        "headless",
        "account",
        "deployment",
        "autoscaler",
        "budget",
        "policy",
        "test",
    }


def test_everything_can_be_added() -> None:
    """Extras of all kinds reach the pod."""
    spec = only(render({}, CHART / "ci" / "everything-values.yaml"), "Deployment")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert container["args"] == ["serve", "--no-reflection"]
    assert {"name": "TZ", "value": "UTC"} in container["env"]
    assert {"name": "extra", "mountPath": "/extra"} in container["volumeMounts"]
    assert {"name": "extra", "emptyDir": {}} in spec["volumes"]
    assert spec["containers"][1]["name"] == "sidecar"
    assert spec["initContainers"][0]["name"] == "before"
    assert spec["priorityClassName"] == "vcenter-gateway-important"
    assert spec["imagePullSecrets"] == [{"name": "mirror"}, {"name": "registry"}]
    assert container["image"].startswith("mirror.example.com/vcenter-gateway@sha256:")
    for name in ("tolerations", "affinity", "nodeSelector", "hostAliases", "dnsConfig"):
        assert spec[name]


def test_traces_go_to_the_collector() -> None:
    """The setting is in gateway.yaml, where a change restarts the pods, and the address is OpenTelemetry's variable;
    both only where they are asked for."""
    tracing = {"enabled": True, "endpoint": "http://collector:4318"}
    variable = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}
    assert variable in pod(tracing=tracing)["containers"][0]["env"]
    file = yaml.safe_load(gateway_yaml(render({**VCENTER, "tracing": tracing})))
    assert file["tracing"] == {"enabled": True}
    assert "tracing" not in gateway_yaml(render(VCENTER))
    assert not [entry for entry in pod()["containers"][0]["env"] if entry["name"].startswith("OTEL_")]


KUBERNETES = {
    "config": {**VCENTER["config"], "auth": {"mode": "service-account", "user": "gateway@vsphere.local"}},
    "auth": {"kubernetes": {"enabled": True}},
    "secrets": {"vcenterPassword": {"existingSecret": "vcenter"}},
}
POD_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_what_the_keys_of_a_cluster_take() -> None:
    """The pod gets a token for the API server that Kubernetes renews, and the cluster's authority, in the usual place;
    whoever may not use the API server otherwise still may not."""
    found = pod(KUBERNETES)
    assert found["automountServiceAccountToken"] is False
    [mount] = [each for each in found["containers"][0]["volumeMounts"] if each["mountPath"] == POD_FOLDER]
    [volume] = [each for each in found["volumes"] if each["name"] == mount["name"]]
    token, authority = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    assert authority["configMap"] == {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert not [each["kind"] for each in render(KUBERNETES) if each["kind"].endswith(("Role", "RoleBinding"))]


def test_tokens_that_kubernetes_mounts_itself() -> None:
    """Where Kubernetes mounts the token, the chart does not."""
    found = pod(KUBERNETES, automountServiceAccountToken=True)
    assert POD_FOLDER not in [each["mountPath"] for each in found["containers"][0]["volumeMounts"]]


def test_without_callers_of_the_cluster() -> None:
    """Who does not ask for it gets no token into the pod."""
    assert "projected" not in str(pod())


def test_the_issuers_in_the_configuration() -> None:
    """The cluster is one issuer beside those of the configuration; its name is that of the API server unless given."""
    [issuer] = yaml.safe_load(gateway_yaml(render(KUBERNETES)))["auth"]["jwt"]["issuers"]
    assert issuer == {"kubernetes": True, "audience": ["vcenter-gateway"]}
    named = {**KUBERNETES, "auth": {"kubernetes": {"enabled": True, "issuer": "https://a", "audience": "b"}}}
    [issuer] = yaml.safe_load(gateway_yaml(render(named)))["auth"]["jwt"]["issuers"]
    assert issuer == {"kubernetes": True, "audience": ["b"], "issuer": "https://a"}
    objects = render({}, CHART / "ci" / "kubernetes-callers-values.yaml")
    both = yaml.safe_load(gateway_yaml(objects))["auth"]["jwt"]["issuers"]
    assert [each.get("issuer") for each in both] == ["https://login.example.com", None]
