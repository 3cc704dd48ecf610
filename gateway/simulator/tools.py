"""VMware Tools in a guest: their version, how they were installed, and their upgrades."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.simulator import errors
from gateway.simulator.guest_systems import Family

__all__ = ["NEWEST", "Tools", "tools_for"]

NEWEST = 12389
"""The version that the hosts offer; numbers consist of major, minor and revision, see `Tools.version_text`."""
_OLDER = 12320
_PACKAGED = 12352


@dataclass(slots=True)
class Tools:
    """The tools of one guest, whether they run or not."""

    version: int
    install_type: str
    upgrade_policy: str = "MANUAL"
    attempts: int = 0
    error: errors.VapiError | None = field(default=None, repr=False)
    """Why the last attempt to upgrade them failed."""
    upgrade_ends: datetime | None = None
    """When the running upgrade ends."""
    upgrades_fail: bool = False
    """Whether the installer fails in this guest; for tests."""

    @property
    def managed(self) -> bool:
        """Whether vCenter can upgrade them: they were installed by VMware's installer, not from a package of the
        system."""
        return self.install_type in {"MSI", "TAR"}

    @property
    def version_text(self) -> str:
        """The readable version."""
        return f"{self.version >> 10}.{self.version >> 5 & 31}.{self.version & 31}"

    @property
    def version_status(self) -> str:
        """How the version compares with the one that the hosts offer."""
        if not self.managed:
            return "UNMANAGED"
        if self.version == NEWEST:
            return "CURRENT"
        return "SUPPORTED_OLD" if self.version < NEWEST else "SUPPORTED_NEW"

    def begin_upgrade(self, start: datetime, duration: timedelta) -> None:
        """Begins an upgrade; `advance` ends it."""
        self.attempts += 1
        self.error = None
        self.upgrade_ends = start + duration

    def booted(self, tools_start: datetime, duration: timedelta) -> None:
        """The guest starts, and with it the upgrade that the policy requires."""
        if self.upgrade_policy == "UPGRADE_AT_POWER_CYCLE" and self.managed and self.version < NEWEST:
            self.begin_upgrade(tools_start, duration)

    def stopped(self) -> None:
        """The guest went down; a running upgrade has failed."""
        if self.upgrade_ends is not None:
            self._fail()

    def advance(self, now: datetime) -> None:
        """Ends the upgrade when its time has come."""
        if self.upgrade_ends is None or self.upgrade_ends > now:
            return
        if self.upgrades_fail:
            self._fail()
            return
        self.upgrade_ends, self.version = None, NEWEST

    def _fail(self) -> None:
        self.upgrade_ends = None
        self.error = errors.error("vmsg.VmToolsUpgradeFault.summary", "Error upgrading VMware Tools.")


def tools_for(family: Family) -> Tools:
    """The usual tools of the guest family: Windows an installed version, Linux the open-vm-tools of the system."""
    return Tools(_OLDER, "MSI") if family == "WINDOWS" else Tools(_PACKAGED, "OPEN_VM_TOOLS")
