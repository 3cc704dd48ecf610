"""com.vmware.vcenter.vm.guest.environment: the environment variables of the guest operating system."""

from gateway.simulator import errors
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_access import operating_guest
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "list_"]

_SERVICE = "com.vmware.vcenter.vm.guest.environment"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The value of one variable."""
    guest, variables = _variables(call)
    name = call.path["name"]
    value = _lookup(guest, variables, name)
    if value is None:
        raise errors.of_type(
            "NOT_FOUND",
            "com.vmware.api.vcenter.vm.guest.environment.not_found",
            "The environment variable '{0}' is not set in the guest operating system.",
            name,
        )
    return value


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """Variables by name: the requested ones that are set, or all."""
    guest, variables = _variables(call)
    names = call.spec["names"]
    if not names:
        return variables
    found = {name: _lookup(guest, variables, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _variables(call: Call) -> tuple[Guest, dict[str, str]]:
    """Those of the system user; in an interactive session, those of the desktop user."""
    guest, account = operating_guest(call)
    if not call.spec["credentials"]["interactive_session"]:
        return guest, dict(guest.environment)
    return guest, guest.environment | _of_desktop(guest, account)


def _of_desktop(guest: Guest, account: Account) -> dict[str, str]:
    if guest.posix:
        return {"HOME": account.home, "USER": account.name}
    return {"USERNAME": account.name, "USERPROFILE": account.home, "TEMP": f"{account.home}\\AppData\\Local\\Temp"}


def _lookup(guest: Guest, variables: dict[str, str], name: str) -> str | None:
    if guest.posix:
        return variables.get(name)
    return next((value for key, value in variables.items() if key.casefold() == name.casefold()), None)
