"""Where the answers of vCenter are read."""

from __future__ import annotations

import threading

import pytest

from gateway.contract import load_contract
from gateway.events import Events
from gateway.transcoding import RestResponse, compile_bindings
from gateway.vcenter import translating as module
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.translating import translating
from tests.calls import call_of

READ = "vcenter.vm.v1.PowerService/GetPower"
LIMIT = 1000


class _Threads(Events):
    """Keeps the threads in which answers are read."""

    def __init__(self) -> None:
        self.found: list[threading.Thread] = []

    def unknown_field(self, message: str, field: str) -> None:
        self.found.append(threading.current_thread())


@pytest.mark.parametrize(
    ("size", "in_its_place"), [(LIMIT - 1, False), (LIMIT, True), (LIMIT + 1, True)], ids=["below", "at", "above"]
)
async def test_large_answers(monkeypatch: pytest.MonkeyPatch, size: int, in_its_place: bool) -> None:
    """They are read by another thread, before their place with vCenter is given back; small ones at once."""
    monkeypatch.setattr(module, "_LARGE", LIMIT)
    threads, read_before = _Threads(), []

    async def send(exchange: Exchange) -> RestResponse:
        response = RestResponse(200, {}, b'{"state": "POWERED_ON", "new": 1}'.ljust(size))
        assert exchange.read is not None
        if (reading := exchange.read(response)) is not None:
            await reading
        read_before.append(len(threads.found))
        return response

    await translating(threads)(send)(call_of(compile_bindings(load_contract())[READ], {"vm": "vm-1"}))
    assert read_before == [int(in_its_place)]
    [thread] = threads.found
    assert (thread is threading.current_thread()) is not in_its_place
