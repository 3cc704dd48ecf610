"""The status page in a browser: what a person reads, that it fits every screen, in light and in dark."""

from __future__ import annotations

import itertools
from pathlib import Path

from gateway import __version__
from gateway.simulator import Fault, SimulatorOptions
from tests.integration.browser import View, browser
from tests.integration.harness import READ, READ_ID, READ_REQUEST, START, START_ID, START_REQUEST
from tests.integration.test_admin import System, running_system

DESKTOP, PHONE = 1280, 390


async def look(system: System, folder: Path) -> View:
    async with browser(folder) as tab:
        return await tab.look(f"http://{system.admin.address}/", DESKTOP)


async def make_calls(system: System) -> None:
    """Some of each kind: fast and slow, refused by vCenter, and with a wrong password."""
    system.simulator.faults.add(Fault("latency", seconds=0.2), operation=READ_ID)
    for _ in range(12):
        await system.call(READ, READ_REQUEST)
    for _ in range(3):
        await system.call(START, START_REQUEST)
    system.simulator.faults.add(Fault.error("RESOURCE_BUSY"), operation=START_ID)
    await system.call(START, START_REQUEST, metadata=(("x-request-id", "a-rather-long-request-id-" * 5),))
    await system.call(READ, READ_REQUEST, password="wrong")


async def test_it_fits(tmp_path: Path) -> None:
    """On a desk and on a phone, in light and in dark, as the person prefers: nothing is cut off or scrolls sideways,
    and the browser complains about nothing."""
    async with running_system(SimulatorOptions(tls=True)) as system, browser(tmp_path) as tab:
        await make_calls(system)
        for width, dark in itertools.product((DESKTOP, PHONE), (False, True)):
            view = await tab.look(f"http://{system.admin.address}/", width, dark=dark)
            assert view.complaints == []
            assert view.width == width
            red, green, blue = (int(part) for part in view.background.strip("rgb()").split(","))
            assert (red + green + blue < 3 * 60) is dark
            assert view.image.startswith(b"\x89PNG")


async def test_what_a_person_reads(tmp_path: Path) -> None:
    """Version, uptime, vCenter's state and version, calls, limits, sessions, certificates, latencies and errors."""
    async with running_system(SimulatorOptions(tls=True)) as system:
        await make_calls(system)
        words = " ".join((await look(system, tmp_path)).text.split())
    for expected in (
        f"vCenter gRPC gateway Serving Version {__version__} · up ",
        f"vCenter Answers API 7.0.3.0 {system.simulator.url} circuit breaker closed",
        "Rpcs 17 0 under way · 4 failed",
        "Calls with vCenter 0 of 64 0 waiting · 0 refused so far",
        "Open sessions 1 1 login, 1 rejected",
        "vCenter's certificate 29 d",
        "Rpc Calls Failed Median 99 of 100 1 ms 10 ms 0.1 s 1 s 10 s vcenter.vm.v1.PowerService/GetPower 13 1 ",
        "vcenter.vm.v1.PowerService/GetPower UNAUTHENTICATED CREDENTIALS_REJECTED",
        "vcenter.vm.v1.PowerService/StartVm ABORTED RESOURCE_BUSY a-rather-long-request-id-",
    ):
        assert expected in words, words


async def test_the_plot(tmp_path: Path) -> None:
    """Each rpc has a picture of how long it takes: slow calls reach further to the right than fast ones."""
    async with running_system() as system:
        system.simulator.faults.add(Fault("latency", seconds=0.3), operation=START_ID, times=None)
        await system.call(READ, READ_REQUEST)
        await system.call(START, START_REQUEST)
        async with browser(tmp_path) as tab:
            await tab.look(f"http://{system.admin.address}/", DESKTOP)
            fast, slow = await tab.evaluate("[...document.querySelectorAll('.median')].map(e => e.cx.baseVal.value)")
            left, right = await tab.evaluate(
                "(({left, right}) => [left, right])(document.querySelector('td.plot svg').getBoundingClientRect())"
            )
    assert fast + 50 < slow
    assert right - left > 300


async def test_a_vcenter_that_is_down(tmp_path: Path) -> None:
    """The page says so, and why its version is not known."""
    async with running_system() as system:
        await system.simulator.stop()
        for _ in range(10):
            await system.call(START, START_REQUEST)
        words = " ".join((await look(system, tmp_path)).text.split())
    assert "vCenter Does not answer: calls are refused Version unknown vCenter cannot be reached" in words
    assert "circuit breaker open" in words
