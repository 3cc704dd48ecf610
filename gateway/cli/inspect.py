"""`routes`, `descriptors` and `version`: what this program offers, without making a call."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from gateway import __version__
from gateway.cli.output import Exit, echo, echo_data
from gateway.cli.parameter_types import output_option
from gateway.cli.user_files import explained

__all__ = ["descriptors", "routes", "version"]

_OWN = "the gateway itself"


@click.command(
    epilog="""
\b
Examples:
  vcenter-gateway routes
  vcenter-gateway routes Cdrom
  vcenter-gateway routes -o json | jq -r '.[] | select(.verb == "GET") | .rpc'
"""
)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@output_option("table")
@click.option("--json", "as_json", is_flag=True, hidden=True)  # The former way to say `-o json`.
def routes(words: tuple[str, ...], output: str, as_json: bool) -> None:
    """Lists every rpc with the REST call it becomes. WORDs narrow the list down.

    On a terminal that is too narrow, the call is on a line of its own.

    JSON and YAML also have the errors that each rpc can end in.

    SINCE is the version of the vSphere API that brought the operation, where it is known: `8.0.0.0` is vCenter 8.0.
    """
    from gateway.contract import load_contract

    methods = [
        method
        for method in load_contract().methods.values()
        if all(word.lower() in f"{method.full_name} {method.operation}".lower() for word in words)
    ]
    if as_json or output in ("json", "yaml"):
        entries = [
            {
                "rpc": method.full_name,
                "verb": method.rule.verb if method.operation else None,
                "url": method.rule.path if method.operation else None,
                "body": method.rule.body or None if method.operation else None,
                "streaming": method.streaming.name,
                "request": method.input_type.full_name,
                "response": method.output_type.full_name,
                "idempotency": method.idempotency.name,
                "since": method.since or None,
                "errors": list(method.errors),
            }
            for method in methods
        ]
        echo_data(entries, "json" if as_json else output)
        return
    if not methods:
        echo(f"no rpc has {' and '.join(words)} in its name or its URL", err=True)
        sys.exit(Exit.FAILED)
    if output == "name":
        click.echo("\n".join(method.full_name for method in methods))
        return
    rows = [
        (method.full_name, method.since or "-", *(method.operation or f"- {_OWN}").split(" ", 1)) for method in methods
    ]
    rows.insert(0, ("RPC", "SINCE", "VERB", "URL"))
    rpc, since, verb, url = (max(len(row[column]) for row in rows) for column in range(4))
    if sys.stdout.isatty() and rpc + since + verb + url + 6 > shutil.get_terminal_size().columns:
        for row in rows:
            click.echo(f"{row[0]}\n    {row[1]:{since}}  {row[2]:{verb}}  {row[3]}")
        return
    for row in rows:
        click.echo(f"{row[0]:{rpc}}  {row[1]:{since}}  {row[2]:{verb}}  {row[3]}")


@click.command(
    epilog="""
\b
Examples:
  vcenter-gateway descriptors -o vcenter.binpb
  grpcurl -protoset vcenter.binpb describe vcenter.v1.VmService
"""
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
def descriptors(output: Path | None) -> None:
    """Writes the compiled protos as a FileDescriptorSet.

    It has all imports and comments. Without -o it goes to standard output, which must not be a terminal.
    """
    from gateway.contract import load_contract

    content = load_contract().descriptor_set
    if output is not None:
        with explained(output, "written"):
            output.write_bytes(content)
    elif sys.stdout.isatty():
        raise click.UsageError("this is binary: name a file with -o, or redirect the output")
    else:
        click.echo(content, nl=False)


@click.command()
def version() -> None:
    """Prints the version of the gateway and of what it runs on."""
    import importlib.metadata
    import platform

    click.echo(f"vcenter-gateway {__version__}")
    grpcio = importlib.metadata.version("grpcio")
    click.echo(f"Python {platform.python_version()}, grpcio {grpcio}, {platform.system()} {platform.machine()}")
