"""The version of the virtual hardware: planned upgrades, and how a power-on executes them."""

from dataclasses import dataclass, field
from typing import Any

from gateway.simulator import errors

__all__ = ["HardwareUpgrade", "unsupported_version"]


@dataclass(slots=True)
class HardwareUpgrade:
    """The plan of one machine, and the outcome of the last one."""

    policy: str = "NEVER"
    version: str | None = None
    status: str = "NONE"
    error: errors.VapiError | None = field(default=None, repr=False)

    def plan(self, policy: str, version: str | None) -> None:
        """Sets the plan; NEVER drops the existing one."""
        self.policy, self.version, self.error = policy, version, None
        self.status = "NONE" if version is None else "PENDING"

    def at_power_on(self, present: str, newest: str, *, clean: bool) -> str:
        """The version with which a machine starts, depending on whether it was shut down cleanly; hosts know the newest
        one."""
        if self.version is None or not (self.policy == "ALWAYS" or (self.policy == "AFTER_CLEAN_SHUTDOWN" and clean)):
            return present
        if self.version > newest:
            self.status, self.error = "FAILED", unsupported_version(self.version)
            return present
        version = max(self.version, present)
        self.policy, self.version, self.status, self.error = "NEVER", None, "SUCCESS", None
        return version

    def to_json(self, present: str) -> dict[str, Any]:
        """Hardware.Info of a machine with that version."""
        info: dict[str, Any] = {"version": present, "upgrade_policy": self.policy, "upgrade_status": self.status}
        if self.version is not None:
            info["upgrade_version"] = self.version
        if self.error is not None:
            info["upgrade_error"] = self.error.to_json()
        return info


def unsupported_version(version: str) -> errors.VapiError:
    """UNSUPPORTED for a version that the hosts do not know."""
    return errors.unsupported(
        "vmsg.UnsupportedVmVersion.summary", "The virtual hardware version '{0}' is not supported.", version
    )
