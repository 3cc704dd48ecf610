"""The status page in a browser: what a person reads, that it fits every screen, in light and in dark."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from gateway import __version__
from gateway.access import Admission, passthrough
from gateway.admin import ProcessAdmin
from gateway.contract import load_contract
from gateway.server.gateway import Gateway
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.simulator.releases import NEWEST
from gateway.vcenter import VCenterOptions
from tests.integration.browser import View, browser
from tests.integration.harness import READ, READ_ID, READ_REQUEST, START, START_ID, START_REQUEST
from tests.integration.test_admin import System, running_system

DESKTOP = 1280
WIDTHS = (1400, DESKTOP, 800, 390)
_BROKEN = """
(() => {
    const found = [], pattern = /--[a-z-]+|[0-9]{4}-[0-9]+-[0-9]+|(?<![a-z0-9])[a-z]+(?![a-z0-9])/g;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
    while (texts.nextNode())
        for (const word of texts.currentNode.data.matchAll(pattern)) {
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) found.push(word[0]);
        }
    return found;
})()
"""
"""Flags, dates and words that stand on more than one line."""


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


async def make_long_errors(system: System) -> None:
    """Errors of vCenter, the gateway and callers with the longest names of rpcs and messages that vCenter has."""
    system.simulator.faults.add(Fault.answer([1, 2]), operation=READ_ID)
    await system.call(READ, READ_REQUEST)
    await system.call("vcenter.vm.guest.v1.LocalFilesystemService/GetLocalFilesystem", {"vm": "vm-1002"})
    longest = max(system.gateway.bindings, key=len)
    await system.call(longest, {})


async def test_it_fits(tmp_path: Path) -> None:
    """On a desk, on a tablet and on a phone, in light and in dark, as the person prefers: nothing is cut off or scrolls
    sideways, words stay whole, texts keep their size, and the browser complains about nothing."""
    async with running_system(SimulatorOptions(tls=True)) as system, browser(tmp_path) as tab:
        await make_calls(system)
        await make_long_errors(system)
        for width, dark in itertools.product(WIDTHS, (False, True)):
            view = await tab.look(f"http://{system.admin.address}/", width, dark=dark)
            assert view.complaints == []
            assert view.width == width
            assert view.cut == []
            assert await tab.evaluate(_BROKEN) == []
            red, green, blue = (int(part) for part in view.background.strip("rgb()").split(","))
            assert (red + green + blue < 3 * 60) is dark
            assert view.image.startswith(b"\x89PNG")
            scale = "[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect().width / 332)"
            assert 0.8 < max(await tab.evaluate(scale)) <= 1


@pytest.mark.parametrize("cards", [4, 5, 6])
async def test_no_card_stands_alone(tmp_path: Path, cards: int) -> None:
    """However many cards there are and however wide the window is, each row of them is full."""
    async with running_system() as system, browser(tmp_path) as tab:
        expiries = system.process.metrics._families["certificate_expiry_timestamp_seconds"]
        for name in ("gateway", "vcenter")[: cards - 4]:
            expiries.labels(name).set(4e9)
        for width in WIDTHS:
            await tab.look(f"http://{system.admin.address}/", width)
            found = await tab.evaluate(
                "[...document.querySelectorAll('.card')].map(e => e.getBoundingClientRect()).map(r => [r.top, r.right])"
            )
            assert len(found) == cards
            ends = {top: max(right for other, right in found if other == top) for top, _ in found}
            assert max(ends.values()) - min(ends.values()) < 1, (width, found)


async def test_what_a_person_reads(tmp_path: Path) -> None:
    """Version, uptime, vCenter's state and version, calls, limits, sessions, certificates, latencies and errors."""
    async with running_system(SimulatorOptions(tls=True)) as system:
        await make_calls(system)
        words = " ".join((await look(system, tmp_path)).text.split())
    for expected in (
        f"vCenter gRPC gateway Serving Version {__version__} · up ",
        f"vCenter Answers API {NEWEST.version} {system.simulator.url} circuit breaker closed",
        "Calls to vCenter 0 of 64 0 waiting · 0 refused 18 made · ",
        "Open sessions 1 1 login, 1 rejected",
        "vCenter's certificate 29 d",
        "Rpc Calls Now Failed p50 p99 1 ms 10 ms 0.1 s 1 s 10 s vcenter.vm.v1.PowerService/GetPower 13 ",
        "Errors of vCenter and the gateway None so far. Errors of callers",
        "vcenter.vm.v1.PowerService/GetPower UNAUTHENTICATED CREDENTIALS_REJECTED "
        "com.vmware.vapi.endpoint.method.authentication.required 1 ",
    ):
        assert expected in words, words
    assert re.search(r"Rpcs 17 [\d.]+/s now 0 in flight 4 failed · [\d.]+/s now", words), words
    assert re.search(r"ABORTED RESOURCE_BUSY [a-z.]+ 1 \d\d:\d\d:\d\d vm-\d+ a-rather-long-request-id-", words), words
    assert re.search(r"ALREADY_IN_DESIRED_STATE [\w.]+ 2 \d\d:\d\d:\d\d vm-\d+ [0-9a-f]{32}", words), words


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


async def test_the_faults_of_the_server(tmp_path: Path) -> None:
    """However many mistakes callers make, what vCenter and the gateway have to answer for stays to be seen."""
    async with running_system() as system:
        system.simulator.faults.add(Fault.answer([1, 2]), operation=READ_ID)
        await system.call(READ, READ_REQUEST)
        for rpc in list(system.gateway.bindings)[:30]:
            await system.call(rpc, {})
        words = " ".join((await look(system, tmp_path)).text.split())
    [fault, mistakes] = words.split("Errors of vCenter and the gateway")[1].split("Errors of callers")
    text = "the result should be an object but is an array"
    assert re.search(rf"PowerService/GetPower INTERNAL VCENTER_RESPONSE_INVALID .* {text} 1 ", fault), fault
    assert mistakes.count("REQUEST_INVALID") == 20


async def test_a_vcenter_that_is_down(tmp_path: Path) -> None:
    """The page says so, and why its version is not known."""
    async with running_system() as system:
        await system.simulator.stop()
        for _ in range(10):
            await system.call(START, START_REQUEST)
        words = " ".join((await look(system, tmp_path)).text.split())
    assert "vCenter cannot be called. vCenter cannot be reached: Connection refused. To find out where" in words
    assert "vCenter Cannot be called Version unknown" in words
    assert "circuit breaker open" in words


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """The page says so although nothing was called yet, and what to do: what `check` says too."""
    async with Simulator(SimulatorOptions(tls=True)) as simulator, browser(tmp_path) as tab:
        process = ProcessAdmin("127.0.0.1:0", VCenterOptions(simulator.url))
        gateway = Gateway(VCenterOptions(simulator.url), Admission(passthrough()), contract=load_contract())
        address = await process.start(gateway)
        try:
            for width in WIDTHS:
                words = " ".join((await tab.look(f"http://{address}/", width)).text.split())
                assert await tab.evaluate(_BROKEN) == []
        finally:
            await process.stop()
    assert "vCenter cannot be called. vCenter: the certificate is not trusted: self-signed" in words
    assert f"Download {simulator.url}/certs/download.zip" in words
    assert f"--vcenter-thumbprint {simulator.thumbprint}" in words
    assert "vCenter Cannot be called Version unknown" in words


async def test_a_refused_service_account(tmp_path: Path) -> None:
    """Where all logins are the gateway's own, one that vCenter refuses is what the page begins with; where callers
    bring their passwords, it is a caller's matter."""
    async with running_system() as system, browser(tmp_path) as tab:
        await system.call(READ, READ_REQUEST, password="wrong")
        for service_account, refused in ((False, False), (True, True)):
            assert system.process._server is not None
            system.process._server._service_account = service_account
            words = " ".join((await tab.look(f"http://{system.admin.address}/", DESKTOP)).text.split())
            assert ("vCenter rejects the service account." in words) is refused
            assert ("vCenter Login rejected" in words) is refused
        await system.call(READ, READ_REQUEST)
        assert "Login rejected" not in (await tab.look(f"http://{system.admin.address}/", DESKTOP)).text
