"""What somebody gets who installs the package: the command works away from the source tree."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway import __version__
from gateway.contract import load_contract

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `pip install .` builds it, with the tools that are installed already."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    [path] = folder.glob("*.whl")
    return path


def test_contents(wheel: Path) -> None:
    """The compiled protos, the catalogues of vCenter and py.typed are in it, and neither tests nor tools."""
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f"vcenter_gateway-{__version__}-py3-none-any.whl"
    catalogues = {"gateway/simulator/vcenter-api.json", "gateway/simulator/vcenter-api-content.json"}
    data = {"gateway/contract/descriptors.binpb", "gateway/py.typed", *catalogues}
    assert data <= set(names)
    assert {name.split("/")[0] for name in names} == {"gateway", f"vcenter_gateway-{__version__}.dist-info"}


def test_command(wheel: Path, tmp_path: Path) -> None:
    """Installed into an empty folder, the command lists the rpcs; nothing of it comes from the source tree."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, tmp_path / "site", wheel], check=True)
    code = (
        "import gateway, sys; print(gateway.__file__); sys.argv[1:] = ['routes']; from gateway.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    origin, header, *rpcs = result.stdout.splitlines()
    assert Path(origin).is_relative_to(tmp_path)
    assert header.split() == ["RPC", "SINCE", "VERB", "URL"]
    assert len(rpcs) == len(load_contract().methods)
