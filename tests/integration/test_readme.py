"""The README's first steps, word for word, against a gateway like the one that `make run` starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEFAULT_TARGET = "127.0.0.1:50051"


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def block(language: str, word: str) -> str:
    """The one block that has a word in it."""
    [found] = [text for text in blocks(language) if word in text]
    return found


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A gateway with the simulator, on a free port."""
    command = [sys.executable, "-m", "gateway", "serve", "--simulator", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as gateway:
        assert gateway.stdout is not None
        match = re.search(r" on (127\.0\.0\.1:\d+)\.", gateway.stdout.readline())
        assert match
        yield match[1]
        gateway.terminate()


def run(script: str, target: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a block of the shell, with the commands of this environment and the gateway's real port."""
    bin_folder = str(Path(sys.executable).parent)
    script = script.replace(".venv/bin", bin_folder)
    environment = {**os.environ, "VCENTER_GATEWAY": target}
    return subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - what readers type into
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_first_calls(target: str) -> None:
    """The three calls of the second shell: a list, nothing, and an error with all that vCenter says."""
    result = run(block("sh", "ListVms '{}'"), target)
    assert result.returncode == 1
    assert '"vm": "vm-1001"' in result.stdout
    assert result.stdout.endswith("}\n{}\n")
    shown = next(text for text in blocks("") if "ALREADY_IN_DESIRED_STATE" in text)
    assert re.sub(r"request id: \S+", "request id: ...", result.stderr) == re.sub(
        r"request id: \S+", "request id: ...", shown
    )


def test_python(target: str, tmp_path: Path) -> None:
    """The stubs are generated as described, and the program makes its two calls with them."""
    script = block("sh", "grpc_tools.protoc").replace("build/stubs", str(tmp_path))
    generated = run(script, target)
    assert (generated.returncode, generated.stderr) == (0, "")
    program = block("python", "GetCpu").replace("build/stubs", str(tmp_path)).replace(DEFAULT_TARGET, target)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert "hot_add_enabled: true" in result.stdout


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)#]+)", README))
def test_links(link: str) -> None:
    """Every file that the README points to is there."""
    assert (ROOT / link).exists()
