"""Where requests come from: JSON and YAML, on the command line, in files and on lines."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from gateway.cli.request_json import RequestError, request_message
from gateway.cli.request_sources import is_lines, read_request, request_lines
from gateway.contract import load_contract

CONTRACT = load_contract()
KIND = CONTRACT.methods["vcenter.vm.hardware.v1.CpuService/UpdateCpu"].input_type
EVENTS = CONTRACT.methods["vcenter.gateway.v1.WatchService/ListEvents"].input_type
WANTED = {"vm": "vm-1", "spec": {"count": 4}}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"vm": "vm-1", "spec": {"count": 4}}', id="json"),
        pytest.param("vm: vm-1\nspec: {count: 4}", id="yaml"),
        pytest.param(' \n {"vm": "vm-1", "spec": {"count": 4}}', id="blanks"),
    ],
)
@pytest.mark.parametrize("name", ["", "request", "request.yaml", "@request.yml"])
def test_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str) -> None:
    """A request may be JSON or YAML, on the command line or in a file of any name."""
    monkeypatch.chdir(tmp_path)
    if name:
        Path(name.removeprefix("@")).write_text(text)
    assert read_request(name or text, KIND) == WANTED


def test_yaml_of_its_own_types() -> None:
    """Times that YAML reads as such, and keys that are no texts, become what JSON has."""
    times = read_request("filter: {vms: [vm-1]}\nbegin: 2026-01-31T12:00:00Z\nend: 2026-02-01", EVENTS)
    assert (times["begin"], times["end"]) == ("2026-01-31T12:00:00Z", "2026-02-01")
    assert read_request("a: {16000: x, true: y}", KIND) == {"a": {"16000": "x", "true": "y"}}


def test_empty_yaml(tmp_path: Path) -> None:
    """A template without a field that is filled in is an empty request."""
    path = tmp_path / "request.yaml"
    path.write_text("# nothing\n{}\n")
    assert read_request(str(path), KIND) == {}
    for content in ("", "# vm: nothing\n"):
        path.write_text(content)
        assert read_request(str(path), KIND) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("vm: [", "the request is not valid: line 1: it is not valid YAML", id="yaml"),
        pytest.param("vm: a\nvm: b", "'vm' occurs twice", id="twice"),
        pytest.param("vm:vm-1", "neither JSON nor YAML nor a file", id="no-blank"),
        pytest.param("nowhere.json", "nowhere.json cannot be read: No such file or directory", id="no-file"),
        pytest.param("/", "/ cannot be read: Is a directory", id="directory"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """What is no request is told with its place."""
    with pytest.raises(click.UsageError, match=message):
        read_request(text, KIND)


def test_a_pipe() -> None:
    """A request may come from a pipe that has a name, as the shell makes one for `<(jq ...)`."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe:
        pipe.write('{"vm": "vm-1"}')
        pipe.close()
        assert read_request(f"/dev/fd/{reading}", KIND) == {"vm": "vm-1"}


def test_lines(tmp_path: Path) -> None:
    """Each line is a request; a wrong one is told in its place, blank ones are left out."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"vm": "a"}\n\n{"vm": \n[]\n{"vm": "b"}')
    found = list(request_lines(str(path), KIND))
    assert [number for number, _ in found] == [1, 3, 4, 5]
    assert [item for _, item in found if not isinstance(item, RequestError)] == [{"vm": "a"}, {"vm": "b"}]
    assert [is_lines(name) for name in ("a.jsonl", "A.NDJSON", "a.json", "-")] == [True, True, False, False]


def test_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request and a line have a largest size."""
    monkeypatch.setattr("gateway.cli.request_sources._MAX_REQUEST", 12)
    path = tmp_path / "request"
    for size, is_taken in ((11, True), (12, True), (13, False)):
        path.write_text('{"vm":"' + "x" * (size - 9) + '"}')
        for read in (lambda: read_request(str(path), KIND), lambda: list(request_lines(str(path), KIND))):
            if is_taken:
                assert read()
            else:
                with pytest.raises(click.UsageError, match="more than 12 characters"):
                    read()


def test_fits() -> None:
    """What was read is a request of the rpc."""
    assert request_message(read_request("vm: vm-1", KIND), KIND, CONTRACT).vm == "vm-1"  # type: ignore[attr-defined]
