"""Whatever happens in whatever order, a watcher that has taken everything knows what there is, and was told nothing
twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.scope import EVERYTHING
from gateway.contract import load_contract
from gateway.live.vms.audience import Watcher
from gateway.live.vms.history import History
from gateway.live.vms.hub import Hub
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.selection import Selection, select
from tests.machines import FIELDS, Follower, machine, message

RESPONSES = VmResponses(load_contract(), FIELDS)
VMS = ["vm-1", "vm-2", "vm-3"]
STATES = ["POWER_STATE_POWERED_ON", "POWER_STATE_POWERED_OFF"]
MASKS = [FIELDS.all, FIELDS.named(["name"]), FIELDS.named(["annotation", "cpu_count"])]
FILTERS: list[Mapping[str, Any]] = [
    {},
    {"vms": ["vm-1", "vm-2"]},
    {"names": ["a"]},
    {"power_states": ["POWER_STATE_POWERED_ON"], "templates": True},
]

fields = st.fixed_dictionaries(
    {"name": st.sampled_from("ab"), "power_state": st.sampled_from(STATES)},
    optional={"annotation": st.sampled_from("xy"), "template": st.booleans(), "cpu_count": st.integers(1, 2)},
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(VMS), fields),
        st.tuples(st.just("remove"), st.sampled_from(VMS)),
        st.tuples(st.just("commit"), st.booleans()),
        st.tuples(st.just("take"), st.integers(0, 2)),
        st.tuples(st.just("resume"), st.integers(0, 2)),
        st.tuples(st.just("move"), st.integers(0, 2), st.sampled_from(FILTERS)),
    ),
    max_size=60,
)


class Watching:
    """A watcher of a hub, and what it makes of what it gets."""

    def __init__(self, hub: Hub, content: Mapping[str, Any], mask: int) -> None:
        self.hub = hub
        self.mask = mask
        self.selection: Selection = select(message("VmFilter", content), EVERYTHING)
        self.follower = Follower()
        self._context = hub.watched(self.selection, mask)
        self.watcher: Watcher = self._context.__enter__()

    def take(self) -> None:
        """Takes all that there is."""
        batch = self.watcher.take()
        if batch is None:
            return
        if batch.is_reset:
            self.follower.take({"started": {"reset": True}})
        for content in batch.messages:
            told = message("WatchVmsResponse", content)
            self.follower.take(json_format.MessageToDict(told, preserving_proto_field_name=True))

    def resume(self) -> None:
        """Leaves, and comes back with what it knows."""
        position = None if self.watcher.is_fresh else self.watcher.position
        self._context.__exit__(None, None, None)
        self._context = self.hub.watched(self.selection, self.mask, position)
        self.watcher = self._context.__enter__()

    def move(self, content: Mapping[str, Any]) -> None:
        """Sees other machines from now on, as a stream does that takes what that means before anything else."""
        self.selection = select(message("VmFilter", content), EVERYTHING)
        self.hub.move(self.watcher, self.selection)
        self.take()

    def expected(self) -> dict[str, Any]:
        """The machines that it has to know."""
        return {
            vm: json_format.MessageToDict(
                message("VmState", FIELDS.select(each.parts, self.mask)), preserving_proto_field_name=True
            )
            for vm, each in self.hub.history.machines.items()
            if self.selection.matches(each)
        }


def commit(hub: Hub, *, looks: bool) -> None:
    """What a round of the hub does, without waking anybody; some watchers take what they get before it has looked."""
    hub.history.commit()
    if looks:
        for audience in list(hub._audiences.values()):
            audience.look()


@settings(max_examples=max(300, settings.default.max_examples))  # It takes that many to find what was once wrong.
@given(
    steps=steps,
    filters=st.lists(st.sampled_from(FILTERS), min_size=3, max_size=3),
    masks=st.lists(st.sampled_from(MASKS), min_size=3, max_size=3),
    max_bytes=st.sampled_from([1_500, 5_000, 1_000_000]),
)
def test_a_watcher_knows_what_there_is(
    steps: list[tuple[Any, ...]], filters: list[Mapping[str, Any]], masks: list[int], max_bytes: int
) -> None:
    """For any order of changes, pauses, resumes and filters, with a history that is long or short."""
    hub = Hub(None, RESPONSES, History(max_bytes=max_bytes))  # type: ignore[arg-type]
    hub.history.put("vm-1", machine("vm-1"))
    hub.history.begin()
    watching = [Watching(hub, content, mask) for content, mask in zip(filters, masks, strict=True)]
    for step, *arguments in steps:
        if step == "put":
            vm, values = arguments
            hub.history.put(vm, machine(vm, **values))
        elif step == "remove":
            hub.history.put(arguments[0], None)
        elif step == "commit":
            commit(hub, looks=arguments[0])
        elif step == "move":
            watching[arguments[0]].move(arguments[1])
        else:
            getattr(watching[arguments[0]], step)()
    commit(hub, looks=True)
    for each in watching:
        each.take()
        assert each.follower.vms == each.expected()
        assert each.follower.problems == []
        each.take()
        assert each.watcher.at is None
