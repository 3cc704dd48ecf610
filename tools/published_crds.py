"""Fetches the published definitions of the custom resources in the chart and the documents into build/tools/crds.

They come from the Go modules of their projects, with fixed versions and checksums.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "build" / "tools" / "crds"

# Module, its checksum as in a go.sum, and the definitions in it.
_MODULES = (
    (
        "github.com/prometheus-operator/prometheus-operator@v0.88.0",
        "h1:3T/dCQdk7CUVRqVfwRHoC5g66fC/ML6XQQLtQVL6Q5o=",
        "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml",
        ("servicemonitors", "podmonitors", "prometheusrules"),
    ),
    (
        "github.com/cert-manager/cert-manager@v1.19.1",
        "h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=",
        "deploy/crds/cert-manager.io_{}.yaml",
        ("certificates",),
    ),
    (
        "sigs.k8s.io/gateway-api@v1.6.3",
        "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
        "config/crd/standard/gateway.networking.k8s.io_{}.yaml",
        ("grpcroutes", "backendtlspolicies"),
    ),
    # Not in the chart: the documents show how they scale it, and how gateways and meshes handle it.
    (
        "github.com/kedacore/keda/v2@v2.21.0",
        "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
        "config/crd/bases/keda.sh_{}.yaml",
        ("scaledobjects",),
    ),
    (
        "k8s.io/autoscaler/vertical-pod-autoscaler@v1.8.1",
        "h1:Pe8bV1wozN4gOKO1rleiIY5alIyAXN+DnXDbXQcL4fI=",
        "deploy/vpa-v1-crd-gen.yaml",
        ("verticalpodautoscalers",),
    ),
    (
        "github.com/envoyproxy/gateway@v1.9.1",
        "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY=",
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_{}.yaml",
        ("backendtrafficpolicies",),
    ),
    (
        "istio.io/api@v1.32.0",
        "h1:37mJvg9I0biYZAEQF+MATs4FNeCpXEIVO3LFpVb6iNM=",
        "kubernetes/customresourcedefinitions.gen.yaml",
        ("virtualservices",),
    ),
)


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for module, checksum, path, names in _MODULES:
        command = ["go", "mod", "download", "-json", module]
        result = subprocess.run(command, capture_output=True, text=True, cwd=TARGET)  # noqa: S603
        found = json.loads(result.stdout) if result.stdout else {"Error": result.stderr}
        if "Error" in found:
            sys.exit(f"{module}: {found['Error']}")
        if found["Sum"] != checksum:
            sys.exit(f"{module} has the checksum {found['Sum']}, not {checksum}")
        for name in names:
            text = Path(found["Dir"], path.format(name)).read_text(encoding="utf-8")
            # Some files contain the definitions of all kinds of a project.
            [own] = [part for part in text.split("\n---\n") if f"\n    plural: {name}\n" in part]
            (TARGET / f"{name}.yaml").write_text(own, encoding="utf-8")


if __name__ == "__main__":
    main()
