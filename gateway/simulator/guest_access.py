"""What operations on guests check first: running tools, and an account in the guest."""

import secrets
from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.guest import Account, Guest
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.registry import Call

__all__ = ["account_of", "guest_of", "operating_guest", "reporting_guest", "require_tools"]


def guest_of(call: Call) -> Guest:
    """The guest of the machine, brought up to date."""
    guest = call.vm.guest
    guest.advance(call.now())
    return guest


def require_tools(call: Call, guest: Guest) -> None:
    """SERVICE_UNAVAILABLE unless VMware Tools run."""
    if not guest.tools_running(call.now()):
        raise errors.service_unavailable(
            "com.vmware.api.vcenter.vm.guest.tools_not_running",
            "VMware Tools are not running in Virtual machine with identifier '{0}'.",
            _qualified(call.vm),
        )


def reporting_guest(call: Call) -> Guest:
    """The guest, if its tools run and have reported; SERVICE_UNAVAILABLE otherwise."""
    guest = guest_of(call)
    require_tools(call, guest)
    if not guest.reports:
        raise errors.service_unavailable(
            "com.vmware.api.vcenter.vm.guest.information_not_available",
            "VMware Tools in the virtual machine with identifier '{0}' provided no information.",
            _qualified(call.vm),
        )
    return guest


def operating_guest(call: Call) -> tuple[Guest, Account]:
    """The guest and the account for the credentials in the body, if operations in the guest are possible.

    NOT_ALLOWED_IN_CURRENT_STATE unless the machine is powered on, SERVICE_UNAVAILABLE unless the tools run, UNSUPPORTED
    if they cannot or must not do it, UNAUTHENTICATED if the guest rejects the credentials.
    """
    call.vm.require_powered_on(
        "com.vmware.api.vcenter.vm.guest.not_powered_on",
        "The guest operation needs a virtual machine that is powered on.",
    )
    guest = guest_of(call)
    require_tools(call, guest)
    if not guest.operations_supported:
        raise errors.unsupported(
            "vmsg.OperationNotSupportedByGuest.summary",
            "The operation is not supported by the guest operating system.",
        )
    if guest.operations_disabled:
        raise errors.unsupported(
            "vmsg.OperationDisabledByGuest.summary", "The operation has been disabled by the guest operating system."
        )
    credentials = call.spec["credentials"]
    account = account_of(guest, credentials)
    if credentials["interactive_session"]:
        _require_desktop(guest, credentials, account)
    return guest, account


def account_of(guest: Guest, credentials: Mapping[str, Any]) -> Account:
    """The account for the credentials. UNAUTHENTICATED if the guest rejects them."""
    name = credentials.get("user_name")
    if credentials["type"] == "SAML_BEARER_TOKEN":
        alias = guest.aliases.get(credentials["saml_token"])
        account = guest.accounts.get(alias) if alias is not None and name in (None, alias) else None
        if account is None:
            raise _invalid_login()
        return account
    account = guest.find_account(name or "")
    password = credentials["password"].encode()
    if account is None or not secrets.compare_digest(account.password.encode(), password):
        raise _invalid_login()
    return account


def _require_desktop(guest: Guest, credentials: Mapping[str, Any], account: Account) -> None:
    """An interactive session belongs to the user who is logged in at the desktop, authenticated by a password."""
    if credentials["type"] != "USERNAME_PASSWORD":
        raise errors.unsupported(
            "vmsg.OperationNotSupportedByGuest.summary",
            "The operation is not supported by the guest operating system.",
        )
    if guest.desktop_user is None:
        raise errors.service_unavailable(
            "vmsg.GuestOperationsUnavailable.summary", "The guest operations agent could not be contacted."
        )
    if guest.desktop_user != account.name:
        raise _invalid_login()


def _invalid_login() -> errors.VapiError:
    """UNAUTHENTICATED by the guest: without the challenge by which clients recognize vCenter's own."""
    return errors.unauthenticated(
        "vmsg.InvalidGuestLogin.summary",
        "Failed to authenticate with the guest operating system using the supplied credentials.",
    )


def _qualified(machine: VirtualMachine) -> str:
    return f"{machine.vm}:{errors.INSTANCE_UUID}"
