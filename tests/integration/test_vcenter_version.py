"""vCenter's version, asked for by whoever watches the gateway and by nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.simulator.releases import NEWEST
from gateway.vcenter import VCenterOptions
from gateway.vcenter.breaker import BreakerState
from gateway.vcenter.version import VCenterVersion, VersionReader, read_releases
from tests.integration.harness import READ, READ_REQUEST, eventually
from tests.integration.test_admin import running_system
from tests.integration.test_tls import certificate_of

PATH = "/sdk/vimServiceVersions.xml"


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def asked(simulator: Simulator) -> int:
    return sum(call.target == PATH for call in simulator.record)


async def version(options: VCenterOptions) -> VCenterVersion:
    reader = VersionReader(options)
    try:
        return await reader.current()
    finally:
        await reader.close()


async def test_the_version() -> None:
    """It is read without a login."""
    async with Simulator() as simulator:
        assert (await version(VCenterOptions(simulator.url))).api == NEWEST.version
        [call] = list(simulator.record)
        assert "authorization" not in call.headers
        assert simulator.sessions.counts()["logins"] == 0


async def test_it_is_kept_for_a_minute() -> None:
    """However many want to know it at once: vCenter is asked once a minute, and after two seconds where it did not
    answer."""
    clock = Clock()
    async with Simulator() as simulator:
        reader = VersionReader(VCenterOptions(simulator.url), clock=clock)
        simulator.faults.add(Fault.unavailable())
        found = await asyncio.gather(*(reader.current() for _ in range(5)))
        assert {item.problem for item in found} == {"vCenter answered with HTTP status 503"}
        clock.now = 1.9
        assert (await reader.current()).api is None
        assert asked(simulator) == 1
        for now, times in ((2.0, 2), (61.9, 2), (62.0, 3)):
            clock.now = now
            assert (await reader.current()).api == NEWEST.version
            assert asked(simulator) == times
        await reader.close()


async def test_certificates_are_checked(tmp_path: Path) -> None:
    """As for calls: by authority or thumbprint, and a certificate of another one is refused."""
    async with Simulator(SimulatorOptions(tls=True)) as simulator:
        ca_file = certificate_of(simulator, tmp_path)
        assert (await version(VCenterOptions(simulator.url, ca_file=ca_file))).api == NEWEST.version
        assert (await version(VCenterOptions(simulator.url, thumbprint=simulator.thumbprint))).api == NEWEST.version
        assert "certificate was rejected" in (await version(VCenterOptions(simulator.url))).problem
        assert "thumbprint" in (await version(VCenterOptions(simulator.url, thumbprint="0f" * 32))).problem


async def test_problems(tmp_path: Path) -> None:
    """Each is a sentence: nobody there, no answer within two seconds, something else, too much, a file that is gone."""
    async with Simulator() as simulator:
        options = VCenterOptions(simulator.url)
        for fault, problem in (
            (Fault("hang"), "vCenter did not answer in time"),
            (Fault("cut_body"), "the connection to vCenter broke before its response was complete"),
            (Fault.answer({"no": "list"}), "vCenter's list of versions cannot be read"),
            (Fault.answer("x" * 65 * 1024), "vCenter's response is larger than 65536 bytes"),
        ):
            simulator.faults.add(fault)
            assert await version(options) == VCenterVersion(problem=problem)
    assert "cannot be reached" in (await version(options)).problem
    gone = VCenterOptions("https://127.0.0.1:9", ca_file=str(tmp_path / "gone.pem"))
    assert "gone.pem cannot be used" in (await version(gone)).problem


async def test_calls_do_not_notice() -> None:
    """Asking takes no place from calls and does not open the breaker; callers' own failures do not stop it."""
    async with running_system(max_concurrent_calls=1) as system:
        assert system.gateway.vcenter is not None
        vcenter = system.gateway.vcenter
        system.simulator.faults.add(Fault("hang"))
        asking = asyncio.create_task(system.admin.get("/"))
        await eventually(lambda: asked(system.simulator), "the question")
        assert vcenter.limiter.active == 0
        assert await system.call(READ, READ_REQUEST, timeout=1) == "OK"
        assert "Version unknown" in (await asking)[1]
        assert vcenter.breaker.state is BreakerState.CLOSED
        assert await system.admin.value("vcenter_calls_total") == 2, "the login and the call"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<namespaces><namespace><name>urn:vim25</name><version>8.0.3.0</version></namespace></namespaces>", "8.0.3.0"),
        (
            "<!-- (c) -->\n<namespaces>\n <namespace>\n  <name>urn:vim25</name>\n  <version>5.5</version>\n"
            "  <priorVersions><version>5.1</version></priorVersions></namespace></namespaces>",
            "5.5",
        ),
        (
            "<namespace><name>urn:vim2</name><version>2.0</version></namespace>"
            "<namespace><name>urn:vim25</name><version>9.0.0.0</version></namespace>",
            "9.0.0.0",
        ),
        ("<namespace><name>urn:vim2</name><version>2.0</version></namespace>", None),
        ("<namespace><name>urn:vim25</name><version>&lt;b&gt;</version></namespace>", None),
        (f"<namespace><name>urn:vim25</name><version>{'1' * 31}</version></namespace>", "1" * 31),
        (f"<namespace><name>urn:vim25</name><version>{'1' * 32}</version></namespace>", None),
        ("<!DOCTYPE x [<!ENTITY v '8.0'>]><namespace><name>urn:vim25</name><version>&v;</version></namespace>", None),
        ("", None),
    ],
    ids=["one line", "pretty", "second", "no vim25", "markup", "longest", "too long", "entity", "empty"],
)
def test_lists(content: str, expected: str | None) -> None:
    """The newest version of vim25, of a bounded length; nothing in the list is expanded."""
    assert VCenterVersion(read_releases(content.encode())).api == expected


def test_releases() -> None:
    """All releases that vCenter speaks, the newest first; of an endless list the first hundred."""
    prior = "".join(f"<version>{number}.0</version>" for number in range(200, 0, -1))
    content = (
        "<namespaces><namespace><name>urn:vim25</name><version>201.0</version>"
        f"<priorVersions>{prior}</priorVersions></namespace></namespaces>"
    )
    assert read_releases(content.encode()) == tuple(f"{number}.0" for number in range(201, 101, -1))
