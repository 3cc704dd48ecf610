"""Contexts: kept in a file without secrets, and used as a whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml

from gateway.cli.connection import connection_options
from gateway.cli.output import Exit
from gateway.cli.place import Place
from tests.unit.cli.conftest import Invoke

SECRET = "hunter2-hunter2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where contexts are kept. No keyring is found, whatever this machine has."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return tmp_path / "vcenter-gateway"


@pytest.fixture
def add(invoke: Invoke, folder: Path) -> Invoke:
    """Adds a context."""

    def run(*arguments: str, stdin: str | None = None, **env: str | None):  # type: ignore[no-untyped-def]
        return invoke("context", *arguments, stdin=stdin, XDG_CONFIG_HOME=str(folder.parent), **env)

    return run


def test_files(add: Invoke, folder: Path) -> None:
    """The password is in a file that its owner alone can read; neither the other file nor any output has it."""
    told = add("add", "lab", "--target", "gw:443", "--user", "me@vsphere.local", "--store", "file", stdin=f"{SECRET}\n")
    assert told.exit_code == Exit.OK, told.output
    shown = "".join(add(*arguments).output for arguments in (("list",), ("list", "-o", "json"), ("show",)))
    assert SECRET not in told.output + shown + (folder / "contexts.yaml").read_text()
    assert yaml.safe_load((folder / "credentials.yaml").read_text()) == {"lab": SECRET}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *sorted(folder.iterdir()))]
    assert modes == [0o700, 0o600, 0o600, 0o600]
    assert "in the file" in shown


def test_list_use_show_delete(add: Invoke, folder: Path) -> None:
    """The first context is the current one until another is used; a deleted one takes its secret with it."""
    add("add", "b", "--target", "b:443", "--token", stdin=SECRET)
    add("add", "a", "--vcenter", "https://vc.example.com", "--user", "me", "--no-password")
    assert add("list", "-o", "name").output == "a\nb\n"
    assert [line.split()[:2] for line in add("list").output.splitlines()] == [
        ["CURRENT", "NAME"],
        ["a", "https://vc.example.com"],
        ["*", "b"],
    ]
    assert add("use", "a").exit_code == Exit.OK
    assert json.loads(add("show", "-o", "json").output) == {
        "name": "a",
        "vcenter": "https://vc.example.com",
        "user": "me",
    }
    assert add("delete", "b").exit_code == Exit.OK
    assert yaml.safe_load((folder / "credentials.yaml").read_text()) == {}
    assert json.loads(add("list", "-o", "json").output)[0]["current"] is True
    add("delete", "a")
    assert "no current context" in add("show").stderr


def test_replacing(add: Invoke, folder: Path) -> None:
    """A context is replaced with --force only, and the old secret does not stay behind."""
    add("add", "lab", "--target", "gw:443", "--token", stdin=SECRET)
    refused = add("add", "lab", "--target", "other:443")
    assert (refused.exit_code, "--force" in refused.stderr) == (Exit.USAGE, True)
    add("add", "lab", "--target", "other:443", "--force")
    assert yaml.safe_load((folder / "credentials.yaml").read_text()) == {}
    assert "other:443" in add("show", "lab").output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["x"], "needs either --target or --vcenter", id="no-server"),
        pytest.param(["x", "--target", "a:1", "--vcenter", "https://a"], "needs either", id="two-servers"),
        pytest.param(["x", "--target", "a"], "takes HOST:PORT", id="target"),
        pytest.param(["x", "--vcenter", "vc"], "must look like https://", id="url"),
        pytest.param(["x", "--vcenter", f"https://a:{SECRET}@vc"], "say who you are with --user", id="password-in-url"),
        pytest.param(["x", "--vcenter", "https://vc", "--tls"], "need --target", id="tls-to-vcenter"),
        pytest.param(["x", "--target", "a:1", "--no-vcenter-verify"], "need --vcenter", id="vcenter-option"),
        pytest.param(["x", "--target", "a:1", "--cert", __file__], "belong together", id="cert"),
        pytest.param(["x", "--target", "a:1", "--token", "--user", "me"], "exclude each other", id="two-proofs"),
        pytest.param(["x", "--target", "a:1", "--no-password"], "need --user", id="no-password"),
        pytest.param(["x", "--target", "a:1", "--user", f"me:{SECRET}"], "must not have a colon", id="colon"),
        pytest.param(["x", "--target", "a:1", "--user", "me"], "standard input is empty", id="no-input"),
        pytest.param(["x", "--target", "a:1", "--token", "--force"], "Token: standard input is empty", id="no-token"),
        pytest.param(["x", "--target", "a:1", "--token", "--store", "keyring"], "has no keyring", id="no-keyring"),
        pytest.param(["-x y", "--target", "a:1"], "No such option", id="option-as-name"),
        pytest.param(["x y", "--target", "a:1"], "cannot name a context", id="name"),
        pytest.param(["x" * 65, "--target", "a:1"], "cannot name a context", id="long-name"),
    ],
)
def test_mistakes(add: Invoke, folder: Path, arguments: list[str], text: str) -> None:
    """What cannot be a context is refused, and nothing is kept."""
    told = add("add", *arguments, stdin=f"{SECRET}\n" if "--store" in arguments else "")
    assert (told.exit_code, text in " ".join(told.stderr.split())) == (Exit.USAGE, True), told.stderr
    assert SECRET not in told.output
    assert not (folder / "contexts.yaml").exists()


def test_longest_name(add: Invoke) -> None:
    """A name has up to 64 characters."""
    assert add("add", "x" * 64, "--target", "a:1").exit_code == Exit.OK


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("[", "not valid YAML", id="yaml"),
        pytest.param("[]", "needs `contexts`", id="list"),
        pytest.param("contexts: {a: {target: 'a:1', colour: red}}", "unknown key 'colour'", id="key"),
        pytest.param("contexts: {a: {target: 1}}", "must be a text", id="type"),
        pytest.param("contexts: {a: {target: 'a:1', tls: 'yes'}}", "must be true or false", id="switch"),
        pytest.param("contexts: {a: {}}", "either target or vcenter", id="no-server"),
        pytest.param("{current: b, contexts: {a: {target: 'a:1'}}}", "'b' does not exist", id="current"),
    ],
)
def test_damaged_file(add: Invoke, folder: Path, content: str, text: str) -> None:
    """What is wrong in the file is said with its name."""
    folder.mkdir()
    (folder / "contexts.yaml").write_text(content)
    told = add("list")
    assert (told.exit_code, text in told.stderr, "contexts.yaml" in told.stderr) == (Exit.USAGE, True, True), (
        told.stderr
    )


def test_secrets_that_others_can_read(add: Invoke, invoke: Invoke, folder: Path) -> None:
    """A file of secrets that others can read is not used."""
    add("add", "lab", "--target", "127.0.0.1:1", "--token", stdin=SECRET)
    (folder / "credentials.yaml").chmod(0o640)
    told = invoke("call", "ListVms", XDG_CONFIG_HOME=str(folder.parent))
    assert (told.exit_code, "chmod 600" in told.stderr) == (Exit.USAGE, True)
    assert SECRET not in told.output


def test_a_user_without_a_home(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no home directory, as in a container, has no contexts and can call; only keeping one is refused."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    called = invoke("call", "--target", "127.0.0.1:1", "ListVms", XDG_CONFIG_HOME=None)
    assert (called.exit_code, "nothing listens" in called.stderr) == (Exit.UNREACHABLE, True), called.stderr
    added = invoke("context", "add", "lab", "--target", "a:1", XDG_CONFIG_HOME=None)
    assert (added.exit_code, "set XDG_CONFIG_HOME" in added.stderr) == (Exit.USAGE, True)


def test_a_home_that_cannot_be_looked_into(invoke: Invoke) -> None:
    """Where the system refuses to look for the file, here since its name is too long, there are no contexts."""
    called = invoke("call", "--target", "127.0.0.1:1", "ListVms", XDG_CONFIG_HOME=f"/{'x' * 300}")
    assert called.exit_code == Exit.UNREACHABLE
    assert "there are no contexts" in invoke("context", "list", XDG_CONFIG_HOME=f"/{'x' * 300}").stderr


def test_an_empty_file(invoke: Invoke, tmp_path: Path) -> None:
    """An empty file has no contexts, and the first one can be added."""
    path = tmp_path / "vcenter-gateway" / "contexts.yaml"
    path.parent.mkdir(mode=0o700)
    path.write_text("")
    assert "there are no contexts" in invoke("context", "list", XDG_CONFIG_HOME=str(tmp_path)).stderr
    assert invoke("context", "add", "lab", "--target", "a:1", XDG_CONFIG_HOME=str(tmp_path)).exit_code == Exit.OK


CONTEXTS = """
current: lab
contexts:
  lab: {target: 'lab:443', ca: /lab.pem, user: me}
  ci: {target: 'ci:443', token_file: /token}
  vc: {vcenter: 'https://vc', user: me}
"""


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        pytest.param([], {}, ("lab:443", "/lab.pem", "me", None), id="current"),
        pytest.param(["--context", "ci"], {}, ("ci:443", None, None, "/token"), id="named"),
        pytest.param([], {"VCENTER_GATEWAY_CONTEXT": "ci"}, ("ci:443", None, None, "/token"), id="by-environment"),
        pytest.param(["--target", "other:1"], {}, ("other:1", None, None, None), id="another-server-gets-nothing"),
        pytest.param([], {"VCENTER_GATEWAY": "other:1"}, ("other:1", None, None, None), id="environment-first"),
        pytest.param(
            ["--context", "ci"], {"VCENTER_GATEWAY": "other:1"}, ("ci:443", None, None, "/token"), id="named-first"
        ),
        pytest.param(["--user", "you"], {}, ("lab:443", "/lab.pem", "you", None), id="another-caller"),
        pytest.param([], {"VCENTER_USER": "you"}, ("lab:443", "/lab.pem", "you", None), id="caller-by-environment"),
        pytest.param(
            ["--context", "ci"], {"VCENTER_USER": "you"}, ("ci:443", None, None, "/token"), id="caller-of-the-named"
        ),
        pytest.param(["--ca", __file__], {}, ("lab:443", __file__, "me", None), id="another-authority"),
    ],
)
def test_precedence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variables: dict[str, str],
    expected: tuple[str | None, ...],
) -> None:
    """Flags go before the environment, and that before the current context; one that is named goes before the
    environment. Another server gets nothing of a context, and who calls comes from one place."""
    import click
    from click.testing import CliRunner

    folder.mkdir()
    (folder / "contexts.yaml").write_text(CONTEXTS)
    found: list[Place] = []

    @click.command()
    @connection_options(to_vcenter=True)
    def command(place: Place) -> None:
        found.append(place)

    told = CliRunner().invoke(command, arguments, env={"XDG_CONFIG_HOME": str(folder.parent), **variables})
    assert told.exit_code == 0, told.output
    settings = found[0].settings
    assert (settings.target, settings.ca, settings.user, settings.token_file) == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["call", "ListVms", "--context", "none"], "there is no context 'none'", id="unknown"),
        pytest.param(["call", "ListVms", "--context", "lab", "--target", "a:1"], "leave out --target", id="both"),
        pytest.param(["watch", "vms", "--context", "vc"], "needs a gateway", id="vcenter-for-watch"),
        pytest.param(["call", "GetGateway", "--context", "vc"], "by the gateway itself", id="own-rpc"),
    ],
)
def test_context_mistakes(invoke: Invoke, folder: Path, arguments: list[str], text: str) -> None:
    """A context that cannot be used is refused before anything is called."""
    folder.mkdir()
    (folder / "contexts.yaml").write_text(CONTEXTS)
    told = invoke(*arguments, XDG_CONFIG_HOME=str(folder.parent))
    assert (told.exit_code, text in " ".join(told.stderr.split())) == (Exit.USAGE, True), told.stderr
