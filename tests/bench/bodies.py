"""The responses of the upstream: bodies from the simulator, stored as files that nginx serves.

A folder of files is one state of vCenter: the path of each file is that of its REST call.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import requests

from gateway.simulator import Simulator, SimulatorOptions

__all__ = ["CDROM", "LIST", "VM", "VMS", "cdrom_path", "write_bodies"]

VMS = tuple(f"vm-{number}" for number in range(1001, 1011))
"""The machines in requests, almost always the first one."""
CDROM = "16000"
VM = f"/api/vcenter/vm/{VMS[0]}"
LIST = "/api/vcenter/vm"


def cdrom_path(vm: str) -> str:
    """The REST path of a machine's CD-ROM."""
    return f"/api/vcenter/vm/{vm}/hardware/cdrom/{CDROM}"


def write_bodies(folder: Path, sizes: Sequence[int]) -> None:
    """Writes `folder/vcenter` with single machines, and `folder/vcenter-N` with a list of N for each size."""
    answers = asyncio.run(_answers(20, (VM, cdrom_path(VMS[0]))))
    _write(folder / "vcenter", VM, answers[VM])
    for vm in VMS:
        _write(folder / "vcenter", cdrom_path(vm), answers[cdrom_path(VMS[0])])
    machines = json.loads(asyncio.run(_answers(max(sizes), (LIST,)))[LIST])
    for size in sizes:
        _write(folder / f"vcenter-{size}", LIST, json.dumps(machines[:size]).encode())


def _write(folder: Path, path: str, body: bytes) -> None:
    file = folder / f"{path.lstrip('/')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)


async def _answers(vms: int, paths: Sequence[str]) -> dict[str, bytes]:
    async with Simulator(SimulatorOptions(vms=vms)) as vcenter:
        return await asyncio.to_thread(_get, vcenter, paths)


def _get(vcenter: Simulator, paths: Sequence[str]) -> dict[str, bytes]:
    with requests.Session() as session:
        login = session.post(f"{vcenter.url}/api/session", auth=(vcenter.user, vcenter.password), timeout=10)
        session.headers["vmware-api-session-id"] = login.json()
        answers = {}
        for path in paths:
            answer = session.get(vcenter.url + path, timeout=60)
            answer.raise_for_status()
            answers[path] = answer.content
    return answers
