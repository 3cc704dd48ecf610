"""`call`: makes one call from the shell, or one for each line of a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.connection import ConnectionCommand, connection_options
from gateway.cli.name_completion import complete_names
from gateway.cli.parameter_types import FORMATS, Seconds, complete_file
from gateway.cli.place import Place
from gateway.cli.rpcs import RpcName, resolve_rpc

if TYPE_CHECKING:
    from gateway.cli.identifiers import IdentifierField

__all__ = ["call"]

_FLAGS = "gateway.cli.call.flags"
_IDENTIFIER = "identifier_"


class _CallCommand(ConnectionCommand):
    """Adds flags for the identifiers in the request of the rpc that is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *ctx.meta.get(_FLAGS, {})]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if rpc := self._rpc_in(ctx, list(args)):
            from gateway.cli.identifiers import identifier_fields
            from gateway.contract import load_contract

            contract = load_contract()
            taken = {flag for item in self.params for flag in (*item.opts, *item.secondary_opts)} | {"--help"}
            fields = identifier_fields(contract.methods[rpc], contract, taken)
            ctx.meta[_FLAGS] = {_option(number, field): field for number, field in enumerate(fields)}
        return super().parse_args(ctx, args)

    def section(self, parameter: click.Parameter) -> str:
        is_flag = (parameter.name or "").startswith(_IDENTIFIER)
        return "Identifiers in the request" if is_flag else super().section(parameter)

    def _rpc_in(self, ctx: click.Context, args: list[str]) -> str | None:
        """The rpc that the arguments name, None if they name none."""
        ctx.ignore_unknown_options = True
        try:
            given, rest, _ = self.make_parser(ctx).parse_args(args)
        except click.UsageError:
            return None
        finally:
            ctx.ignore_unknown_options = False
        texts = [text for text in (given.get("rpc"), given.get("request_text"), *rest) if isinstance(text, str)]
        words = [text for text in texts if not text.startswith("-")]
        for text in words:
            with contextlib.suppress(click.UsageError):
                return resolve_rpc(text)
        # An unknown rpc is reported here, because the flags depend on the rpc.
        return resolve_rpc(words[0]) if words and len(words) < len(texts) and not ctx.resilient_parsing else None


def _option(number: int, field: IdentifierField) -> click.Option:
    kinds = " or ".join(sorted(name.rpartition(".")[2] for name in field.types))
    text = f"{kinds}, by name or identifier: {'.'.join(field.path)} of the request."
    return click.Option(
        [*field.flags, f"{_IDENTIFIER}{number}"],
        metavar="NAME",
        multiple=field.is_repeated,
        help=text + (" Can be given several times." if field.is_repeated else ""),
        shell_complete=complete_names(field.types),
    )


@click.command(
    cls=_CallCommand,
    epilog="""
The REQUEST is a JSON object or YAML with the fields of the rpc's request, and empty when left out. Enum values may be
written as in the protos (CDROM_BACKING_TYPE_ISO_FILE) or as vCenter writes them (ISO_FILE). For each identifier in the
request there is a flag that accepts names too: `call RPC --help` lists them.

The answer goes to standard output, an error to standard error. A stream is printed as it arrives, until Ctrl-C.

\b
Look around:
  vcenter-gateway call ListVms -o table
  vcenter-gateway call ListVms '{"power_states": ["POWERED_ON"]}' -o name
  vcenter-gateway call GetVm --vm web-0001 -o yaml
  vcenter-gateway call WatchGateway '{"heartbeat_interval": "60s"}'

\b
Change something:
  vcenter-gateway call --template CloneVmTask > clone.yaml
  vcenter-gateway call CloneVmTask clone.yaml --source web-0001 --wait
  vcenter-gateway call ConnectCdrom '{"cdrom": "16000"}' --vm web-0001

\b
Call many times, with a request on each line:
  vcenter-gateway call GetPower requests.jsonl > answers.jsonl
  vcenter-gateway call StartVm requests.jsonl --parallel 4
  jq -c '.vms[] | {vm}' vms.json | vcenter-gateway call GetPower --lines

\b
Call another gateway, or a vCenter itself:
  vcenter-gateway call ListVms --target gw.example.com:443 --user me
  vcenter-gateway call --context lab -v GetPower --vm web-0001
  vcenter-gateway call -H 'cache-control: max-age=5' GetPower --vm web-0001
  vcenter-gateway call ListVms --vcenter https://vc.example.com --user me

Exit codes: 0 answered, 1 error, 2 wrong request or options, 3 not reachable, 4 credentials missing or refused,
5 timeout, 6 some of the requests on lines failed, 130 interrupted
""",
)
@click.argument("rpc", type=RpcName())
@click.argument("request_text", metavar="[REQUEST | FILE | -]", default="{}", shell_complete=complete_file)
@click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="json",
    show_default=True,
    envvar="VCENTER_GATEWAY_OUTPUT",
    help="Format of the answer; `name` prints only identifiers. Also the variable VCENTER_GATEWAY_OUTPUT.",
)
@click.option("--wait", is_flag=True, help="Follows the task that the rpc starts, and prints its final state.")
@click.option(
    "--lines",
    is_flag=True,
    help="Makes a call for each line of REQUEST over one connection, and prints the answers in the same order. Implied "
    "by files that end in .jsonl or .ndjson. An rpc that streams its requests is called once, with all lines.",
)
@click.option(
    "-P",
    "--parallel",
    type=click.IntRange(1, 64),
    metavar="NUMBER",
    show_default="8 for rpcs that only read, else 1",
    help="With --lines: how many calls are in flight at the same time, at most 64. The answers stay in order.",
)
@click.option("--template", is_flag=True, help="Prints a template for REQUEST in YAML, with the required fields.")
@click.option("--full", is_flag=True, help="With --template: adds the optional fields as comments.")
@connection_options(to_vcenter=True)
@click.option(
    "-H",
    "--metadata",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Further metadata for the gateway, such as 'cache-control: max-age=5'. Not for secrets: other users of this "
    "machine can see the command line. Can be given several times.",
)
@click.option(
    "--deadline",
    type=Seconds(more_than_0=True),
    show_default="60, and none for streams and waits",
    help="Gives up after this time.",
)
@click.option("--json", "as_json", is_flag=True, help="Prints an error as JSON on standard output.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Prints the metadata of the gateway's answer on standard error, the request id for example.",
)
def call(
    rpc: str,
    request_text: str,
    output: str,
    wait: bool,
    lines: bool,
    parallel: int | None,
    template: bool,
    full: bool,
    place: Place,
    metadata: tuple[str, ...],
    deadline: float | None,
    as_json: bool,
    verbose: bool,
    **identifiers: Any,
) -> None:
    """Calls one RPC and prints what it answers."""
    from gateway.contract import Rest, load_contract

    contract = load_contract()
    method = contract.methods[resolve_rpc(rpc)]
    if template or full:
        from gateway.cli.template import print_template

        print_template(method, is_full=full)
        return
    if place.vcenter is not None:
        if not isinstance(method.backing, Rest):
            raise click.UsageError(f"{method.full_name} is answered by the gateway itself; leave out --vcenter")
        if metadata or verbose or wait:
            raise click.UsageError("--metadata, --verbose and --wait are about a gateway; leave out --vcenter")
    from gateway.cli.calling import Calling
    from gateway.cli.credentials import read_metadata
    from gateway.cli.make_call import make_call

    flags = dict(_given(identifiers))
    make_call(
        place,
        Calling(method, contract, deadline, output, as_json, verbose, wait),
        request_text,
        flags,
        lines,
        parallel,
        read_metadata(metadata),
    )


def _given(identifiers: dict[str, Any]) -> Iterator[tuple[IdentifierField, tuple[str, ...]]]:
    """The values given for each identifier of the request."""
    for option, field in click.get_current_context().meta.get(_FLAGS, {}).items():
        value = identifiers[option.name]
        if value:
            yield field, value if field.is_repeated else (value,)
