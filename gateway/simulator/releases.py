"""The releases of vCenter that the simulator can be.

A release has what came with its version of the vSphere API or before, and nothing that came later.
"""

from dataclasses import dataclass

__all__ = ["NEWEST", "RELEASES", "Release"]


@dataclass(frozen=True, slots=True)
class Release:
    """A release of vCenter, as people name it, with its version of the vSphere API."""

    name: str
    version: str

    def has(self, since: str | None) -> bool:
        """Whether the release has what came with that version; None stands for what has always been there."""
        return since is None or _numbers(since) <= _numbers(self.version)


RELEASES = {
    release.name: release
    for release in (Release("7.0.3", "7.0.3.0"), Release("8.0.2", "8.0.2.0"), Release("9.1", "9.1.1.0"))
}
"""By name, the oldest first. 9.1 stands for all that has come with 9.1 so far."""
NEWEST = RELEASES["9.1"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
