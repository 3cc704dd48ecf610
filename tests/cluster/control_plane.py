"""A control plane on this machine: etcd, API server, controller manager and scheduler, as processes that are stopped.

Objects are stored, defaulted and judged as in any cluster, Deployments make ReplicaSets and these make pods; without a
node, pods stay Pending.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cluster.build import Kubernetes
from tests.integration.certificates import Authority

__all__ = [
    "ISSUER",
    "SERVICES",
    "ControlPlane",
    "StartError",
    "api_server_flags",
    "control_plane",
    "new_signer",
    "wait_until_ready",
]

ISSUER = "https://kubernetes.default.svc"
SERVICES = "198.19.0.0/16"
_FIRST_SERVICE = "198.19.0.1"


class StartError(Exception):
    """A part did not start; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane."""

    kubernetes: Kubernetes
    folder: Path
    address: str
    ports: dict[str, int]
    _parts: dict[str, subprocess.Popen[bytes]]

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"https://{self.address}:{self.ports['kube-apiserver']}"

    def session(self) -> requests.Session:
        """A client of the API server, as an administrator."""
        session = requests.Session()
        session.verify = str(self.file("ca.crt"))
        session.cert = (str(self.file("admin.crt")), str(self.file("admin.key")))
        session.trust_env = False
        return session

    @property
    def kubeconfig(self) -> Path:
        """For an administrator."""
        return self.folder / "admin.kubeconfig"

    def file(self, name: str) -> Path:
        """A certificate or key by its name."""
        return self.folder / name

    def start(self, part: str, *flags: str) -> None:
        """Starts a part, or starts it again with other flags."""
        self.start_program(part, str(self.kubernetes.program), part, *flags)

    def start_program(self, part: str, *command: str) -> None:
        """The same for a program that is not Kubernetes' own."""
        self.stop(part)
        with self.log(part).open("ab") as log:
            polite = ["nice", "-n", "5", *command]
            self._parts[part] = subprocess.Popen(polite, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, part: str) -> None:
        """Stops a part, if it runs."""
        if (process := self._parts.pop(part, None)) is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self) -> None:
        """What depends on others goes first."""
        for part in [*self._parts][::-1]:
            self.stop(part)

    def log(self, part: str) -> Path:
        """The file with a part's log."""
        return self.folder / f"{part}.log"

    def check(self, part: str) -> None:
        """Raises where a part has ended."""
        if self._parts[part].poll() is not None:
            lines = self.log(part).read_text(encoding="utf-8", errors="replace").splitlines()
            raise StartError(f"{part} ended: " + "\n".join(lines[-5:]))


@contextmanager
def control_plane(kubernetes: Kubernetes, folder: Path, address: str = "127.0.0.1") -> Iterator[ControlPlane]:
    """Starts one, with its files in a folder, on free ports of an address; stops it in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("kube-apiserver", "etcd", "etcd-peers", "kube-controller-manager", "kube-scheduler")
    plane = ControlPlane(
        kubernetes, folder, address, dict(zip(names, _free_ports(address, len(names)), strict=True)), {}
    )
    _make_keys(plane)
    try:
        _start_all(plane)
        yield plane
    finally:
        plane.stop_all()


def new_signer(path: Path) -> None:
    """Makes a key that signs the tokens of ServiceAccounts."""
    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    path.chmod(0o600)


def api_server_flags(plane: ControlPlane, *signers: str) -> list[str]:
    """The API server's flags. The first of the signers signs, tokens of the others are still valid."""
    ca = str(plane.file("ca.crt"))
    admin = (
        "--kubelet-client-certificate",
        str(plane.file("admin.crt")),
        "--kubelet-client-key",
        str(plane.file("admin.key")),
    )
    keys = [flag for name in signers for flag in ("--service-account-key-file", str(plane.file(name)))]
    return [
        *("--etcd-servers", f"http://{plane.address}:{plane.ports['etcd']}"),
        *("--bind-address", plane.address, "--secure-port", str(plane.ports["kube-apiserver"])),
        # Pods find the API server by the endpoints of the service `kubernetes`, which cannot be loopback addresses.
        *("--endpoint-reconciler-type", "none" if plane.address.startswith("127.") else "lease"),
        *("--authorization-mode", "Node,RBAC"),
        *("--tls-cert-file", str(plane.file("server.crt")), "--tls-private-key-file", str(plane.file("server.key"))),
        *("--client-ca-file", ca, "--kubelet-certificate-authority", ca, *admin),
        *("--kubelet-preferred-address-types", "InternalIP", "--service-cluster-ip-range", SERVICES),
        *("--service-account-issuer", ISSUER, "--service-account-signing-key-file", str(plane.file(signers[0])), *keys),
        *("--requestheader-client-ca-file", ca, "--requestheader-allowed-names", "aggregator"),
        *("--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group"),
        *("--requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        *("--proxy-client-cert-file", str(plane.file("aggregator.crt"))),
        *("--proxy-client-key-file", str(plane.file("aggregator.key"))),
        *("--allow-privileged=true", "--enable-aggregator-routing=true"),
    ]


def _start_all(plane: ControlPlane) -> None:
    own, others = (f"http://{plane.address}:{plane.ports[name]}" for name in ("etcd", "etcd-peers"))
    plane.start(
        "etcd",
        *("--data-dir", str(plane.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"),
        *("--listen-client-urls", own, "--advertise-client-urls", own),
        *(
            "--listen-peer-urls",
            others,
            "--initial-advertise-peer-urls",
            others,
            "--initial-cluster",
            f"default={others}",
        ),
    )
    plane.start("kube-apiserver", *api_server_flags(plane, "signer.key"))
    wait_until_ready(plane)
    plane.start(
        "kube-controller-manager",
        *_controller_flags(plane, plane.ports["kube-controller-manager"]),
        *(
            "--root-ca-file",
            str(plane.file("ca.crt")),
            "--service-account-private-key-file",
            str(plane.file("signer.key")),
        ),
        # Short, so that a test need not wait for the autoscaler's usual quarter of a minute.
        *("--horizontal-pod-autoscaler-sync-period", "3s", "--horizontal-pod-autoscaler-initial-readiness-delay", "5s"),
        *("--horizontal-pod-autoscaler-cpu-initialization-period", "10s"),
    )
    plane.start("kube-scheduler", *_controller_flags(plane, plane.ports["kube-scheduler"]))


def _controller_flags(plane: ControlPlane, port: int) -> list[str]:
    config = str(plane.kubeconfig)
    access = ("--kubeconfig", config, "--authentication-kubeconfig", config, "--authorization-kubeconfig", config)
    return [*access, "--bind-address", plane.address, "--secure-port", str(port), "--leader-elect=false"]


def wait_until_ready(plane: ControlPlane, seconds: float = 90) -> None:
    """Waits for the API server, and for what it makes in the beginning."""
    end = time.monotonic() + seconds
    with plane.session() as session:
        while True:
            with suppress(requests.RequestException):
                if session.get(f"{plane.url}/readyz", timeout=5).ok:
                    return
            plane.check("etcd")
            plane.check("kube-apiserver")
            if time.monotonic() > end:
                raise StartError(f"kube-apiserver is not ready after {seconds} seconds")
            time.sleep(0.1)


def _make_keys(plane: ControlPlane) -> None:
    authority = Authority("cluster", valid=timedelta(days=2))
    plane.file("ca.crt").write_bytes(authority.certificate)
    names = [plane.address, "127.0.0.1", _FIRST_SERVICE, "localhost", "kubernetes.default.svc", "kubernetes.default"]
    for name, common_name, organization, alternatives in (
        ("server", "kube-apiserver", "", names),
        ("admin", "admin", "system:masters", []),
        ("aggregator", "aggregator", "", []),
        ("kubelet", "system:node:node", "system:nodes", [plane.address, "node"]),
    ):
        pair = authority.issue(common_name, names=alternatives, organization=organization)
        plane.file(f"{name}.crt").write_bytes(pair.certificate)
        plane.file(f"{name}.key").write_bytes(pair.key)
    for name in ("admin", "kubelet"):
        _write_kubeconfig(plane, name)
    new_signer(plane.file("signer.key"))


def _write_kubeconfig(plane: ControlPlane, name: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "cluster", "cluster": {"server": plane.url, "certificate-authority": str(plane.file("ca.crt"))}}
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate": str(plane.file(f"{name}.crt")),
                    "client-key": str(plane.file(f"{name}.key")),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": "cluster", "user": name}}],
        "current-context": name,
    }
    path = plane.file(f"{name}.kubeconfig")
    path.write_text(json.dumps(content))
    path.chmod(0o600)


def _free_ports(address: str, count: int) -> list[int]:
    sockets = [socket.create_server((address, 0)) for _ in range(count)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports
