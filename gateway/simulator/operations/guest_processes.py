"""com.vmware.vcenter.vm.guest.processes: starts, lists and terminates programs in the guest operating system."""

import re

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.guest import Guest, Process
from gateway.simulator.guest_access import operating_guest
from gateway.simulator.guest_programs import require_directory, require_program
from gateway.simulator.guest_shell import Shell, script_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "get", "list_"]

_PID = re.compile(r"-?[0-9]{1,18}")
_SERVICE = "com.vmware.vcenter.vm.guest.processes"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The running processes, and those started from outside that ended in the last five minutes."""
    guest, _ = operating_guest(call)
    return [{"pid": process.pid, **_summary(process)} for process in guest.processes.values()]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One process in the list; one that has ended with its end time and exit code."""
    guest, _ = operating_guest(call)
    process = _process(call, guest)
    if process.finished is None:
        return _summary(process)
    return {**_summary(process), "finished": timestamp(process.finished), "exit_code": process.exit_code}


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Starts a program for the account, and returns its pid."""
    guest, account = operating_guest(call)
    spec, now = call.spec["spec"], call.now()
    if spec.get("start_minimized") is not None and guest.family != "WINDOWS":
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.guest.processes.start_minimized_not_supported",
            "Only programs of Windows guest operating systems can be started minimized.",
        )
    path, arguments = spec["path"], spec.get("arguments") or ""
    program = require_program(guest, account, path)
    directory = spec.get("working_directory")
    if directory:
        require_directory(guest, account, directory)
    if len(guest.running()) >= guest.process_limit:
        raise errors.unable_to_allocate(
            "com.vmware.api.vcenter.vm.guest.processes.start_failed",
            "The program '{0}' failed to start: the guest operating system has no room for another process.",
            path,
        )
    process = guest.start_process(guest.files.name_of(path), account.name, f'"{path}" {arguments}'.rstrip(), now)
    given = spec.get("environment_variables")
    shell = Shell(guest, account, directory or account.home, dict(given or guest.environment), now, process.pid)
    script = script_of(program)
    process.work = shell
    process.pause(shell.begin(program.name, arguments) if script is None else shell.interpret(script), now)
    return process.pid


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Terminates a process of the account; administrators may terminate those of others."""
    guest, account = operating_guest(call)
    process = _process(call, guest)
    if process.finished is not None:
        raise _not_found(process.pid)
    if not guest.may_terminate(account, process):
        raise errors.unauthorized(
            "vmsg.GuestPermissionDenied.summary",
            "The guest authentication being used does not have sufficient permissions to perform the operation.",
        )
    guest.terminate(process, call.now())


def _process(call: Call, guest: Guest) -> Process:
    text = call.path["pid"]
    pid = int(text) if _PID.fullmatch(text) else -1
    process = guest.processes.get(pid)
    if process is None:
        raise _not_found(pid)
    return process


def _not_found(pid: int) -> errors.VapiError:
    return errors.of_type(
        "NOT_FOUND",
        "vmsg.GuestProcessNotFound.summary",
        "The process {0} was not found in the guest operating system.",
        str(pid),
        data={"pid": pid},
    )


def _summary(process: Process) -> dict[str, str]:
    return {
        "name": process.name,
        "owner": process.owner,
        "command": process.command,
        "started": timestamp(process.started),
    }
