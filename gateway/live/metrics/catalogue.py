"""The catalogue of counters: vCenter numbers them arbitrarily, and callers use their names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.live.required import refuse
from gateway.live.vim_objects import read
from gateway.vim import Data, Ref

if TYPE_CHECKING:
    from gateway.vim.client import VimClient

__all__ = ["LIVE_SECONDS", "Catalogue", "CatalogueReader", "Counter", "Interval"]

LIVE_SECONDS = 20
"""The interval of live samples, which vCenter's list of intervals omits."""
_LIVE_KEPT_SECONDS = 3600
_KEPT_SECONDS = 3600.0
_NEW_SECONDS = 60.0
"""Minimum age of a catalogue to be read again for an unknown name."""
_PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of vCenter."""

    key: int
    name: str
    """Group, counter and rollup, for example `cpu.usage.average`."""
    description: str
    unit: str
    level: int

    @property
    def divisor(self) -> int:
        """The divisor of vCenter's numbers: it counts percentages in hundredths."""
        return 100 if self.unit == _PERCENT else 1


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval at which samples are kept. Times are in seconds."""

    seconds: int
    kept: int
    name: str
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The counters and intervals of one vCenter."""

    manager: Ref
    counters: Mapping[str, Counter]
    """By name."""
    intervals: Sequence[Interval]
    """The shortest first."""


class CatalogueReader:
    """Reads the catalogue, and caches it for an hour. It is the same for all callers; reading values still requires
    vCenter's permission."""

    def __init__(self) -> None:
        self._kept: Catalogue | None = None
        self._since = 0.0

    async def current(self, client: VimClient) -> Catalogue:
        """The current catalogue. Raises GatewayError."""
        manager: Ref = (await client.content())["perfManager"]
        values = await read(client, manager, "perfCounter", "historicalInterval")
        counters = map(_counter, values.get("perfCounter", ()))
        live = Interval(LIVE_SECONDS, _LIVE_KEPT_SECONDS, "Live", is_live=True)
        kept = [
            Interval(item["samplingPeriod"], item["length"], item["name"])
            for item in values.get("historicalInterval", ())
            if item["enabled"] and item["samplingPeriod"] != LIVE_SECONDS
        ]
        self._kept = Catalogue(
            manager,
            {counter.name: counter for counter in counters},
            [live, *sorted(kept, key=lambda interval: interval.seconds)],
        )
        self._since = time.monotonic()
        return self._kept

    async def counters(self, client: VimClient, names: Sequence[str]) -> tuple[Catalogue, list[Counter]]:
        """The counters of these names. Raises GatewayError (INVALID_ARGUMENT) for an unknown one."""
        age = time.monotonic() - self._since
        catalogue = self._kept if age < _KEPT_SECONDS else None
        if catalogue is None or (age >= _NEW_SECONDS and not catalogue.counters.keys() >= set(names)):
            catalogue = await self.current(client)
        for number, name in enumerate(names):
            if name not in catalogue.counters:
                raise refuse(f"metrics[{number}]", "is not the name of one of vCenter's metrics")
        return catalogue, [catalogue.counters[name] for name in dict.fromkeys(names)]


def _counter(info: Data) -> Counter:
    group, name = info["groupInfo"]["key"], info["nameInfo"]
    return Counter(
        info["key"],
        f"{group}.{name['key']}.{info['rollupType']}",
        name.get("summary") or name.get("label") or "",
        info["unitInfo"]["key"],
        info.get("level", 0),
    )
