"""The programs in `examples/`, made ready as a user has them: with the client package of their language."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.contract import load_contract

__all__ = ["Ended", "Program", "go_program", "python_program"]

_ROOT = Path(__file__).parents[2]
_CLIENTS = _ROOT / "clients"
_DESCRIPTORS = _ROOT / "gateway" / "contract" / "descriptors.binpb"
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program ended with."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be started, with the environment that it needs."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def started(self, *arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """The program while it runs; it is killed where it does not end."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            env={**os.environ, **self.environment, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(self, *arguments: str, **environment: str) -> Ended:
        """Runs the program to its end."""
        async with self.started(*arguments, **environment) as process:
            return await end_of(process)


async def end_of(process: asyncio.subprocess.Process) -> Ended:
    """Waits for the end of a program."""
    out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def python_program(script: Path, folder: Path) -> Program:
    """A program in Python. The folder gets the client package, with what its build generates."""
    package = folder / "vcenter_gateway_client"
    package.mkdir()
    for module in (_CLIENTS / "python" / "src" / package.name).glob("*.py"):
        shutil.copy(module, package)
    shutil.copy(_CLIENTS / "service_config.json", package)
    load_contract()  # Compiles the descriptors, unless they are up to date.
    files = FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file
    protos = [file.name for file in files if not file.name.startswith("google/")]
    outputs = (f"--python_out={folder}", f"--grpc_python_out={folder}")
    generators = (
        ("-m", "grpc_tools.protoc", f"--descriptor_set_in={_DESCRIPTORS}", *outputs, *protos),
        (str(_CLIENTS / "python" / "generate.py"), str(_DESCRIPTORS), str(folder)),
    )
    for generator in generators:
        subprocess.run([sys.executable, "-W", "ignore", *generator], check=True, timeout=_SECONDS)
    return Program((sys.executable, str(script)), {"PYTHONPATH": str(folder)})


def go_program(source: Path, folder: Path) -> Program:
    """A program in Go, built into the folder. Skips where there is no Go."""
    if shutil.which("go") is None:
        assert not os.environ.get("CI"), "there is no Go to build the examples with"
        pytest.skip("there is no Go to build the examples with")
    binary = folder / source.parent.name
    flags = ("-buildvcs=false", "-trimpath", "-p=2")
    subprocess.run(["go", "build", "-C", str(source), *flags, "-o", str(binary), "."], check=True)  # noqa: S607
    return Program((str(binary),))
