"""The accounts of a guest: who may log in, and with which rights in the guest's file system."""

from dataclasses import dataclass, field

__all__ = ["PASSWORD", "Account", "accounts_of"]

PASSWORD = "VMware1!"  # noqa: S105 - of every account of every guest


@dataclass(frozen=True, slots=True)
class Account:
    """An account in the guest; the password is excluded from every representation."""

    name: str
    password: str = field(repr=False)
    administrator: bool
    home: str
    uid: int = 0
    """User and group id on Linux."""


def accounts_of(*, windows: bool) -> dict[str, Account]:
    """The accounts of a new guest by name."""
    if windows:
        accounts = [Account("Administrator", PASSWORD, True, "C:\\Users\\Administrator")]
    else:
        accounts = [Account("root", PASSWORD, True, "/root"), Account("user", PASSWORD, False, "/home/user", 1000)]
    return {account.name: account for account in accounts}
