"""The install lines of the clients' documents, word for word, with what `make clients` has built.

They take the language's toolchain and registry, and are skipped where either is missing, or nothing was built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
# Where these lines do not tell what this machine is to do: what they build is there, and nobody installs packages of
# the system for a test.
_NOT_HERE = re.compile(r"^(make |apt-get ).*\n", re.MULTILINE)


def lines(language: str) -> str:
    """The first shell block of a client's document, to be run in a folder of one's own."""
    text = (ROOT / "clients" / language / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found
    script = _NOT_HERE.sub("", found[1])
    assert "install" in script or "get" in script
    return re.sub(r"(?<![\w/])dist/", f"{DIST}/", script.replace("/path/to/vcenter-gateway", str(ROOT)))


def needs(tool: str, built: str) -> None:
    """Skips the test where the tool is missing, or what was built."""
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool}")
    if not list(DIST.glob(built)):
        pytest.skip(f"dist/{built} was not built: run `make clients`")


def run(script: str, folder: Path, **variables: str) -> str:
    """Runs a script, and returns what it wrote."""
    done = subprocess.run(
        ["bash", "-e", "-c", script],  # noqa: S607 - what readers type into
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
def test_python(tmp_path: Path) -> None:
    """The wheel is installed into an empty environment, and can be imported."""
    needs("python3", "vcenter_gateway_client-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    path = f"{tmp_path}/venv/bin:{os.environ['PATH']}"
    check = "python -c 'import vcenter_gateway_client; print(vcenter_gateway_client.__file__)'"
    told = run(f"{lines('python')}\n{check}", tmp_path, PATH=path, PYTHONPATH="", PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert told.splitlines()[-1].startswith(str(tmp_path))


@pytest.mark.timeout(900)
def test_typescript(tmp_path: Path) -> None:
    """The package is installed into an empty project, and can be imported."""
    needs("npm", "vcenter-gateway-client-*.tgz")
    (tmp_path / "package.json").write_text('{"name": "mine", "private": true, "type": "module"}')
    check = "node -e 'import(\"vcenter-gateway-client\").then(module => console.log(Object.keys(module).join()))'"
    assert "connect" in run(f"{lines('typescript')}\n{check}", tmp_path)


@pytest.mark.timeout(900)
def test_go(tmp_path: Path) -> None:
    """The module is found in `dist/go`, and a program that imports it compiles."""
    needs("go", "go/github.com/vcenter-gateway/vcenter-gateway/clients/go/@v/*.zip")
    module = "github.com/vcenter-gateway/vcenter-gateway/clients/go"
    (tmp_path / "main.go").write_text(f'package main\n\nimport _ "{module}"\n\nfunc main() {{}}\n')
    run(f"go mod init example.com/mine && {lines('go')}\ngo mod tidy && go vet .", tmp_path, GOFLAGS="-mod=mod")


@pytest.mark.timeout(900)
def test_java(tmp_path: Path) -> None:
    """The jar is put into an empty local repository with its POM, so that what it needs is known."""
    needs("mvn", "vcenter-gateway-client-*[0-9].jar")
    repository = tmp_path / "repository"
    run(lines("java"), tmp_path, MAVEN_OPTS=f"-Dmaven.repo.local={repository}")
    [pom] = repository.glob("io/github/vcenter-gateway/vcenter-gateway-client/*/*.pom")
    assert "<dependency>" in pom.read_text(encoding="utf-8")


@pytest.mark.timeout(1800)
def test_cpp(tmp_path: Path) -> None:
    """The source package is unpacked, built and installed, below a folder of this test's."""
    needs("cmake", "vcenter-gateway-client-cpp-*.tar.gz")
    if not os.environ.get("CI"):
        pytest.skip("it takes many minutes; the continuous integration runs it")
    run(lines("cpp"), tmp_path, DESTDIR=str(tmp_path / "installed"))
    assert list((tmp_path / "installed").rglob("vcenter_gateway_client-config.cmake")) or list(
        (tmp_path / "installed").rglob("vcenter_gateway_clientConfig.cmake")
    )


def test_rust(tmp_path: Path) -> None:
    """The dependency by path names a crate that is there."""
    text = (ROOT / "clients" / "rust" / "README.md").read_text(encoding="utf-8")
    found = re.search(r'^(\S+) = \{ path = "/path/to/vcenter-gateway/(\S+)" \}$', text, re.MULTILINE)
    assert found
    manifest = (ROOT / found[2] / "Cargo.toml").read_text(encoding="utf-8")
    assert f'name = "{found[1]}"' in manifest
