"""Writes the generated parts of docs/: lists and tables, the help of the command line, and code from tested files.

    generate_docs.py           writes them
    generate_docs.py --check   fails if one of them is out of date

A generated part of a page is between two comments that name it; the rest of the page is handwritten.

    <!-- generated: settings -->                                    <!-- end of generated: settings -->
    <!-- include: clients/python/examples/cdrom.py connect -->      <!-- end of include -->

An include contains the lines of the file between one that ends with `[docs: connect]` and the next that ends with
`[docs: end]`, without their common indentation; without a name, it contains the whole file.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import click
from generated import ROOT, write_or_check
from google.rpc import code_pb2
from proto_reference import ProtoReference

from gateway.admin.families import metrics_table
from gateway.cli import cli
from gateway.errors import BY_ERROR_TYPE, BY_HTTP_STATUS, SERVER_FAULTS
from gateway.settings import issuers_table, reference_table

DOCS = ROOT / "docs"

_WIDTH = 100
_LANGUAGES = {
    ".py": "python",
    ".go": "go",
    ".java": "java",
    ".ts": "typescript",
    ".rs": "rust",
    ".cc": "cpp",
    ".proto": "proto",
    ".yaml": "yaml",
    ".sh": "sh",
}


def services() -> str:
    """Every service with its .proto file, by package."""
    lines: list[str] = []
    found = ProtoReference().services.items()
    for package, members in groupby(found, key=lambda item: item[0].rpartition(".")[0]):
        lines += [f"### {package}", "", "| Service | What it does |", "|---|---|"]
        for name, (file, told) in members:
            lines.append(f"| [{name.rpartition('.')[2]}](../../protos/{file}) | {told} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def error_types() -> str:
    """vAPI's standard errors with their gRPC codes."""
    rows = ["| vAPI error type (the reason) | gRPC code |", "|---|---|"]
    return "\n".join(rows + [f"| `{name}` | `{code_pb2.Code.Name(code)}` |" for name, code in BY_ERROR_TYPE.items()])


def http_statuses() -> str:
    """HTTP statuses with the gRPC codes of responses without an error type."""
    rows = ["| HTTP status | gRPC code |", "|---|---|"]
    rows += [f"| {status} | `{code_pb2.Code.Name(code)}` |" for status, code in BY_HTTP_STATUS.items()]
    return "\n".join([*rows, "| any other | `UNKNOWN` |"])


def server_faults() -> str:
    """The codes that mean that the gateway or vCenter failed."""
    return ", ".join(f"`{name}`" for name in sorted(SERVER_FAULTS))


def alerts() -> str:
    """The chart's alerts, with their severity and how long their condition must be true before they fire."""
    template = (ROOT / "helm/vcenter-gateway/templates/prometheusrule.yaml").read_text(encoding="utf-8")
    rows = ["| Alert | Severity | Fires after |", "|---|---|---|"]
    for name, severity, after in re.findall(r'\(dict "name" "(\w+)" "severity" "(\w+)" "for" "(\w+)"', template):
        rows.append(f"| [{name}](#{name.lower()}) | {severity} | {'no delay' if after == '0m' else after} |")
    return "\n".join(rows)


def command_line() -> str:
    """The help of every command."""
    return "\n\n".join(_help(cli, None, "vcenter-gateway"))


def _help(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    settings = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    with context.scope():
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {context.command_path}\n\n```text\n{text}\n```"
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            if below is not None and not below.hidden:
                yield from _help(below, context, word)


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "reference/alerts.md": {"alerts": alerts},
    "reference/cli.md": {"command line": command_line},
    "reference/configuration.md": {"settings": reference_table, "issuers": issuers_table},
    "reference/errors.md": {
        "error types": error_types,
        "http statuses": http_statuses,
        "server faults": server_faults,
    },
    "reference/metrics.md": {"metrics": metrics_table},
    "reference/services.md": {"services": services},
}


def included(name: str, part: str) -> str:
    """The lines of a file that a page includes, as a block of code. Raises SystemExit if there are none."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if part:
        found = re.findall(rf"^[^\n]*\[docs: {part}\]\n(.*?)^[^\n]*\[docs: end\]$", text, re.DOTALL | re.MULTILINE)
        if len(found) != 1:
            sys.exit(f"{name} must have one part between [docs: {part}] and [docs: end]")
        text = found[0]
    # The line lengths of Java and TypeScript are ours, but a Go tab takes a quarter of a phone's width.
    code = textwrap.dedent(text).strip("\n").replace("\t", "    ")
    return f"```{_LANGUAGES.get(Path(name).suffix, '')}\n{code}\n```"


def render(page: str, text: str) -> str:
    """The page with its generated parts replaced. Raises SystemExit if a part has no place on it."""
    for part, make in PARTS.get(page, {}).items():
        begin, end = f"<!-- generated: {part} -->", f"<!-- end of generated: {part} -->"
        content = f"{begin}\n\n{make()}\n\n{end}".replace("\\", "\\\\")
        text, count = re.subn(f"{begin}.*?{end}", content, text, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"docs/{page} must have one part between {begin} and {end}")
    return re.sub(
        r"(<!-- include: (\S+?)(?: ([\w-]+))? -->).*?(<!-- end of include -->)",
        lambda found: f"{found[1]}\n\n{included(found[2], found[3] or '')}\n\n{found[4]}",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    """Writes or checks all pages."""
    pages = sorted(DOCS.glob("**/*.md"))
    write_or_check({page: render(page.relative_to(DOCS).as_posix(), page.read_text("utf-8")) for page in pages})


if __name__ == "__main__":
    main()
