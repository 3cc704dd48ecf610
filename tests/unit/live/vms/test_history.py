"""The history: what a watcher has missed since any change that is still known."""

from __future__ import annotations

from gateway.live.vms.history import History
from tests.machines import machine

VM, OTHER = "vm-1", "vm-2"


def started(**how: object) -> History:
    """A history that began with one machine."""
    history = History(**how)  # type: ignore[arg-type]
    history.put(VM, machine(VM))
    history.begin()
    return history


def test_the_first_state_is_no_change() -> None:
    """Nobody has missed anything of the state with which a history begins."""
    history = started()
    assert set(history.machines) == {VM}
    assert history.missed(history.sequence) == {}
    assert history.missed(history.sequence - 1) is None


def test_changes_are_merged() -> None:
    """Of each machine, a watcher gets the state that it knows, however often the machine has changed since."""
    history = started()
    since, known = history.sequence, history.machines[VM]
    for name in ("b", "c", "d"):
        history.put(VM, machine(VM, name=name))
        history.commit()
    history.put(OTHER, machine(OTHER))
    history.commit()
    assert history.missed(since) == {VM: known, OTHER: None}
    assert history.missed(history.sequence) == {}
    assert history.machines[VM].name == "d"


def test_what_waits_is_not_there_yet() -> None:
    """Changes show at the next commit, and not one by one before."""
    history = started()
    history.put(VM, None)
    history.put(OTHER, machine(OTHER))
    assert history.newest(VM) is None
    assert set(history.newest_ids()) == {OTHER}
    assert set(history.machines) == {VM}
    assert set(history.commit()) == {VM, OTHER}
    assert set(history.machines) == {OTHER}


def test_a_change_that_was_undone() -> None:
    """A machine that is as before when the changes are committed has not changed."""
    history = started()
    history.put(VM, None)
    history.put(VM, machine(VM))
    assert history.commit() == {}


def test_old_changes_are_forgotten() -> None:
    """Beyond the bounds of bytes and of age a watcher is told that nobody knows what it has missed."""
    now = 0.0
    history = started(max_bytes=10_000, max_seconds=100, clock=lambda: now)
    since = history.sequence
    for number in range(100):
        history.put(VM, machine(VM, name=str(number)))
        history.commit()
    assert history.missed(since) is None
    recent = history.sequence - 5
    assert history.missed(recent) is not None
    now = 101.0
    history.put(OTHER, machine(OTHER))
    history.commit()
    assert history.missed(recent) is None
    assert history.missed(history.sequence - 1) == {OTHER: None}


def test_numbers_that_never_were() -> None:
    """A number from the future, or from before the beginning, tells nothing."""
    history = started()
    assert history.missed(history.sequence + 1) is None
    assert history.missed(-1) is None
