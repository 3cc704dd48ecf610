"""Maps methods to the functions that implement them, and defines the arguments of these.

A method is a function from a `VimCall` to its result. It raises a `VapiError`, usually a `VimError`. One that waits is
a coroutine. A type inherits methods.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.registry import Call, carry_out
from gateway.simulator.sessions import READ, Privilege, Session
from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.faults import not_found
from gateway.simulator.vim.kinds import is_a
from gateway.simulator.vim.values import Ref
from gateway.simulator.vim.world import World

__all__ = ["Method", "VimCall", "find_method", "method", "methods"]


@dataclass(frozen=True, slots=True)
class VimCall:
    """One call of a method, ready to be executed."""

    world: World
    this: Ref
    arguments: Arguments
    session: Session | None
    headers: Mapping[str, str]

    @property
    def subject(self) -> Any:
        """The object of `this`."""
        return self.world.find(self.this)

    @property
    def machine(self) -> VirtualMachine:
        """The machine whose method is called."""
        machine: VirtualMachine = self.subject
        return machine

    @property
    def now(self) -> datetime:
        """The simulator's time."""
        return self.world.now

    @property
    def own(self) -> Session:
        """The session, which exists wherever it is needed."""
        if self.session is None:
            raise LookupError("the method is for everybody")
        return self.session

    def new_id(self) -> str:
        """An identifier for an object that the session creates."""
        return f"session[{self.own.key}]{next(self.world.numbers):08x}"

    def rest(self, operation: str, body: Any = None, **path: str) -> Any:
        """Executes an operation of the REST API for the same user."""
        world = self.world
        call = Call(operation, world.inventory, path, {}, body, self.own.user, world.clock, self.headers)
        return carry_out(call)

    def find(self, name: str) -> Any:
        """The object of a reference in an argument; ManagedObjectNotFound if it does not exist."""
        ref = self.arguments.ref(name)
        found = self.world.find(ref)
        if found is None:
            raise not_found(ref)
        return found


Handler = Callable[[VimCall], Any | Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method with its requirements for a call."""

    handler: Handler
    privilege: Privilege | None
    """None for methods that anyone may call, without a session."""


_METHODS: dict[tuple[str, str], Method] = {}


def method(of: str, *names: str, privilege: Privilege | None = READ) -> Callable[[Handler], Handler]:
    """Registers the function as a method of a type, under one or more names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            if (of, name) in _METHODS:
                raise LookupError(f"method {of}.{name} has two handlers")
            _METHODS[of, name] = Method(handler, privilege)
        return handler

    return register


def find_method(of: str, name: str) -> Method | None:
    """The method with that name of a type of objects."""
    exact = _METHODS.get((of, name))
    if exact is not None:
        return exact
    return next((item for (kind, found), item in _METHODS.items() if found == name and is_a(of, kind)), None)


def methods() -> Mapping[tuple[str, str], Method]:
    """All methods by type and name."""
    return _METHODS
