"""The releases of vCenter that the simulator supports.

A release has what was introduced with its version of the vSphere API or before, and nothing newer.
"""

from dataclasses import dataclass

__all__ = ["NEWEST", "RELEASES", "Release"]


@dataclass(frozen=True, slots=True)
class Release:
    """A release of vCenter by its common name, with its version of the vSphere API."""

    name: str
    version: str

    def has(self, since: str | None) -> bool:
        """Whether the release has what that version introduced; None is what has always existed."""
        return since is None or _numbers(since) <= _numbers(self.version)


RELEASES = {
    release.name: release
    for release in (Release("7.0.3", "7.0.3.0"), Release("8.0.2", "8.0.2.0"), Release("9.1", "9.1.1.0"))
}
"""By name, the oldest first. 9.1 includes everything known of 9.1."""
NEWEST = RELEASES["9.1"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
