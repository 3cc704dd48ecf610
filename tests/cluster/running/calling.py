"""Starts `load.py` and reads what its callers saw."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from gateway.contract import load_contract
from gateway.transcoding import compile_bindings
from tests.cluster.running.figures import note
from tests.helm.chart import ROOT

__all__ = ["BASIC", "Seen", "call", "calling"]

_LIST = "vcenter.v1.VmService/ListVms"
BASIC = ("authorization", "Basic " + base64.b64encode(b"administrator@vsphere.local:VMware1!").decode())


@dataclass(slots=True)
class Seen:
    """What callers saw; complete when they have ended."""

    codes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def calls(self) -> int:
        return sum(self.codes.values())


def call(target: str, *metadata: tuple[str, str]) -> tuple[str, int]:
    """Lists the machines: the code that the call ends in, and how many there are."""
    binding = compile_bindings(load_contract())[_LIST]
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = channel.unary_unary(
            f"/{_LIST}", request_serializer=bytes, response_deserializer=binding.response_class.FromString
        )
        try:
            answer: Any = stub(b"", metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            return error.code().name, 0
    return "OK", len(answer.vms)


@contextmanager
def calling(
    target: str, *metadata: tuple[str, str], ca: Path | None = None, watches: bool = True, token: Path | None = None
) -> Iterator[Seen]:
    """Callers that call while the block runs. Where one address stands for all pods, they do not watch its health.
    `token` is a file with a bearer token that is renewed."""
    command = [
        sys.executable,
        "-m",
        "tests.cluster.running.load",
        target,
        json.dumps({"metadata": metadata, "watches": watches, "token": str(token) if token else ""}),
        *([str(ca)] if ca else []),
    ]
    seen = Seen()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            # Whoever comes later would know fewer pods.
            assert process.stdout.readline() == "begun\n"
            yield seen
        except BaseException:
            process.kill()
            raise
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    found = json.loads(output)
    note(codes=found["codes"], slowest=found["slowest"])
    seen.codes, seen.failures, seen.slowest = found["codes"], found["failures"], found["slowest"]
