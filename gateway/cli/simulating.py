"""Runs the simulator in the process of `simulate`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.cli.output import Exit, echo
from gateway.cli.user_files import explained
from gateway.logs import configure_logs
from gateway.settings import LogSettings
from gateway.signals import stop_event
from gateway.simulator import Simulator, SimulatorOptions

__all__ = ["run_simulator"]


def run_simulator(options: SimulatorOptions, certificate: Path | None) -> None:
    """Serves until it is stopped, and writes its certificate to a file if one is named. Ends the process if the
    simulator cannot start."""
    configure_logs(LogSettings())
    try:
        asyncio.run(_serve(options, certificate))
    except OSError as error:
        echo(f"error: {error}", err=True)
        sys.exit(Exit.FAILED)


async def _serve(options: SimulatorOptions, certificate: Path | None) -> None:
    simulator = Simulator(options)
    stopping = stop_event()
    await simulator.start()
    try:
        _announce(simulator, options.vms, certificate)
        await stopping.wait()
    finally:
        await simulator.stop()


def _announce(simulator: Simulator, vms: int, certificate: Path | None) -> None:
    url, user = simulator.url, simulator.user
    trust = ""
    if certificate is not None:
        with explained(certificate, "written"):
            certificate.write_text(simulator.certificate_pem or "", encoding="ascii")
        trust = f" --vcenter-ca-file {certificate}"
    echo(f"simulated vCenter with {vms} virtual machines on {url}: user {user}, password {simulator.password}")
    echo(f"  vcenter-gateway call --vcenter {url}{trust} --user {user} ListVms")
