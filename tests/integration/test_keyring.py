"""Passwords of contexts in a real keyring: GNOME's, in a session bus of the test's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, running_system

PROGRAMS = ("dbus-run-session", "gnome-keyring-daemon")

SCRIPT = """
set -e
printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null
gateway() { "$PYTHON" -m gateway "$@"; }
printf '%s\\n' "$PASSWORD" | gateway context add lab --target "$TARGET" --user "$ACCOUNT"
gateway context show lab
gateway call GetPower --vm web-0001
gateway context delete lab
printf '%s\\n' "$PASSWORD" | gateway context add other --target "$TARGET" --user "$ACCOUNT" --store file
gateway context show other
"""

ADD = """
gateway() { "$PYTHON" -m gateway "$@"; }
printf '%s\\n' "$PASSWORD" | gateway context add lab --target "$TARGET" --user "$ACCOUNT"
"""


BUS = ("dbus-run-session", "--")


async def session(
    folder: Path, script: str, target: str, bus: tuple[str, ...] = BUS
) -> subprocess.CompletedProcess[str]:
    """Runs a script in a session of its own. The continuous integration has the programs."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        assert not os.environ.get("CI"), f"{missing} are not installed"
        pytest.skip(f"{', '.join(missing)} not installed")
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LANG")}
    folders = {"HOME": folder, "XDG_CONFIG_HOME": folder / "config", "XDG_DATA_HOME": folder, "XDG_RUNTIME_DIR": folder}
    return await asyncio.to_thread(
        subprocess.run,
        [*bus, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={
            **kept,
            **{name: str(path) for name, path in folders.items()},
            "PYTHON": sys.executable,
            "PASSWORD": PASSWORD,
            "ACCOUNT": ADMINISTRATOR,
            "TARGET": target,
        },
    )


async def test_a_keyring(tmp_path: Path) -> None:
    """The password is in the keyring and in no file, is used from there, and goes with the context."""
    async with running_system() as system:
        ended = await session(tmp_path, SCRIPT, system.address)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the password is in the keyring" in ended.stdout
    assert "password: in the keyring" in ended.stdout
    assert "POWER_STATE_POWERED_ON" in ended.stdout
    assert "password: in the file" in ended.stdout
    assert PASSWORD not in ended.stdout + ended.stderr
    folder = tmp_path / "config" / "vcenter-gateway"
    assert yaml.safe_load((folder / "credentials.yaml").read_text()) == {"other": PASSWORD}
    assert PASSWORD not in (folder / "contexts.yaml").read_text()


async def test_a_locked_keyring(tmp_path: Path) -> None:
    """A keyring that nobody can unlock is told, with the way without it; nothing is kept."""
    ended = await session(tmp_path, ADD, "127.0.0.1:1")
    assert (ended.returncode, "--store file does without it" in ended.stderr) == (2, True), ended.stdout + ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
    assert [path.name for path in (tmp_path / "config" / "vcenter-gateway").iterdir()] == ["contexts.yaml.lock"]


async def test_no_keyring(tmp_path: Path) -> None:
    """Where the session has no keyring, the password goes into a file, and that is said."""
    ended = await session(tmp_path, ADD, "127.0.0.1:1", bus=())
    assert (ended.returncode, "the password is in the file" in ended.stdout) == (0, True), ended.stdout + ended.stderr
