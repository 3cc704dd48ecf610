"""The Dockerfile keeps what it promises, as far as reading it tells. `make image-test` builds and runs the image."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.helm.chart import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions(name: str) -> list[str]:
    """The arguments of all instructions of a name, continued lines joined."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def test_hadolint() -> None:
    """hadolint finds nothing."""
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout


def test_the_base_is_named_once() -> None:
    """Both stages are made from the same one, which a build may replace."""
    assert [stage.split()[0] for stage in instructions("FROM")] == ["${BASE}", "${BASE}"]
    assert len([text for text in instructions("ARG") if text.startswith("BASE=")]) == 1


def test_how_it_runs() -> None:
    """As a user without a name or rights, without a shell, and stopped in order."""
    assert instructions("USER") == ["65532:65532"]
    assert instructions("ENTRYPOINT") == ['["vcenter-gateway"]']
    assert instructions("CMD") == ['["serve"]']
    assert instructions("STOPSIGNAL") == ["SIGTERM"]


def test_what_it_says_of_itself() -> None:
    """Registries and scanners read what it is, which version, from which revision, and on which base."""
    [labels] = instructions("LABEL")
    named = set(re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", labels))
    assert named == {"title", "description", "licenses", "version", "revision", "base.name"}
    # What stands before the first stage is known in another one only where it is asked for.
    after = DOCKERFILE.rpartition("FROM ")[2]
    for name in re.findall(r"\${(\w+)}", labels):
        assert re.search(rf"^ARG {name}\b", after, re.MULTILINE), name


def test_requirements_are_hashed() -> None:
    """What is installed from an index is pinned and hashed; the rest comes without one."""
    commands = [command for text in instructions("RUN") for command in text.split("&&")]
    installs = [command for command in commands if re.search(r"/pip .*\b(install|wheel)\b", command)]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install


def test_the_wheel_is_built_as_the_package_says() -> None:
    """requirements/build.in, from which build.txt is pinned, has what pyproject.toml needs for a build."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    given = (ROOT / "requirements" / "build.in").read_text(encoding="utf-8").split()
    assert set(needed) <= set(given)
    pinned = (ROOT / "requirements" / "build.txt").read_text(encoding="utf-8")
    assert all(f"{requirement} \\" in pinned for requirement in needed)


def test_only_what_is_needed_reaches_the_build() -> None:
    """Everything is left out that .dockerignore does not let in, and it lets in what the Dockerfile copies."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {path for text in instructions("COPY") if not text.startswith("--from") for path in text.split()[:-1]}
    assert let_in == copied
