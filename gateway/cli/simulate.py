"""`simulate`: runs the embedded vCenter alone, for anything that uses vCenter's REST API or VIM API."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.parameter_types import Seconds, host_and_port
from gateway.cli.setting_flags import setting_flags

__all__ = ["simulate"]

_SECONDS = Seconds()
_VMS, _RELEASE = (setting_flags()[f"simulator-{name}"] for name in ("vms", "release"))


@click.command(
    epilog="""
\b
Examples:
  vcenter-gateway simulate
  vcenter-gateway simulate --release 7.0.3
  vcenter-gateway simulate --vms 500 --tls --certificate simulator.pem
  vcenter-gateway call --vcenter http://127.0.0.1:8989 \\
      --user administrator@vsphere.local ListVms
"""
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8989",
    show_default=True,
    help="Address of both APIs. Port 0 takes a free one.",
)
@click.option(
    "--vms",
    type=click.IntRange(0, 100_000),
    default=int(_VMS.default),
    show_default=True,
    help="Virtual machines it has.",
)
@click.option(
    "--release",
    type=click.Choice(_RELEASE.choices),
    default=_RELEASE.default,
    show_default=True,
    help="Release of vCenter it is. What came later is not there.",
)
@click.option("--tls", is_flag=True, help="Serves HTTPS, with a certificate of its own.")
@click.option(
    "--certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Writes the certificate here, for clients to trust.",
)
@click.option(
    "--latency",
    type=_SECONDS,
    default=0.0,
    help="Every answer takes at least this long.",
)
@click.option(
    "--transition",
    type=_SECONDS,
    default=2.0,
    show_default=True,
    help="How long guests take to shut down, to reboot, or to start their tools.",
)
@click.option(
    "--session-idle",
    type=_SECONDS,
    default=1800,
    show_default=True,
    help="Sessions end when unused for so long.",
)
@click.option(
    "--session-age",
    type=_SECONDS,
    default=86400,
    show_default=True,
    help="Sessions end after this time in any case.",
)
def simulate(
    listen: str,
    vms: int,
    release: str,
    tls: bool,
    certificate: Path | None,
    latency: float,
    transition: float,
    session_idle: float,
    session_age: float,
) -> None:
    """Serves the embedded vCenter: its REST and VIM APIs.

    It keeps its state in memory and begins anew at each start. Faults are switched on and the calls it received are
    shown under the path /simulator/ of the same address. It stops at SIGTERM or Ctrl-C.
    """
    host, port = host_and_port("--listen", listen)
    if certificate is not None and not tls:
        raise click.UsageError("--certificate needs --tls")
    from gateway.cli.simulating import run_simulator
    from gateway.simulator import SessionLimits, SimulatorOptions

    options = SimulatorOptions(
        vms=vms,
        release=release,
        host=host,
        port=port,
        tls=tls,
        latency=latency,
        transition=transition,
        limits=SessionLimits(idle=session_idle, absolute=session_age),
    )
    run_simulator(options, certificate)
