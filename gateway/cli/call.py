"""`call`: makes one call from the shell, and prints a stream message by message."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click
from click.shell_completion import CompletionItem
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.calls import Credential
from gateway.cli.credentials import credential_options, read_credential, read_metadata, read_token
from gateway.cli.failure import CallError
from gateway.cli.options import Seconds, settings_options
from gateway.cli.output import Exit, echo, echo_json
from gateway.cli.request_json import RequestError, parse_request
from gateway.cli.target import Call, Tls, call_gateway, call_vcenter, vcenter_options
from gateway.contract import Rest, load_contract
from gateway.settings import ServerSettings
from gateway.transcoding import Binding, compile_bindings

__all__ = ["call"]

# In characters. A gateway takes 4 MiB by default.
_MAX_REQUEST = 16 * 1024**2
_DEADLINE = 60.0
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


_VCENTER_FLAGS = ("vcenter.ca_file", "vcenter.thumbprint", "vcenter.verify", "vcenter.proxy")


def _complete_rpc(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The rpcs that begin with what was typed: by their full names, else by the ends of these that are unambiguous.

    Shells put what all candidates have in common in place of what was typed, which therefore each has to keep.
    """
    names, typed = load_contract().methods, incomplete.lower()
    found = [name for name in names if name.lower().startswith(typed)]
    if not found:
        ends = Counter(name[mark.end() :] for name in names for mark in re.finditer("[./]", name))
        found = [end for end, count in ends.items() if count == 1 and end.lower().startswith(typed)]
    return [CompletionItem(incomplete + name[len(incomplete) :]) for name in found]


@click.command(
    epilog="""
The REQUEST is a JSON object with the fields of the rpc's request, {} when left out. Enum values may be written as in
the protos (CDROM_BACKING_TYPE_ISO_FILE) or as vCenter writes them (ISO_FILE). The answer is JSON on standard output, an
error goes to standard error. A stream is printed as it arrives, a line of JSON for each message, until Ctrl-C.

\b
Examples:
  vcenter-gateway call vcenter.v1.VmService/ListVms
  vcenter-gateway call ListVms '{"power_states": ["POWERED_ON"]}'
  vcenter-gateway call vcenter.vm.hardware.v1.CdromService/ConnectCdrom '{"vm": "vm-1001", "cdrom": "16000"}'
  vcenter-gateway call --target gateway.example.com:443 --user me@vsphere.local CpuService/GetCpu request.json
  vcenter-gateway call --vcenter https://vcenter.example.com --user me@vsphere.local ListVms
  vcenter-gateway call -v -H 'cache-control: max-age=5' GetPower '{"vm": "vm-1001"}'
  vcenter-gateway call WatchGateway '{"heartbeat_interval": "60s"}'

\b
Exit codes: 0 answered, 1 error, 2 wrong request or options, 3 not reachable, 4 credentials missing or refused,
5 timeout, 130 interrupted
"""
)
@click.argument("rpc", shell_complete=_complete_rpc)
@click.argument("request_text", metavar="[REQUEST | FILE | -]", default="{}")
@click.option(
    "--target",
    metavar="HOST:PORT",
    default=ServerSettings().listen,
    show_default=True,
    envvar="VCENTER_GATEWAY",
    help="The gateway. Also the variable VCENTER_GATEWAY.",
)
@click.option("--vcenter", metavar="URL", help="Calls this vCenter itself, without a gateway.")
@settings_options(lambda setting: setting.key in _VCENTER_FLAGS)
@credential_options
@click.option(
    "--token-file",
    type=_FILE,
    metavar="FILE",
    help="Proves to a gateway with a service account who calls, by the bearer token in this file.",
)
@click.option(
    "--tls/--plaintext", default=None, help="How to talk to the gateway. Plain text on a loopback address, else TLS."
)
@click.option("--ca", type=_FILE, metavar="FILE", help="Authorities to trust that a gateway is genuine.")
@click.option("--cert", type=_FILE, metavar="FILE", help="Own certificate, for a gateway that asks for one.")
@click.option("--key", type=_FILE, metavar="FILE", help="Key of the own certificate.")
@click.option(
    "-H",
    "--metadata",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Further metadata for the gateway, such as 'cache-control: max-age=5'. Not for secrets: other users of this "
    "machine can see the command line. Can be given several times.",
)
@click.option("--thumbprint", hidden=True)  # As it was called before it was called as everywhere else.
@click.option("--no-verify", is_flag=True, hidden=True)
@click.option(
    "--deadline",
    type=Seconds(more_than_0=True),
    show_default="60, and none for a stream",
    help="Gives up after this time.",
)
@click.option("--json", "as_json", is_flag=True, help="Prints an error as JSON on standard output.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Prints the metadata of the gateway's answer on standard error, the request id for instance.",
)
def call(
    rpc: str,
    request_text: str,
    target: str,
    vcenter: str | None,
    vcenter_ca_file: str | None,
    vcenter_thumbprint: str | None,
    vcenter_verify: bool | None,
    vcenter_proxy: str | None,
    user: str | None,
    password_file: Path | None,
    session_id: str | None,
    token_file: Path | None,
    tls: bool | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    metadata: tuple[str, ...],
    thumbprint: str | None,
    no_verify: bool,
    deadline: float | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Calls one RPC and prints what it answers as JSON."""
    contract = load_contract()
    name = _resolve(rpc, list(contract.methods))
    if vcenter is not None and not isinstance(contract.methods[name].backing, Rest):
        raise click.UsageError(f"{name} is answered by the gateway itself; leave out --vcenter")
    try:
        request = parse_request(_read(request_text), contract.methods[name].input_type, contract)
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    further = read_metadata(metadata)
    credential = read_credential(user, password_file, session_id)
    if vcenter is not None:
        if tls is not None or cert or key or token_file or metadata or verbose:
            raise click.UsageError(
                "--tls, --plaintext, --cert, --key, --token-file, --metadata and --verbose are about a gateway; leave "
                "out --vcenter"
            )
        ca_file = vcenter_ca_file or (str(ca) if ca else None)
        verify = vcenter_verify is not False and not no_verify
        options = vcenter_options(vcenter, ca_file, vcenter_thumbprint or thumbprint, verify, vcenter_proxy)
        make_call = call_vcenter(options, _required(credential), contract)
    else:
        about_vcenter = (vcenter_ca_file, vcenter_thumbprint, vcenter_proxy, thumbprint)
        if any(about_vcenter) or vcenter_verify is not None or no_verify:
            raise click.UsageError("the options --vcenter-... are about a vCenter; give --vcenter URL too")
        if token_file and credential is not None:
            raise click.UsageError("--token-file, --user and --session-id exclude each other")
        caller = read_token(token_file) if token_file else credential
        make_call = call_gateway(target, Tls.choose(target, tls, ca, cert, key), caller, contract, further)
    _print(make_call, compile_bindings(contract)[name], request, deadline, as_json, verbose)


def _print(
    make_call: Call, binding: Binding, request: Message, deadline: float | None, as_json: bool, verbose: bool
) -> None:
    is_unary = binding.method.is_unary
    if deadline is None and is_unary:
        deadline = _DEADLINE
    try:
        with contextlib.closing(make_call(binding, request, deadline)) as answers:
            for answer in answers:
                if verbose:
                    for field, value in answer.metadata:
                        echo(f"{field}: {value}", err=True)
                if answer.message is not None:
                    # A line for each message of a stream, for programs that read line by line.
                    echo_json(_json(answer.message, indent=2 if is_unary else None))
    except KeyboardInterrupt:
        if not is_unary:
            sys.exit(Exit.INTERRUPTED)  # The way to end a stream, so there is nothing to say.
        if not binding.is_read_only:
            echo("\nthe call may have been executed: look at the state before you repeat it", err=True)
        raise
    except CallError as error:
        if as_json:
            echo_json(error.to_json())
        else:
            echo("\n".join(error.lines()), err=True)
        sys.exit(error.exit)


def _json(message: Message, indent: int | None) -> str:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, indent=indent, descriptor_pool=load_contract().pool
    )


def _resolve(text: str, names: list[str]) -> str:
    """The full name of an rpc. The beginning may be left out where the end is unambiguous."""
    wanted = text.strip("/").replace(".", "/").lower()
    by_path = {name.replace(".", "/").lower(): name for name in names}
    if wanted in by_path:
        return by_path[wanted]
    matches = [name for path, name in by_path.items() if path.endswith(f"/{wanted}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise click.UsageError(f"{text!r} is the end of several rpcs: {', '.join(matches)}")
    raise click.UsageError(f"there is no rpc {text!r}; {_suggestion(text, wanted, by_path)}")


def _suggestion(text: str, wanted: str, by_path: Mapping[str, str]) -> str:
    ends = {path.split("/", path.count("/") - wanted.count("/"))[-1]: name for path, name in by_path.items()}
    close = difflib.get_close_matches(wanted, ends, n=3, cutoff=0.75)
    if close:
        return f"did you mean {' or '.join(ends[end] for end in close)}?"
    word = f" {text}" if any(text.lower() in name.lower() for name in by_path.values()) else ""
    return f"see `vcenter-gateway routes{word}`"


def _read(text: str) -> str:
    """The request: the text itself, the standard input for `-`, or the content of a file.

    A file may be named without the @ too: no JSON object looks like the name of one.
    """
    if text.lstrip().startswith("{"):
        return text
    path = text.removeprefix("@")
    try:
        if text == "-":
            return _bounded("standard input", sys.stdin.read(_MAX_REQUEST + 1))
        if text != path or os.path.isfile(path):  # noqa: PTH113 - Path.is_file fails for texts that can be no names
            with Path(path).open(encoding="utf-8") as file:
                return _bounded(path, file.read(_MAX_REQUEST + 1))
        json.loads(text)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.UsageError("the request is not UTF-8 text") from None
    except ValueError:
        raise click.UsageError("the request is neither JSON nor a file that is there") from None
    except RecursionError:
        pass  # Whoever parses it says so.
    return text


def _bounded(where: str, text: str) -> str:
    """The text, unless it is longer than any request, as that of a device may be, which has no end."""
    if len(text) > _MAX_REQUEST:
        raise click.UsageError(f"{where} holds more than {_MAX_REQUEST} characters, which is more than any request")
    return text


def _required(credential: Credential | None) -> Credential:
    if credential is None:
        raise click.UsageError("vCenter wants to know who calls: give --user NAME, or --session-id ID")
    return credential
