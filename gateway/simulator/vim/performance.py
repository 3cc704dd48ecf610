"""Performance counters of machines: a catalogue, and curves that are the same for every request.

A value is a function of the machine, the counter and the time: a slow wave with a faster one on top. A powered-off
machine has no live data.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.vim.values import Data

__all__ = ["COUNTERS", "INTERVALS", "LIVE", "Counter", "instances", "sample_times", "value"]

LIVE = 20
"""The interval of live data, in seconds."""
_LIVE_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter; `base` and `swing` shape its curve, in vCenter's unit for the counter."""

    key: int
    group: str
    name: str
    rollup: str
    unit: str
    stats: str
    label: str
    base: int
    swing: int
    level: int = 1
    per: str = ""
    """The kind of its instances: `cpu`, `nic` or `disk`; empty if it has none."""

    @property
    def full_name(self) -> str:
        """For example `cpu.usage.average`."""
        return f"{self.group}.{self.name}.{self.rollup}"

    def to_data(self) -> Data:
        """PerfCounterInfo."""
        return Data(
            "PerfCounterInfo",
            key=self.key,
            nameInfo=_described(self.name, self.label),
            groupInfo=_described(self.group, _GROUPS[self.group]),
            unitInfo=_described(self.unit, _UNITS[self.unit]),
            rollupType=self.rollup,
            statsType=self.stats,
            level=self.level,
            perDeviceLevel=max(3, self.level),
        )


_GROUPS = {
    "cpu": "CPU",
    "mem": "Memory",
    "disk": "Disk",
    "net": "Network",
    "virtualDisk": "Virtual disk",
    "sys": "System",
}
_UNITS = {
    "percent": "%",
    "megaHertz": "MHz",
    "millisecond": "ms",
    "kiloBytes": "KB",
    "kiloBytesPerSecond": "KBps",
    "second": "s",
}

COUNTERS = {
    counter.key: counter
    for counter in (
        Counter(2, "cpu", "usage", "average", "percent", "rate", "Usage", 2400, 1800),
        Counter(6, "cpu", "usagemhz", "average", "megaHertz", "rate", "Usage in MHz", 1100, 800, per="cpu"),
        Counter(12, "cpu", "ready", "summation", "millisecond", "delta", "Ready", 120, 90, per="cpu"),
        Counter(24, "mem", "usage", "average", "percent", "absolute", "Usage", 3500, 1500),
        Counter(33, "mem", "active", "average", "kiloBytes", "absolute", "Active", 700_000, 400_000, 2),
        Counter(98, "mem", "consumed", "average", "kiloBytes", "absolute", "Consumed", 1_800_000, 200_000),
        Counter(125, "disk", "usage", "average", "kiloBytesPerSecond", "rate", "Usage", 900, 700),
        Counter(130, "disk", "read", "average", "kiloBytesPerSecond", "rate", "Read rate", 400, 350, 2),
        Counter(131, "disk", "write", "average", "kiloBytesPerSecond", "rate", "Write rate", 500, 350, 2),
        Counter(143, "net", "usage", "average", "kiloBytesPerSecond", "rate", "Usage", 220, 180, per="nic"),
        Counter(148, "net", "received", "average", "kiloBytesPerSecond", "rate", "Received", 120, 100, 2, "nic"),
        Counter(149, "net", "transmitted", "average", "kiloBytesPerSecond", "rate", "Sent", 100, 80, 2, "nic"),
        Counter(155, "sys", "uptime", "latest", "second", "absolute", "Uptime", 0, 0),
        Counter(178, "virtualDisk", "read", "average", "kiloBytesPerSecond", "rate", "Read rate", 400, 350, 1, "disk"),
        Counter(
            179, "virtualDisk", "write", "average", "kiloBytesPerSecond", "rate", "Write rate", 500, 350, 1, "disk"
        ),
    )
}
"""All counters by key."""

INTERVALS = (
    Data("PerfInterval", key=1, samplingPeriod=300, name="Past day", length=86_400, level=1, enabled=True),
    Data("PerfInterval", key=2, samplingPeriod=1800, name="Past week", length=604_800, level=1, enabled=True),
    Data("PerfInterval", key=3, samplingPeriod=7200, name="Past month", length=2_592_000, level=1, enabled=True),
    Data("PerfInterval", key=4, samplingPeriod=86_400, name="Past year", length=31_536_000, level=1, enabled=True),
)
"""The intervals of historical data."""


def instances(machine: VirtualMachine, counter: Counter) -> list[str]:
    """The instances of a counter of a machine; the empty one is the sum or the mean of all."""
    match counter.per:
        case "cpu":
            return ["", *(str(number) for number in range(machine.cpu.count))]
        case "nic":
            return ["", *machine.nics]
        case "disk":
            addresses = (disk.address for disk in machine.disks.values())
            return [f"{address.adapter.lower()}{address.bus}:{address.unit}" for address in addresses]
    return [""]


def sample_times(
    machine: VirtualMachine,
    interval: int,
    begin: datetime | None,
    end: datetime | None,
    most: int | None,
    now: datetime,
) -> list[datetime]:
    """The times of the samples after `begin` up to `end`, the newest ones if there are more than the limit."""
    oldest = now - _length(interval)
    if interval == LIVE:
        if machine.power_state != "POWERED_ON" or machine.guest.tools_start is None:
            return []
        oldest = max(oldest, machine.guest.tools_start - machine.guest.transition)
    first = max(oldest, begin or oldest)
    last = min(now, end or now)
    found = list(_grid(first, last, interval))
    return found[-most:] if most else found


def value(machine: VirtualMachine, counter: Counter, instance: str, moment: datetime) -> int:
    """The value of a counter at a certain time."""
    if counter.name == "uptime":
        start = machine.guest.tools_start
        return 0 if start is None else max(0, int((moment - start + machine.guest.transition).total_seconds()))
    phase = zlib.crc32(f"{machine.vm}/{counter.key}/{instance}".encode()) / (1 << 32) * math.tau
    seconds = moment.timestamp()
    wave = 0.7 * math.sin(seconds / 3600 * math.tau + phase) + 0.3 * math.sin(seconds / 300 * math.tau + 3 * phase)
    return max(0, int(counter.base + counter.swing * wave))


def _length(interval: int) -> timedelta:
    if interval == LIVE:
        return _LIVE_KEPT
    lengths = {int(item["samplingPeriod"]): int(item["length"]) for item in INTERVALS}
    return timedelta(seconds=lengths[interval])


def _grid(first: datetime, last: datetime, interval: int) -> Iterator[datetime]:
    stamp = (int(first.timestamp()) // interval + 1) * interval
    while stamp <= last.timestamp():
        yield datetime.fromtimestamp(stamp, UTC)
        stamp += interval


def _described(key: str, label: str) -> Data:
    return Data("ElementDescription", label=label, summary=label, key=key)
