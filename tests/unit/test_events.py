"""Several subscribers that are told as one."""

from __future__ import annotations

from typing import Any

from gateway.contract import load_contract
from gateway.events import _NAMES, BreakerChanged, CallEnded, Events, combined
from gateway.vcenter.breaker import BreakerState

CHANGED = BreakerChanged(BreakerState.OPEN, "refused")
ENDED = CallEnded(load_contract().methods["vcenter.v1.VmService/ListVms"], "r-1", "ipv4:192.0.2.7:40312", 0.1)


class Breaker(Events):
    """Cares for one event."""

    def __init__(self, name: str, told: list[Any]) -> None:
        self.name = name
        self.told = told

    def breaker_changed(self, changed: BreakerChanged) -> None:
        self.told.append((self.name, changed))


class Both(Breaker):
    """Cares for one more, and inherits the other."""

    def call_ended(self, ended: CallEnded) -> None:
        self.told.append((self.name, ended))


def test_the_order() -> None:
    """Subscribers are told in the order in which they were given."""
    told: list[Any] = []
    events = combined(Breaker("a", told), Both("b", told), Breaker("c", told))
    events.breaker_changed(CHANGED)
    events.call_ended(ENDED)
    assert told == [("a", CHANGED), ("b", CHANGED), ("c", CHANGED), ("b", ENDED)]


def test_events_that_nobody_cares_for() -> None:
    """An event that no subscriber overrides is told to nobody, and one that a single one does without a detour."""
    one = Breaker("a", [])
    events = combined(Events(), one, Events())
    assert set(vars(events)) == {"breaker_changed"}
    assert vars(events)["breaker_changed"] == one.breaker_changed
    events.call_ended(ENDED)
    assert not one.told


def test_they_nest() -> None:
    """What is combined is a subscriber like any other."""
    told: list[Any] = []
    events = combined(Breaker("a", told), combined(Both("b", told), combined()), combined(Breaker("c", told)))
    events.breaker_changed(CHANGED)
    events.call_ended(ENDED)
    assert [name for name, _ in told] == ["a", "b", "c", "b"]


def test_no_subscriber() -> None:
    """Without subscribers, every event does nothing."""
    events = combined()
    assert not vars(events)
    events.unknown_field("lab.v1.Message", "field")


def test_every_event_is_told() -> None:
    """Whatever the protocol has is passed on, with all of its arguments."""
    told: list[tuple[str, tuple[Any, ...]]] = []

    def teller(name: str) -> Any:
        return lambda self, *event: told.append((name, event))

    everything = type("Everything", (Events,), {name: teller(name) for name in _NAMES})
    events = combined(everything(), everything())
    for name in _NAMES:
        count = getattr(Events, name).__code__.co_argcount - 1
        getattr(events, name)(*range(count))
        assert told[-2:] == [(name, tuple(range(count)))] * 2
