"""The authority that signed vCenter's certificate is replaced while the gateway runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.simulator import Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.faults.scenario import end, until
from tests.integration.harness import READ, READ_REQUEST, Failure, running_gateway


async def test_a_renewed_authority_is_trusted(tmp_path: Path) -> None:
    """If vCenter comes back with a certificate of a new authority, calls are rejected until the authorities file
    contains it, and succeed within seconds after that, without a restart of the gateway."""
    file = tmp_path / "ca.pem"
    async with Simulator(SimulatorOptions(tls=True)) as old:
        file.write_text(old.certificate_pem or "")
        async with running_gateway(VCenterOptions(old.url, ca_file=str(file))) as client:
            await client.call(READ, READ_REQUEST)
            await old.stop()
            async with Simulator(SimulatorOptions(tls=True, port=old.port)) as renewed:
                found = await end(client, READ, READ_REQUEST)
                assert isinstance(found, Failure)
                assert found.reason == "VCENTER_CERTIFICATE_INVALID"
                assert len(renewed.record) == 0
                file.write_text(renewed.certificate_pem or "")
                await until(client, answered=True)
                await client.gateway.stop()
                assert renewed.sessions.counts()["open"] == 0


async def test_an_authority_that_is_taken_away(tmp_path: Path) -> None:
    """An authority that is no longer in the file is not trusted for new connections."""
    file = tmp_path / "ca.pem"
    async with (
        Simulator(SimulatorOptions(tls=True)) as simulator,
        Simulator(SimulatorOptions(tls=True)) as other,
    ):
        file.write_text(simulator.certificate_pem or "")
        async with running_gateway(VCenterOptions(simulator.url, ca_file=str(file))) as client:
            await client.call(READ, READ_REQUEST)
            file.write_text(other.certificate_pem or "")
            found = await until(client, answered=False)
            assert isinstance(found, Failure)
            assert found.reason == "VCENTER_CERTIFICATE_INVALID"
            file.write_text(simulator.certificate_pem or "")
            await until(client, answered=True)


@pytest.mark.parametrize("content", ["", "no certificate"])
async def test_a_broken_file_of_authorities(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    """A file that becomes unusable is reported and changes nothing: the gateway does not fall back to the system's
    authorities or to none."""
    file = tmp_path / "ca.pem"
    async with Simulator(SimulatorOptions(tls=True)) as simulator:
        file.write_text(simulator.certificate_pem or "")
        async with running_gateway(VCenterOptions(simulator.url, ca_file=str(file))) as client:
            file.write_text(content)
            async with asyncio.timeout(20):
                while "cannot be used; the old content stays in use" not in caplog.text:
                    await client.call(READ, READ_REQUEST)
            # The earlier connections are gone; new ones are opened.
            await simulator.stop()
            async with Simulator(SimulatorOptions(tls=True, port=simulator.port)) as stranger:
                found = await end(client, READ, READ_REQUEST)
                assert isinstance(found, Failure)
                assert found.reason == "VCENTER_CERTIFICATE_INVALID"
                assert len(stranger.record) == 0
