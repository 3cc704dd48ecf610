"""`exec`: runs a program in a guest as if it ran locally."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from gateway.cli.connection import ConnectionCommand
from gateway.cli.guest import Session, guest_options, opened
from gateway.cli.name_completion import MACHINE, complete_names
from gateway.cli.output import Exit, echo
from gateway.cli.parameter_types import Seconds

__all__ = ["exec_"]

_RPC = "RunProgram"
_FAILED = 125
"""The exit code for failures of the command itself, as in containers' `exec`."""
_MAX_CODE = 255
_INPUT_BYTES = 1024**2
_PIECE = 256 * 1024


@click.command(
    "exec",
    cls=ConnectionCommand,
    epilog="""
Output and error output come as the program writes them, about once a second. The program is found as the guest's shell
finds it. Ctrl-C stops it, with the processes that it started, unless --keep-running is given. In the guest, variables
and what is given with --shell are on no command line that other users can list.

\b
Examples:
  vcenter-gateway exec vm-1001 --guest-user root -- uname -a
  vcenter-gateway exec vm-1001 --guest-user root --shell -- 'df -h | tail -3'
  vcenter-gateway exec vm-1001 --guest-user root -i -- sh <script.sh

Exit codes: that of the program, or 255 if it is larger; 2 wrong options, 125 the program could not be run or followed,
130 interrupted
""",
)
@click.argument("vm", shell_complete=complete_names(MACHINE))
@click.argument("command", nargs=-1, required=True)
@click.option("--shell", is_flag=True, help="Takes COMMAND as a command line for the guest's shell.")
@click.option("-i", "--interactive", is_flag=True, help="Passes standard input on, up to 1 MiB.")
@click.option("-w", "--workdir", metavar="DIRECTORY", default="", help="Directory in the guest to run it in.")
@click.option(
    "-e",
    "--env",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Environment variable; without a value, this shell's own. Can be given several times.",
)
@click.option("--timeout", type=Seconds(more_than_0=True), help="Stops the program after this time. [default: 3600]")
@click.option("--keep-running", is_flag=True, help="Lets the program go on when this command ends before it.")
@guest_options
def exec_(
    vm: str,
    command: tuple[str, ...],
    shell: bool,
    interactive: bool,
    workdir: str,
    env: tuple[str, ...],
    timeout: float | None,
    keep_running: bool,
    **connection: Any,
) -> None:
    """Runs a program in a guest, with its output and exit code."""
    from gateway.cli.failure import CallError

    start: dict[str, Any] = {"stop_on_disconnect": not keep_running, "environment": _environment(env)}
    start |= {"shell_command": " ".join(command)} if shell else {"path": command[0], "arguments": command[1:]}
    if workdir:
        start["working_directory"] = workdir
    content = _input() if interactive else b""
    try:
        with opened(vm, **connection) as session:
            start |= {"vm": session.vm, "credentials": session.credentials}
            sys.exit(_run(session, start, content, timeout))
    except CallError as error:
        error.end(Exit.USAGE if error.exit is Exit.USAGE else _FAILED)


def _run(session: Session, start: dict[str, Any], content: bytes, timeout: float | None) -> int:
    """The exit code of the program, or of this command if the program has none."""
    first = session.request(_RPC, start=start)
    if timeout is not None:
        first.start.timeout.FromNanoseconds(round(timeout * 1e9))

    def requests() -> Iterator[Any]:
        yield first
        for begin in range(0, len(content), _PIECE):
            yield session.request(_RPC, input=content[begin : begin + _PIECE])

    process = 0
    responses = session.messages(_RPC, requests())
    try:
        for response in responses:
            event = response.WhichOneof("event")
            if event == "exited":
                for path in response.exited.left_over:
                    echo(f"{path} could not be removed from the guest", err=True)
                if not response.exited.HasField("exit_code"):
                    break
                code = int(response.exited.exit_code)
                # Windows has larger ones, of which the system would take the last byte, which may be 0.
                return code if 0 <= code <= _MAX_CODE else _MAX_CODE
            if event == "started":
                process = response.started.pid
            elif event in ("output", "error_output"):
                stream = sys.stdout.buffer if event == "output" else sys.stderr.buffer
                stream.write(getattr(response, event))
                stream.flush()
    except KeyboardInterrupt:
        if process and not start["stop_on_disconnect"]:
            echo(f"\nthe program still runs on {session.vm}, as process {process}", err=True)
        raise
    finally:
        responses.close()  # type: ignore[attr-defined] # a generator's
    echo("the gateway did not say how the program ended", err=True)
    return _FAILED


def _environment(texts: tuple[str, ...]) -> dict[str, str]:
    import os

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals and name not in os.environ:
            raise click.UsageError(f"--env {name}: this shell has no such variable")
        found[name] = value if equals else os.environ[name]
    return found


def _input() -> bytes:
    content = sys.stdin.buffer.read(_INPUT_BYTES + 1)
    if len(content) > _INPUT_BYTES:
        raise click.UsageError("standard input has more than 1 MiB; copy a file with `vcenter-gateway cp` instead")
    return content
