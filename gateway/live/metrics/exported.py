"""The live performance of selected machines for Prometheus, which queries the gateway and not vCenter.

One process of the gateway reads vCenter's samples every 20 seconds, no matter how often they are scraped. Values that
could not be read for a while are omitted: an old value would look like a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import TYPE_CHECKING

from gateway.access.patterns import fits
from gateway.errors import failure_of
from gateway.live.metrics.catalogue import LIVE_SECONDS, CatalogueReader, Counter
from gateway.live.metrics.queries import Question, ask
from gateway.vim import Ref
from gateway.vim.values import unescaped_name

if TYPE_CHECKING:
    from gateway.calls.credential import Credential
    from gateway.vcenter.client import VCenter
    from gateway.vim.client import VimClient

__all__ = ["ExportedMetrics", "Measured"]

_LOOK_SECONDS = 60.0
"""How often machines are selected again."""
_STALE_SECONDS = 90.0
_TEMPLATE, _POWER, _NAME = "config.template", "runtime.powerState", "name"

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """The latest value of a machine's counter."""

    counter: Counter
    vm: str
    name: str
    value: float


class ExportedMetrics:
    """Reads until it is closed. `names` are patterns; at most `most` machines are read."""

    def __init__(
        self,
        vcenter: VCenter,
        credential: Callable[[], Credential],
        names: Sequence[str],
        counters: Sequence[str],
        most: int,
        *,
        seconds: float = LIVE_SECONDS,
    ) -> None:
        self._vcenter = vcenter
        self._credential = credential
        self._names = list(names)
        self._counters = list(counters)
        self._most = most
        self._seconds = seconds
        self._catalogues = CatalogueReader()
        self._measured: Sequence[Measured] = ()
        self._read_at = 0.0
        self._chosen: dict[str, str] = {}
        self._chosen_at = 0.0
        self._problem = ""
        self._task = asyncio.ensure_future(self._run())

    def newest(self) -> Sequence[Measured]:
        """The last values, empty if they are too old."""
        return self._measured if time.monotonic() - self._read_at < _STALE_SECONDS else ()

    async def close(self) -> None:
        """Ends the reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                self._measured = await self._read()
                self._read_at = time.monotonic()
                self._say("")
            except Exception as error:
                failure = failure_of(error, "the reading of machines' metrics")
                self._say(f"the metrics of machines cannot be read: {failure.message}")
            await asyncio.sleep(self._seconds)

    async def _read(self) -> list[Measured]:
        client = self._vcenter.vim.client(self._credential())
        catalogue, counters = await self._catalogues.counters(client, self._counters)
        if not self._chosen_at or time.monotonic() - self._chosen_at >= _LOOK_SECONDS:
            self._chosen = await self._choose(client)
            self._chosen_at = time.monotonic()
        question = Question(counters, LIVE_SECONDS, most=1)
        found = await ask(client, catalogue.manager, list(self._chosen), question)
        return [Measured(series.counter, series.vm, self._chosen[series.vm], series.samples[-1][1]) for series in found]

    async def _choose(self, client: VimClient) -> dict[str, str]:
        """The names of the machines to read, by their identifiers. Raises GatewayError."""
        # Imported here, like all of the VIM API.
        from gateway.vim.filters import in_view

        content = await client.content()
        arguments = {"container": content["rootFolder"], "type": ["VirtualMachine"], "recursive": True}
        view: Ref = await client.call(content["viewManager"], "CreateContainerView", arguments)
        chosen: dict[str, str] = {}
        try:
            paths = [_NAME, _POWER, _TEMPLATE]
            async for page in client.retrieve([in_view(view, "VirtualMachine", paths)]):
                for machine in page:
                    values, name = machine.values, unescaped_name(machine.values.get(_NAME, ""))
                    runs = values.get(_POWER) == "poweredOn" and not values.get(_TEMPLATE)
                    if runs and fits(name, self._names):
                        chosen[machine.obj.value] = name
        finally:
            self._vcenter.vim.finish(client.call(view, "DestroyView"))
        if len(chosen) > self._most:
            text = "metrics.machines matches %d machines, but metrics.max_machines allows only %d"
            _log.warning(text, len(chosen), self._most)
        # `vm-999` before `vm-1000`.
        first = sorted(chosen, key=lambda vm: (len(vm), vm))[: self._most]
        return {vm: chosen[vm] for vm in first}

    def _say(self, problem: str) -> None:
        """Logs a problem if it is new."""
        if problem and problem != self._problem:
            _log.warning("%s", problem)
        self._problem = problem
