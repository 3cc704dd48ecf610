"""Which reads a change touches, for any reads and any change, beside what the promise says in plain words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.calls.read_index import ReadIndex, subject_of
from gateway.contract import Named

MACHINE, DISK, FOLDER, TAG = "VirtualMachine", "com.vmware.vcenter.vm.hardware.Disk", "Folder", "com.vmware.tagging.Tag"
one = st.builds(
    lambda kind, name: Named(frozenset({kind}), name),
    st.sampled_from([MACHINE, DISK, FOLDER, TAG]),
    st.sampled_from("12"),
)
untold = st.sampled_from(
    [
        Named(frozenset(), "1"),
        Named(frozenset(), ""),
        Named(frozenset({MACHINE}), ""),
        Named(frozenset({MACHINE, TAG}), "1"),
    ]
)
requests = st.lists(one | one | one | one | one | untold, max_size=4)


def names(request: list[Named]) -> set[tuple[str, str]]:
    return {(kind, item.identifier) for item in request for kind in item.types}


def is_told(request: list[Named]) -> bool:
    return all(len(item.types) == 1 and item.identifier for item in request)


def of_type(request: list[Named], kind: str) -> set[str]:
    return {name for named, name in names(request) if named == kind}


@given(st.lists(requests, max_size=8), st.sets(st.integers(0, 7)), requests)
def test_touched(reads: list[list[Named]], removed: set[int], change: list[Named]) -> None:
    """A change touches what it must, leaves the reads of other machines alone, and finds nothing that was removed."""
    index = ReadIndex()
    for number, read in enumerate(reads):
        index.add(bytes([number]), subject_of(read))
    for number in removed & set(range(len(reads))):
        index.remove(bytes([number]), subject_of(reads[number]))
    touched = index.touched(subject_of(change))
    left = {bytes([number]): read for number, read in enumerate(reads) if number not in removed}
    assert touched <= left.keys()
    for key, read in left.items():
        both_told = is_told(read) and is_told(change)
        machines, changed = of_type(read, MACHINE), of_type(change, MACHINE)
        if not both_told or not names(read) or not names(change):
            assert key in touched, "nobody can tell, so it may show"
        elif changed:
            shared = {(kind, name) for kind, name in names(read) & names(change) if kind != DISK}
            assert (key in touched) == (not machines or bool(shared)), "a change of machines is about these"
        elif names(read) & names(change) or of_type(change, FOLDER):
            assert key in touched, "the inventory holds everything"
        else:
            kinds = {kind for kind, _ in names(change)}
            held = {kind for kind, _ in names(read)} - ({DISK} if machines else set())
            assert (key in touched) == (not kinds <= held)
