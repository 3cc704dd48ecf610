"""Which passwords may be tried, and when, so that vCenter locks no account."""

from __future__ import annotations

import pytest

from gateway.calls import Basic
from gateway.vcenter.lockout import LockoutGuard
from tests.held_vcenter import Clock

WINDOW = 180.0


class Scene:
    """A guard whose clock stands still."""

    def __init__(self, **options: int) -> None:
        self.clock = Clock()
        self.guard = LockoutGuard(clock=self.clock, **options)

    def may_try(self, credential: Basic, *, is_proven: bool = False) -> bool:
        return not self.guard.seconds_refused(credential) and not self.guard.seconds_to_wait(
            credential, is_proven=is_proven
        )

    def refuse(self, credential: Basic, *, is_proven: bool = False) -> float:
        """One login that vCenter refuses."""
        assert self.may_try(credential, is_proven=is_proven)
        return self.guard.begins(credential, is_proven=is_proven).refused()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def password(number: int, user: str = "alice") -> Basic:
    return Basic(user, f"password-{number}")


@pytest.mark.parametrize(
    ("is_proven", "waits"),
    [pytest.param(True, [5, 30, 300, 300], id="proven"), pytest.param(False, [300, 300, 300, 300], id="unproven")],
)
def test_a_refused_password(scene: Scene, is_proven: bool, waits: list[int]) -> None:
    """One that has worked before is tried again soon, then later and later; any other one after five minutes. None is
    tried a moment earlier."""
    for wait in waits:
        assert scene.refuse(password(1), is_proven=is_proven) == wait
        scene.clock.now += wait - 0.001
        assert scene.guard.seconds_refused(password(1)) == pytest.approx(0.001)
        scene.clock.now += 0.001
        assert scene.guard.seconds_refused(password(1)) == 0


def test_a_password_that_works_again(scene: Scene) -> None:
    """The waits begin anew."""
    for wait in (5, 30):
        scene.clock.now += scene.refuse(password(1), is_proven=True)
        assert wait
    scene.guard.begins(password(1), is_proven=True).accepted()
    assert scene.refuse(password(1), is_proven=True) == 5


def test_other_passwords(scene: Scene) -> None:
    """Three unknown passwords of an account are tried, under whatever spelling of its name, and a fourth one when the
    first refusal is three minutes old."""
    for number, user in enumerate(("alice", "Alice", "ALICE")):
        assert scene.refuse(password(number, user)) == 300
        scene.clock.now += 10
    assert scene.guard.seconds_to_wait(password(3, "aLICE"), is_proven=False) == WINDOW - 30
    assert scene.may_try(password(3, "bob"))
    scene.clock.now += WINDOW - 30 - 0.001
    assert not scene.may_try(password(3))
    scene.clock.now += 0.001
    assert scene.may_try(password(3))


@pytest.mark.parametrize("first", [False, True], ids=["unknown ones first", "proven ones first"])
def test_the_last_try(scene: Scene, first: bool) -> None:
    """Passwords of one kind leave one try to the other kind; with that, there is none left."""
    for number in range(3):
        scene.refuse(password(number), is_proven=first)
    assert not scene.may_try(password(3), is_proven=first)
    scene.refuse(password(4), is_proven=not first)
    for is_proven in (True, False):
        assert scene.guard.seconds_to_wait(password(5), is_proven=is_proven) == WINDOW


def test_spellings_of_a_user(scene: Scene) -> None:
    """vCenter takes an account by several names: all of them together have the tries of one."""
    names = ["alice@lab.local", "ALICE@lab.local", "LAB.LOCAL\\Alice"]
    assert len({Basic(name, "secret").digest for name in names}) == 1
    for number, name in enumerate(names):
        scene.refuse(password(number, name))
    assert not any(scene.may_try(password(9, name)) for name in names)
    assert scene.may_try(password(9, "alice@other.local"))


def test_logins_under_way(scene: Scene) -> None:
    """Each counts as one that will be refused, until it has ended in another way."""
    logins = [scene.guard.begins(password(number), is_proven=False) for number in range(3)]
    assert scene.guard.seconds_to_wait(password(3), is_proven=False) == 1
    assert scene.may_try(password(3), is_proven=True)
    scene.guard.begins(password(3), is_proven=True)
    assert scene.guard.seconds_to_wait(password(4), is_proven=True) == 1
    logins[0].accepted()
    assert scene.may_try(password(4), is_proven=False)
    logins[1].refused()
    logins[2].ended()
    assert scene.may_try(password(4), is_proven=False)


@pytest.mark.parametrize(("is_proven", "may_try"), [(False, False), (True, True)], ids=["unknown", "proven"])
def test_logins_without_an_answer(scene: Scene, is_proven: bool, may_try: bool) -> None:
    """An unknown password may have been refused, so that it counts; one that has worked before is taken to be right."""
    for number in range(3):
        scene.guard.begins(password(number), is_proven=is_proven).unanswered()
    assert scene.may_try(password(3), is_proven=is_proven) is may_try
    assert scene.guard.seconds_refused(password(0)) == 0, "nobody said that it is wrong"


def test_how_many_accounts_are_remembered() -> None:
    """Beyond the limit no unknown password of a further account is tried, until what is known of others does not matter
    any more. Nothing is forgotten earlier, and whoever was let in before still is."""
    scene = Scene(max_accounts=2)
    scene.refuse(password(1, "a"))
    scene.clock.now += 100
    scene.refuse(password(1, "b"))
    assert scene.guard.seconds_to_wait(password(1, "c"), is_proven=False) == WINDOW
    assert scene.may_try(password(1, "c"), is_proven=True)
    assert not scene.may_try(password(1, "a"))
    assert scene.may_try(password(2, "a"))
    scene.clock.now += 300 + WINDOW - 100 - 0.001
    assert not scene.may_try(password(1, "c"))
    scene.clock.now += 1
    assert scene.may_try(password(1, "c"))
