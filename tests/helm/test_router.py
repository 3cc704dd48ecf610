"""A fleet's router is a real Envoy with the chart's configuration, in front of two gateways."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import yaml

from gateway.contract import load_contract
from gateway.transcoding import compile_bindings
from tests.helm.chart import CONFIG, only, render
from tests.helm.test_playground import free_ports
from tests.integration.certificates import Authority
from tests.integration.processes import running

LIST = compile_bindings(load_contract())["vcenter.v1.VmService/ListVms"]
MACHINES = {"east": 3, "west": 5}
VALUES: dict[str, Any] = {
    "vcenters": {name: {"config": {"vcenter": {"url": f"https://{name}.example.com"}}} for name in MACHINES},
    "router": {"enabled": True},
}


def test_the_router() -> None:
    """Its pods have labels that no gateway's selector finds, and are hardened like the rest."""
    objects = render(VALUES)
    router = only(objects, "Deployment", "-router")
    labels = router["spec"]["template"]["metadata"]["labels"]
    assert router["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert only(objects, "Service", "-router")["spec"]["selector"].items() <= labels.items()
    for name in MACHINES:
        assert not only(objects, "Service", f"-{name}")["spec"]["selector"].items() <= labels.items()
    gateway = only(objects, "Deployment", "-east")["spec"]["template"]["spec"]
    spec = router["spec"]["template"]["spec"]
    assert spec["containers"][0]["securityContext"] == gateway["containers"][0]["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False


@dataclass(frozen=True)
class Fleet:
    """A router in front of gateways, each with as many machines as MACHINES says."""

    address: str
    probes: str
    credentials: grpc.ChannelCredentials | None

    async def machines(self, *vcenter: str) -> int:
        """How many machines a call finds at the vCenter that it names."""
        metadata = [("x-vcenter", name) for name in vcenter]
        metadata.append(("authorization", "Basic YWRtaW5pc3RyYXRvckB2c3BoZXJlLmxvY2FsOlZNd2FyZTEh"))
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.credentials:
            channel = grpc.aio.secure_channel(self.address, self.credentials, options=options)
        else:
            channel = grpc.aio.insecure_channel(self.address, options=options)
        async with channel:
            stub: Any = channel.unary_unary(
                "/vcenter.v1.VmService/ListVms",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=LIST.response_class.FromString,
            )
            answer = await stub(LIST.request_class(), metadata=metadata, timeout=20)
        return len(answer.vms)


@contextmanager
def envoy(config: dict[str, Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Envoy with a configuration."""
    program = shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "there is no envoy beside the interpreter: run `make .venv/ready`"
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(config))
    log = folder / "envoy.log"
    command = [program, "--config-path", str(file), "--log-level", "warning", "--disable-hot-restart"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
    assert process.returncode == 0
    # Whatever it warns of would be an error some versions later.
    assert [line for line in log.read_text().splitlines() if "SIGTERM" not in line] == []


@asynccontextmanager
async def fleet(folder: Path, default: str = "", pair: Any = None, away: str = "") -> AsyncIterator[Fleet]:
    """Two gateways and the router, as the chart has it; only addresses and files are this machine's."""
    router = VALUES["router"] | {"default": default, "tlsSecret": "router" if pair else ""}
    annotations = only(render(VALUES | {"router": router}), "Deployment", "-router")["spec"]["template"]["metadata"][
        "annotations"
    ]
    config = yaml.safe_load(annotations[CONFIG].replace("/etc/envoy/", f"{folder}/"))
    calls, probes, admin = free_ports(3)
    for listener, port in zip(config["static_resources"]["listeners"], (calls, probes), strict=True):
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    config["admin"]["address"]["socket_address"]["port_value"] = admin
    if pair:
        (folder / "certificate.yaml").write_text(
            annotations["vcenter-gateway/certificate"].replace("/etc/envoy-tls", str(folder))
        )
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(pair.key)
    async with AsyncExitStack() as stack:
        for cluster in config["static_resources"]["clusters"]:
            [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
            address = endpoint["endpoint"]["address"]["socket_address"]
            if cluster["name"] == "own-admin-port":
                address["port_value"] = admin
                continue
            assert address["address"] == f"gw-vcenter-gateway-{cluster['name']}-headless.apps.svc.cluster.local"
            [port] = free_ports(1)
            address |= {"address": "127.0.0.1", "port_value": port}
            if cluster["name"] != away:
                own = folder / cluster["name"]
                own.mkdir()
                vms = str(MACHINES[cluster["name"]])
                # At all addresses, where nobody is the simulator's own user without credentials.
                arguments = ("serve", "--simulator", "--simulator-vms", vms, "--listen", f"127.0.0.1:{port}")
                await (await stack.enter_async_context(running(own, *arguments))).wait_for("serves")
        await _wait_until_ready(stack.enter_context(envoy(config, folder)), probes)
        credentials = grpc.ssl_channel_credentials((folder / "ca.crt").read_bytes()) if pair else None
        yield Fleet(f"localhost:{calls}" if pair else f"127.0.0.1:{calls}", f"http://127.0.0.1:{probes}", credentials)


async def _wait_until_ready(process: subprocess.Popen[bytes], probes: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await asyncio.to_thread(read, f"http://127.0.0.1:{probes}/healthz")
                return
            except OSError:
                assert process.poll() is None
                await asyncio.sleep(0.05)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (always http://127.0.0.1)
        text: str = answer.read().decode()
    return text


async def refused(found: Fleet, *vcenter: str) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await found.machines(*vcenter)
    return raised.value.code().name, raised.value.details() or ""


async def test_the_metadata_chooses(tmp_path: Path) -> None:
    """Each vCenter by its name; a name that there is not, and none at all, are refused with a sentence."""
    async with fleet(tmp_path) as found:
        assert await found.machines("east") == 3
        assert await found.machines("west") == 5
        assert await refused(found, "north") == (
            "INVALID_ARGUMENT",
            "unknown vCenter in the metadata x-vcenter; this gateway serves east, west",
        )
        assert await refused(found) == (
            "INVALID_ARGUMENT",
            "the call does not select a vCenter; set the metadata x-vcenter to one of east, west",
        )
        assert "envoy_cluster_upstream_rq" in await asyncio.to_thread(read, f"{found.probes}/metrics")
        with pytest.raises(OSError, match="404"):
            await asyncio.to_thread(read, f"{found.probes}/quitquitquit")


async def test_a_default(tmp_path: Path) -> None:
    """It takes calls that name no vCenter, and none that name a wrong one."""
    async with fleet(tmp_path, default="west") as found:
        assert await found.machines() == 5
        assert (await refused(found, "north"))[0] == "INVALID_ARGUMENT"


async def test_one_away_leaves_the_other_alone(tmp_path: Path) -> None:
    """Where a vCenter has no gateway, its calls fail and those of others do not."""
    async with fleet(tmp_path, away="west") as found:
        assert (await refused(found, "west"))[0] == "UNAVAILABLE"
        assert await found.machines("east") == 3


async def test_tls(tmp_path: Path) -> None:
    """Callers speak TLS with the router where it has a secret, from the first call on."""
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    async with fleet(tmp_path, pair=authority.issue("router", names=["localhost"])) as found:
        assert await found.machines("east") == 3
