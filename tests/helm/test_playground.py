"""What the chart starts really works: its command, variables and configuration, its probes, and its `helm test`.

The pod's process runs on this machine, with ports of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.helm.chart import gateway_yaml, only, render

TOKEN = b"a-token-of-the-continuous-integration"
BIN = Path(sys.executable).parent
VALUES: list[tuple[str, dict[str, Any]]] = [
    ("the simulator", {"simulator": {"enabled": True}}),
    ("several workers", {"simulator": {"enabled": True}, "config": {"server": {"workers": 2}}}),
    ("a vCenter, and no account for the test", {"config": {"vcenter": {"url": "https://vcenter.example.com"}}}),
    (
        "a service account, and a caller's token",
        {
            "simulator": {"enabled": True},
            "config": {"auth": {"mode": "service-account"}},
            "secrets": {"tokens": {"value": f"tokens: [{{identity: ci, sha256: '{sha256(TOKEN).hexdigest()}'}}]"}},
            "tests": {"tokenSecret": "ci"},
        },
    ),
]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


def environment(container: dict[str, Any], **more: str) -> dict[str, str]:
    """That of a container: of this machine's only what a program needs to be found."""
    return {item["name"]: item["value"] for item in container.get("env", ())} | {"PATH": f"{BIN}:/usr/bin:/bin"} | more


@contextmanager
def running(objects: list[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """The gateway's container, as a process; it has to end in order when it is told to stop."""
    container = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    config = folder / "gateway.yaml"
    text = gateway_yaml(objects).replace("settle_seconds: 35", "settle_seconds: 0")
    config.write_text(text.replace("/etc/vcenter-gateway/tokens", str(folder)))
    for secret in (item for item in objects if item["kind"] == "Secret"):
        for name, value in secret["data"].items():
            (folder / name).write_bytes(b64decode(value))
    command = [str(BIN / "vcenter-gateway"), *container["args"]]
    variables = environment(container, GATEWAY_CONFIG=str(config), TMPDIR=str(folder))
    output = folder / "output"
    with (
        output.open("wb") as both,
        subprocess.Popen(command, env=variables, stdout=both, stderr=subprocess.STDOUT) as process,
    ):
        try:
            end = time.monotonic() + 60
            while b'"event":"ready"' not in output.read_bytes():
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < end, output.read_text()
                time.sleep(0.05)
            yield container
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    # A cluster's collector reads both outputs, and finds JSON alone.
    assert all(isinstance(json.loads(line), dict) for line in output.read_text().splitlines())


def run_test(objects: list[dict[str, Any]], port: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `helm test` runs, towards a gateway on this machine."""
    test = only(objects, "Pod")["spec"]["containers"][0]
    target = f"127.0.0.1:{port}"
    (folder / "token").write_bytes(TOKEN)
    elsewhere = {"gw-vcenter-gateway.apps.svc:50051": target, "/etc/token/token": str(folder / "token")}
    arguments = [elsewhere.get(argument, argument) for argument in test["args"]]
    assert target in arguments
    command = [*test.get("command", ["vcenter-gateway"]), *arguments]
    return subprocess.run(
        [BIN / command[0], *command[1:]],
        env=environment(test) | {"HOME": os.devnull},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("values", [row[1] for row in VALUES], ids=[row[0] for row in VALUES])
def test_the_pod_and_its_test(values: dict[str, Any], tmp_path: Path) -> None:
    """The probes pass, and the test's pod ends with 0."""
    grpc, admin = free_ports(2)
    objects = render({**values, "ports": {"host": "127.0.0.1", "grpc": grpc, "admin": admin}})
    with running(objects, tmp_path) as container:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}{path}", timeout=10) as answer:
                assert answer.status == 200
        result = run_test(objects, grpc, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert ("vm-1001" in result.stdout) == ("simulator" in values)
