"""Handles differences between vCenter releases: the form of some calls, and errors for missing operations."""

from __future__ import annotations

import re

from gateway.contract import Method
from gateway.errors import Failure
from gateway.transcoding import RestRequest

__all__ = ["form_for", "is_older", "with_release"]

_NUMBERS = re.compile(r"\d+")


def is_older(release: str, than: str) -> bool:
    """Whether a version of the vSphere API, such as `7.0.3.0`, is older than another one."""
    return _numbers(release) < _numbers(than)


def form_for(release: str | None, request: RestRequest) -> RestRequest:
    """The call in the form that a vCenter of this release expects; the older form if the release is unknown."""
    newer = request.newer
    return request if newer is None or release is None or is_older(release, newer.since) else newer.request


def with_release(failure: Failure, method: Method, release: str | None) -> Failure:
    """The failure of an operation that vCenter does not have, with the release that introduced the operation."""
    if release is None or not is_older(release, method.since):
        return failure
    text = f"{method.name} needs vCenter {method.since} or later, but this is {_short(release)}"
    return failure.with_(message=text, metadata={**failure.metadata, "since": method.since, "release": release})


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBERS.findall(release))


def _short(release: str) -> str:
    """The product's version, which has three numbers, for the first release of an API version."""
    return release.removesuffix(".0") if release.count(".") == 3 else release
