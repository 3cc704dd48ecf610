"""The guest operating system of a simulated machine: what it is, who may log in, and what runs in it.

Nothing runs in the background. A guest knows when it was started, and everything else is a function of the time:
`advance` brings it up to date, and all code that looks at a guest calls it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal, Protocol

from gateway.simulator.file_system import FileSystem
from gateway.simulator.guest_accounts import PASSWORD, Account, accounts_of
from gateway.simulator.guest_systems import ENVIRONMENTS, SYSTEM_PROCESSES, Family, family_of
from gateway.simulator.guest_tree import build_tree
from gateway.simulator.tools import Tools, tools_for

__all__ = [
    "PASSWORD",
    "Account",
    "Customization",
    "Guest",
    "Mount",
    "Pause",
    "Plan",
    "PowerRequest",
    "PowerState",
    "Process",
    "Work",
    "guest_address",
]

PowerState = Literal["POWERED_OFF", "POWERED_ON", "SUSPENDED"]
PowerRequest = Literal["SHUTDOWN", "STANDBY", "REBOOT"]

_KEPT_AFTER_EXIT = timedelta(minutes=5)
_TERMINATED = 1
_TERMINATED_BY_SIGNAL = 128 + 15
_FIRST_PID = 2100


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system on the virtual disk with that identifier; sizes in bytes."""

    disk: str
    capacity: int
    free_space: int
    filesystem: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The result of running a program: a pause, endless if None, or its exit code."""

    after: timedelta | None = None
    exit_code: int | None = None


class Work(Protocol):
    """What a process does."""

    def go_on(self, now: datetime) -> Pause:
        """Continues at the end of a pause."""


@dataclass(slots=True)
class Process:
    """A process. One that was started from outside (`managed`) stays listed for five minutes after its end."""

    pid: int
    name: str
    owner: str
    command: str
    started: datetime
    managed: bool = False
    essential: bool = False
    """Whether the system depends on it: it cannot be terminated."""
    ends: datetime | None = None
    """When it exits, or continues with its work; None if it does neither."""
    exit_code: int = 0
    finished: datetime | None = None
    work: Work | None = field(default=None, repr=False)

    def advance(self, now: datetime) -> None:
        """Lets the process continue, and exit when its time has come."""
        while self.finished is None and self.ends is not None and self.ends <= now:
            if self.work is None:
                self.finished = self.ends
            else:
                self.pause(self.work.go_on(self.ends), self.ends)

    def pause(self, pause: Pause, now: datetime) -> None:
        """Pauses or exits."""
        if pause.exit_code is not None:
            self.exit_code, self.work, self.ends = pause.exit_code, None, now
            self.finished = now
        else:
            self.ends = None if pause.after is None else now + pause.after


@dataclass(frozen=True, slots=True)
class Plan:
    """What a customization changes in the guest; None leaves a value unchanged."""

    host_name: str | None = None
    domain: str | None = None
    ip_address: str | None = None
    dns_servers: tuple[str, ...] | None = None
    search_domains: tuple[str, ...] | None = None
    administrator_password: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Customization:
    """A customization that a start of the machine has begun: it runs once the tools run."""

    plan: Plan
    start: datetime
    end: datetime
    error: str | None = None
    applied: bool = False


@dataclass(slots=True)
class Guest:
    """A guest operating system. Tests may set the switches at the end."""

    name: str
    guest_os: str
    family: Family
    host_name: str
    domain: str
    ip_address: str | None
    dns_servers: list[str]
    search_domains: list[str]
    usage: float
    """How full its file systems are, from 0 to 1."""
    transition: timedelta
    """How long it takes to shut down, to reboot, or to start its tools."""
    accounts: dict[str, Account] = field(repr=False)
    environment: dict[str, str]
    tools: Tools
    address_is_static: bool = False
    """Whether a customization has set the address; otherwise, it comes from DHCP."""
    mounts: dict[str, Mount] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)

    power_state: PowerState = "POWERED_OFF"
    request: PowerRequest | None = None
    """The power operation that it has not finished, or its last one before it was suspended."""
    tools_start: datetime | None = None
    """When its tools start to run; None while the guest does not run."""
    suspended: datetime | None = None
    changes: int = 0
    """Counts power changes, so that actions planned before one can detect that they are obsolete."""

    pending_customization: Plan | None = None
    customization: Customization | None = None
    live_customization: Customization | None = None
    """The last one that was started while the guest was running."""

    desktop_user: str | None = None
    """The user who is logged in at the desktop, if there is one."""
    aliases: dict[str, str] = field(default_factory=dict, repr=False)
    """The SAML tokens that it accepts, with the account for each."""
    tools_installed: bool = True
    operations_supported: bool = True
    """Whether its tools are new enough for operations in the guest."""
    operations_disabled: bool = False
    """Whether the configuration of its tools forbids operations in the guest."""
    reports: bool = True
    """Whether its tools report names, addresses and file systems."""
    process_limit: int = 256
    next_pid: int = _FIRST_PID
    next_temporary: int = 0
    """The number in the name of the next temporary file."""
    _files: FileSystem | None = field(default=None, repr=False)

    @classmethod
    def build(cls, index: int, name: str, guest_os: str, rng: Random, transition: timedelta) -> "Guest":
        """The guest of the machine at that position in the inventory."""
        family = family_of(guest_os)
        windows = family == "WINDOWS"
        return cls(
            name=name,
            guest_os=guest_os,
            family=family,
            host_name=name,
            domain="example.com",
            ip_address=guest_address(index),
            dns_servers=["10.20.0.53", "10.20.0.54"],
            search_domains=["example.com"],
            usage=0.2 + 0.6 * rng.random(),
            transition=transition,
            accounts=accounts_of(windows=windows),
            environment=dict(ENVIRONMENTS["WINDOWS" if windows else "LINUX"]),
            tools=tools_for(family),
            desktop_user="Administrator" if windows else None,
        )

    def mount(self, disks: Mapping[str, int]) -> None:
        """Puts a file system on each of the disks, given as capacities in bytes by identifier."""
        windows = self.family == "WINDOWS"
        for number, (key, capacity) in enumerate(disks.items()):
            path = f"{chr(ord('C') + number)}:\\" if windows else ("/" if number == 0 else f"/data{number}")
            filesystem = "NTFS" if windows else "ext4"
            free = int(capacity * (1 - self.usage)) // 4096 * 4096
            self.mounts[path] = Mount(key, capacity, free, filesystem)

    @property
    def posix(self) -> bool:
        """Whether paths use slashes and processes receive signals."""
        return self.family != "WINDOWS"

    @property
    def files(self) -> FileSystem:
        """The files on its disks; created on first access, because most guests are never accessed."""
        if self._files is None:
            self._files = build_tree(self.host_name, self.accounts.values(), self.mounts, posix=self.posix)
        return self._files

    def find_account(self, name: str) -> Account | None:
        """The account with that name; on Windows, names are case-insensitive."""
        if self.posix:
            return self.accounts.get(name)
        return next((item for item in self.accounts.values() if item.name.casefold() == name.casefold()), None)

    def tools_running(self, now: datetime) -> bool:
        """Whether VMware Tools run: they start some time after the guest, and stop as soon as it shuts down."""
        return (
            self.tools_installed
            and self.request is None
            and self.suspended is None
            and self.tools_start is not None
            and self.tools_start <= now
        )

    def power_changed(self, state: PowerState, now: datetime) -> None:
        """Follows the machine: it was powered on, reset, suspended, resumed or powered off."""
        self.advance(now)
        before, self.power_state = self.power_state, state
        self.changes += 1
        if state == "SUSPENDED":
            self.suspended = now
            if self.request != "STANDBY":
                self.request = None
        elif state == "POWERED_OFF":
            self._stop(now)
        elif before == "SUSPENDED":
            self._resume(now)
        else:
            self._boot(now)

    def ask(self, request: PowerRequest, now: datetime) -> int:
        """Begins the requested power operation; returns the number of the change, to be compared when it is done."""
        if request == "REBOOT":
            self._boot(now)
        self.request = request
        self.changes += 1
        return self.changes

    def advance(self, now: datetime) -> None:
        """Brings it up to date: tools that have started, processes that have ended, customization that is done."""
        if self.power_state != "POWERED_ON":
            return
        if self.request == "REBOOT" and self.tools_start is not None and self.tools_start <= now:
            self.request = None
        self.tools.advance(now)
        for process in list(self.processes.values()):
            process.advance(now)
            if process.finished is not None and now - process.finished > _KEPT_AFTER_EXIT:
                del self.processes[process.pid]
        run = self.customization
        if run is not None and not run.applied and run.error is None and run.end <= now:
            run.applied = True
            self.apply(run.plan)

    def next_change(self, now: datetime) -> datetime | None:
        """When the state that its tools report changes next without any request; None for never."""
        if self.power_state != "POWERED_ON":
            return None
        runs = [run for run in (self.customization, self.live_customization) if run is not None and run.error is None]
        moments = (self.tools_start, self.tools.upgrade_ends, *(run.end for run in runs))
        return min((moment for moment in moments if moment is not None and moment > now), default=None)

    def running(self) -> list[Process]:
        """The processes that have not ended."""
        return [process for process in self.processes.values() if process.finished is None]

    def start_process(self, process_name: str, owner: str, command: str, now: datetime) -> Process:
        """Starts a process that runs until it is terminated, or until the end that the caller sets."""
        process = Process(self.next_pid, process_name, owner, command, now, managed=True)
        self.next_pid += 1
        self.processes[process.pid] = process
        return process

    def may_terminate(self, account: Account, process: Process) -> bool:
        """Whether the account may terminate the process: administrators may terminate those of others."""
        if process.essential and not self.posix:
            return False
        return account.administrator or account.name == process.owner

    def terminate(self, process: Process, now: datetime) -> None:
        """Kills a running process, unless the system depends on it."""
        if process.essential:
            return
        if not process.managed:
            del self.processes[process.pid]
            return
        process.finished = now
        process.exit_code = _TERMINATED_BY_SIGNAL if self.posix else _TERMINATED

    def apply(self, plan: Plan) -> None:
        """Applies the changes of a customization."""
        self.host_name = plan.host_name or self.host_name
        self.domain = self.domain if plan.domain is None else plan.domain
        if plan.ip_address is not None:
            self.ip_address, self.address_is_static = plan.ip_address, True
        self.dns_servers = self.dns_servers if plan.dns_servers is None else list(plan.dns_servers)
        self.search_domains = self.search_domains if plan.search_domains is None else list(plan.search_domains)
        if plan.administrator_password is not None:
            for account in [account for account in self.accounts.values() if account.administrator]:
                self.accounts[account.name] = replace(account, password=plan.administrator_password)

    def _boot(self, now: datetime) -> None:
        self.request = None
        self.suspended = None
        self.tools_start = now + self.transition
        self.tools.booted(self.tools_start, self.transition)
        system = SYSTEM_PROCESSES["WINDOWS" if self.family == "WINDOWS" else "LINUX"]
        self.processes = {
            pid: Process(pid, name, owner, command, now, essential=pid == min(system))
            for pid, (name, owner, command) in system.items()
        }
        self.next_pid = _FIRST_PID
        if self.pending_customization is not None:
            start = self.tools_start
            self.customization = Customization(self.pending_customization, start, start + self.transition)
            self.pending_customization = None

    def _stop(self, now: datetime) -> None:
        self.request = None
        self.suspended = None
        self.tools_start = None
        self.processes = {}
        self.tools.stopped()
        live = self.live_customization
        if live is not None and not live.applied and live.error is None:
            live.error, live.end = "The virtual machine was powered off.", now
        run = self.customization
        if run is None or run.applied or run.error is not None:
            return
        if now < run.start:
            # It has not begun, so it still has to run at the next start.
            self.customization, self.pending_customization = None, run.plan
        else:
            run.end = now
            run.error = "The virtual machine was powered off before the customization was complete."

    def _resume(self, now: datetime) -> None:
        """Continues where it was: everything that it waits for is delayed by the time that it did not run."""
        pause = now - (self.suspended or now)
        self.request = None
        self.suspended = None
        if self.tools_start is not None:
            self.tools_start += pause
        for process in self.running():
            if process.ends is not None:
                process.ends += pause
        run = self.customization
        if run is not None and not run.applied:
            run.start += pause
            run.end += pause


def guest_address(index: int) -> str:
    """The address of the guest of the machine at that position in the inventory."""
    return f"10.20.{1 + index // 250}.{1 + index % 250}"
