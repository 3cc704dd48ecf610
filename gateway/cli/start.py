"""The commands that have flags for the settings: `serve`, `check`, and `worker`, which the supervisor starts.

The implementation is loaded when a command runs, so that its help does not wait for it.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.core import ParameterSource

from gateway.cli.connection import connection_options
from gateway.cli.options import SettingsCommand, config_option, settings_options
from gateway.cli.place import Place
from gateway.cli.setting_flags import setting_flags

__all__ = ["check", "serve", "worker"]


@click.command(
    cls=SettingsCommand,
    epilog="""
Each flag is also an environment variable, GATEWAY_ and the flag in capitals (GATEWAY_VCENTER_CA_FILE), and a key of the
configuration file. A flag beats the environment, which beats the file.

\b
Examples:
  vcenter-gateway serve --simulator
  vcenter-gateway serve --vcenter https://vcenter.example.com --workers 2
  vcenter-gateway serve --config gateway.yaml --log-level warning
""",
)
@settings_options()
@config_option
def serve(**flags: Any) -> None:
    """Serves vCenter's operations over gRPC.

    Needs a vCenter (--vcenter) or the embedded one (--simulator). Callers bring their credentials with each call; only
    with --simulator on a loopback address they need none. It stops at SIGTERM or Ctrl-C, when calls
    under way have ended. SIGHUP makes it read its files again.
    """
    from gateway.cli.serve import run_gateway

    run_gateway(flags)


@click.command(hidden=True)
def worker() -> None:
    """Serves as one of several processes; started by `serve --workers`."""
    from gateway.cli.serve import run_worker

    run_worker()


def _is_about_gateway(ctx: click.Context) -> bool:
    """Whether no option refers to a configuration to test: no setting, and no settings file."""
    names = {flag.parameter for flag in setting_flags().values()} | {"config"}
    is_set = any(ctx.params.get(name) is not None for name in names if name != "tls")
    return not (is_set or any(name.startswith("GATEWAY_") for name in os.environ))


@click.command(
    cls=SettingsCommand,
    epilog="""
The settings come from flags, environment and file, as for `serve`. The login is that of --user, or of the service
account in the settings; without either it is not tested. With --target, --context or a current context, and without
settings, the gateway that runs there is tested instead.

\b
Examples:
  vcenter-gateway check --vcenter https://vcenter.example.com
  vcenter-gateway check --config gateway.yaml --user me@vsphere.local
  vcenter-gateway check --target gateway.example.com:443 --token-file ci-token
  vcenter-gateway check --context lab

Exit codes: 0 all well, 1 another failure, 2 wrong settings, 3 not reachable or not trusted, 4 login refused, 5 timeout
""",
)
@settings_options(lambda flag: flag.section == "vcenter")
@config_option
@connection_options(vcenter_contexts=True, uses_current=_is_about_gateway)
@click.option("--json", "as_json", is_flag=True, help="Prints the steps as JSON.")
def check(place: Place, as_json: bool, **flags: Any) -> None:
    """Tests a configuration, or a running gateway, step by step.

    The steps to a vCenter are config (everything that `serve` loads), issuer (for each issuer of JWTs whose keys are
    fetched), DNS, TCP, TLS, API, login, and a first list; those to a gateway are DNS, TCP, gateway, vCenter, and a
    first list. Each step that fails says what to do.
    """
    from gateway.cli.check import run_check

    ctx = click.get_current_context()
    is_named = any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("target", "context"))
    if is_named and any(value is not None for value in flags.values()):
        raise click.UsageError("--target and --context are about a gateway that runs; leave out the settings")
    of_gateway = place.vcenter is None and (is_named or (place.is_explicit and _is_about_gateway(ctx)))
    run_check(place, None if of_gateway else flags, as_json)
