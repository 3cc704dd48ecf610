"""How long a call may take."""

from __future__ import annotations

import pytest

from gateway.vcenter import VCenterOptions

OPTIONS = VCenterOptions("https://vcenter", read_timeout=30, change_timeout=90, max_timeout=120)


@pytest.mark.parametrize(
    ("read_only", "timeout", "seconds"),
    [
        pytest.param(True, None, 30, id="read-without-deadline"),
        pytest.param(False, None, 90, id="change-without-deadline"),
        pytest.param(True, 5, 5, id="shorter-than-the-default"),
        pytest.param(True, 60, 60, id="longer-than-the-default"),
        pytest.param(False, 119, 119, id="below-the-cap"),
        pytest.param(False, 120, 120, id="at-the-cap"),
        pytest.param(False, 121, 120, id="above-the-cap"),
        pytest.param(True, -1, -1, id="already-over"),
    ],
)
def test_seconds(read_only: bool, timeout: float | None, seconds: float) -> None:
    """The caller's own deadline counts, up to the cap; without one, the default of the kind of call."""
    assert OPTIONS.seconds_for(read_only, timeout) == seconds


def test_defaults_within_the_cap() -> None:
    """A default beyond the cap is capped too."""
    options = VCenterOptions("https://vcenter", change_timeout=90, max_timeout=60)
    assert options.seconds_for(False, None) == 60
