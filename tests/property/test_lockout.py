"""Whatever logins come, run and end, in whatever order: no account sees more than four refusals in three minutes."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.calls import Basic
from gateway.vcenter.lockout import Attempt, LockoutGuard
from tests.held_vcenter import Clock

WINDOW, TRIES = 180.0, 4
CREDENTIALS = st.builds(Basic, st.sampled_from(["a", "a", "A", "b"]), st.sampled_from("123456789"))
TRIED = st.tuples(st.just("try"), CREDENTIALS, st.booleans())
ENDED = st.tuples(st.sampled_from(["accepted", "refused", "refused", "ended", "unanswered"]), st.integers(0, 7))
PASSED = st.tuples(st.just("pass"), st.sampled_from([0.5, 5.0, 30.0, 60.0, 179.5, 180.0, 300.0]))


@settings(max_examples=150)
@given(st.lists(st.one_of(TRIED, TRIED, TRIED, TRIED, ENDED, ENDED, PASSED), min_size=20, max_size=100))
def test_refusals(steps: list[tuple[object, ...]]) -> None:
    """In any three minutes vCenter refuses at most four passwords of an account, whatever it may have said with answers
    to unknown passwords that were lost; and a password that was refused is not tried before its time."""
    clock = Clock()
    guard = LockoutGuard(clock=clock)
    under_way: list[Attempt] = []
    refusals: dict[str, list[float]] = defaultdict(list)
    not_before: dict[tuple[str, str], float] = {}

    def end(attempt: Attempt, how: str) -> None:
        account = attempt.credential.account
        wait = getattr(attempt, how)()
        if how == "refused" or (how == "unanswered" and not attempt.is_proven):
            refusals[account].append(clock.now)
        if how == "refused":
            assert wait in (5.0, 30.0, 300.0)
            not_before[account, attempt.credential.password] = clock.now + wait

    for kind, *arguments in steps:
        if kind == "pass":
            clock.now += arguments[0]  # type: ignore[operator]
        elif kind == "try":
            credential, is_proven = arguments
            assert isinstance(credential, Basic)
            assert isinstance(is_proven, bool)
            if guard.seconds_refused(credential) or guard.seconds_to_wait(credential, is_proven=is_proven):
                continue
            assert clock.now >= not_before.get((credential.account, credential.password), 0)
            under_way.append(guard.begins(credential, is_proven=is_proven))
        elif under_way:
            end(under_way.pop(arguments[0] % len(under_way)), str(kind))  # type: ignore[operator]
    for attempt in under_way:
        end(attempt, "refused")
    for times in refusals.values():
        assert all(later - first >= WINDOW for first, later in zip(times, times[TRIES:], strict=False))
