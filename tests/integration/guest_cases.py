"""The guest operating system: what it tells, its power, its environment and processes, and its customization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from gateway.simulator import ManualClock, Simulator
from gateway.simulator.customization import plan
from gateway.simulator.guest import PASSWORD, Guest
from gateway.simulator.machine import VirtualMachine
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

_PACKAGE = "vcenter.vm.guest.v1"
GET_CUSTOMIZATION = f"{_PACKAGE}.CustomizationService/GetCustomization"
SET_CUSTOMIZATION = f"{_PACKAGE}.CustomizationService/SetCustomization"
GET_ENVIRONMENT = f"{_PACKAGE}.EnvironmentService/GetEnvironment"
LIST_ENVIRONMENT = f"{_PACKAGE}.EnvironmentService/ListEnvironment"
IDENTITY = f"{_PACKAGE}.IdentityService/GetIdentity"
FILESYSTEM = f"{_PACKAGE}.LocalFilesystemService/GetLocalFilesystem"
NETWORKING = f"{_PACKAGE}.NetworkingService/GetNetworking"
OPERATIONS = f"{_PACKAGE}.OperationsService/GetOperations"
GET_POWER = f"{_PACKAGE}.PowerService/GetGuestPower"
REBOOT, SHUTDOWN, STANDBY = (f"{_PACKAGE}.PowerService/{name}Guest" for name in ("Reboot", "Shutdown", "Standby"))
LIST_PROCESSES = f"{_PACKAGE}.ProcessesService/ListProcesses"
GET_PROCESS, CREATE, DELETE = (f"{_PACKAGE}.ProcessesService/{name}Process" for name in ("Get", "Create", "Delete"))

LINUX, OFF, WINDOWS, SUSPENDED = "vm-1001", "vm-1002", "vm-1017", "vm-1018"
INACCESSIBLE, TEMPLATE = "vm-1020", "vm-1021"
TRANSITION = 2.0
STARTED, NOW = "2026-01-14T12:00:00Z", "2026-01-15T12:00:00Z"
FIRST_PID = 2100

TOOLS_NOT_RUNNING = "com.vmware.api.vcenter.vm.guest.tools_not_running"
NO_INFORMATION = "com.vmware.api.vcenter.vm.guest.information_not_available"
INVALID_POWER_STATE = "vmsg.InvalidPowerState.summary"
INVALID_LOGIN = "vmsg.InvalidGuestLogin.summary"
PERMISSION_DENIED = "vmsg.GuestPermissionDenied.summary"
NOT_SUPPORTED, DISABLED = "vmsg.OperationNotSupportedByGuest.summary", "vmsg.OperationDisabledByGuest.summary"
FILE_ERROR = "vcenter.vm.guest.filesystem.v1.FileErrorDetails"
PROCESS_ERROR = f"{_PACKAGE}.ProcessErrorDetails"
SPEC = "com.vmware.api.vcenter.guest.customization_spec"


def login(user: str, password: str = PASSWORD, *, interactive: bool = False) -> Json:
    """Credentials of an account of the guest."""
    return {
        "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
        "interactive_session": interactive,
        "user_name": user,
        "password": password,
    }


def token(value: str, *, interactive: bool = False, **more: str) -> Json:
    """Credentials by a SAML token."""
    return {
        "type": "CREDENTIALS_TYPE_SAML_BEARER_TOKEN",
        "interactive_session": interactive,
        "saml_token": value,
        **more,
    }


ROOT, USER, ADMINISTRATOR = login("root"), login("user"), login("Administrator")
DESKTOP = login("administrator", interactive=True)


def guest(simulator: Simulator, vm: str = LINUX) -> Guest:
    """The guest, brought to the present."""
    now = simulator.options.clock()
    simulator.inventory.settle(now)
    found = simulator.inventory.machines[vm].guest
    found.advance(now)
    return found


def machine(simulator: Simulator, vm: str = LINUX) -> VirtualMachine:
    simulator.inventory.settle(simulator.options.clock())
    return simulator.inventory.machines[vm]


def advance(simulator: Simulator, seconds: float) -> None:
    """Lets time pass."""
    clock = simulator.options.clock
    assert isinstance(clock, ManualClock)
    clock.advance(seconds)


def powered(state: Any, vm: str = LINUX) -> Setup:
    """The machine changes to this power state now."""
    return lambda simulator: machine(simulator, vm).set_power_state(state, simulator.options.clock())


def with_guest(vm: str = LINUX, **values: Any) -> Setup:
    """The guest has these attributes."""

    def setup(simulator: Simulator) -> None:
        for name, value in values.items():
            setattr(guest(simulator, vm), name, value)

    return setup


def after(seconds: float, *steps: Setup) -> Setup:
    """The steps one after the other, and then time passes."""

    def setup(simulator: Simulator) -> None:
        for step in steps:
            step(simulator)
        advance(simulator, seconds)

    return setup


# --- What the tools tell ----------------------------------------------------------------------------------------------


def filesystems(response: Any, simulator: Simulator) -> None:
    """Both disks have a file system, the first that of the system; sizes fit the disks."""
    found = response["filesystems"]
    assert set(found) == {"/", "/data1"}
    for (path, disk), capacity in zip((("/", "2000"), ("/data1", "2001")), (16 << 30, 40 << 30), strict=True):
        free = int(found[path].pop("free_space"))
        assert 0 < free < capacity
        assert found[path] == {"capacity": str(capacity), "filesystem": "ext4", "mappings": [{"disk": disk}]}


def drive_c(response: Any, simulator: Simulator) -> None:
    assert response["filesystems"]["C:\\"]["filesystem"] == "NTFS"
    assert response["filesystems"]["C:\\"]["mappings"] == [{"disk": "2000"}]


def only_root(response: Any, simulator: Simulator) -> None:
    assert list(response["filesystems"]) == ["/"]


INFORMATION = (
    Success(
        id="linux",
        rpc=IDENTITY,
        request={"vm": LINUX},
        response={
            "identity": {
                "name": "UBUNTU_64",
                "family": "GUEST_OS_FAMILY_LINUX",
                "full_name": {"id": "vmsg.guestos.ubuntu64Guest.label", "default_message": "Ubuntu Linux (64-bit)"},
                "host_name": "web-0001",
                "ip_address": "10.20.1.1",
            }
        },
    ),
    Success(
        id="windows",
        rpc=IDENTITY,
        request={"vm": WINDOWS},
        response={
            "identity": {
                "name": "WINDOWS_SERVER_2019",
                "family": "GUEST_OS_FAMILY_WINDOWS",
                "full_name": {
                    "id": "vmsg.guestos.windows2019srv_64Guest.label",
                    "default_message": "Microsoft Windows Server 2019 (64-bit)",
                },
                "host_name": "app-0017",
                "ip_address": "10.20.1.17",
            }
        },
    ),
    Success(
        id="no-address",
        rpc=IDENTITY,
        request={"vm": LINUX},
        setup=with_guest(ip_address=None),
        check=lambda response, _: _lacks(response["identity"], "ip_address"),
    ),
    Success(
        id="tools-have-started",
        rpc=IDENTITY,
        request={"vm": OFF},
        setup=after(TRANSITION, powered("POWERED_ON", OFF)),
        check=lambda response, _: _is(response["identity"]["host_name"], "db-0002"),
    ),
    Success(id="linux", rpc=FILESYSTEM, request={"vm": LINUX}, check=filesystems),
    Success(id="windows", rpc=FILESYSTEM, request={"vm": WINDOWS}, check=drive_c),
    Success(
        id="disk-removed",
        rpc=FILESYSTEM,
        request={"vm": LINUX},
        setup=lambda simulator: machine(simulator).disks.pop("2001"),
        check=only_root,
    ),
    Success(
        id="names-and-servers",
        rpc=NETWORKING,
        request={"vm": LINUX},
        response={
            "networking": {
                "dns_values": {"host_name": "web-0001", "domain_name": "example.com"},
                "dns": {"ip_addresses": ["10.20.0.53", "10.20.0.54"], "search_domains": ["example.com"]},
            }
        },
    ),
    Success(
        id="nothing-reported",
        rpc=NETWORKING,
        request={"vm": LINUX},
        setup=with_guest(reports=False),
        response={"networking": {}},
    ),
    *(
        Success(
            id=name,
            rpc=OPERATIONS,
            request={"vm": vm},
            setup=setup,
            response={
                "operations": {"guest_operations_ready": ready, "interactive_guest_operations_ready": interactive}
            },
        )
        for name, vm, setup, ready, interactive in (
            ("linux", LINUX, None, True, False),
            ("somebody-at-the-desktop", WINDOWS, None, True, True),
            ("powered-off", OFF, None, False, False),
            ("suspended", SUSPENDED, None, False, False),
            ("tools-starting", OFF, powered("POWERED_ON", OFF), False, False),
            ("tools-started", OFF, after(TRANSITION, powered("POWERED_ON", OFF)), True, False),
            ("disabled", WINDOWS, with_guest(WINDOWS, operations_disabled=True), False, False),
            ("not-supported", WINDOWS, with_guest(WINDOWS, operations_supported=False), False, False),
        )
    ),
)

INFORMATION_ERRORS = (
    *(
        ErrorCase(
            rpc=rpc,
            error="SERVICE_UNAVAILABLE",
            id=name,
            request={"vm": vm},
            messages=(TOOLS_NOT_RUNNING,),
            setup=setup,
        )
        for rpc in (IDENTITY, FILESYSTEM, NETWORKING)
        for name, vm, setup in (
            ("powered-off", OFF, None),
            ("tools-starting", OFF, powered("POWERED_ON", OFF)),
            ("no-tools", LINUX, with_guest(tools_installed=False)),
        )
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="SERVICE_UNAVAILABLE",
            id="no-information",
            request={"vm": LINUX},
            messages=(NO_INFORMATION,),
            setup=with_guest(reports=False),
        )
        for rpc in (IDENTITY, FILESYSTEM)
    ),
    ErrorCase(
        rpc=OPERATIONS,
        error="SERVICE_UNAVAILABLE",
        request={"vm": INACCESSIBLE},
        messages=("com.vmware.api.vcenter.vm.guest.tools_state_unknown",),
    ),
)


def _is(found: object, expected: object) -> None:
    assert found == expected


def _lacks(found: Mapping[str, object], name: str) -> None:
    assert name not in found


# --- Power ------------------------------------------------------------------------------------------------------------


def asked(request: Any, vm: str = LINUX) -> Setup:
    """The guest has been asked and is still busy with it."""
    return lambda simulator: guest(simulator, vm).ask(request, simulator.options.clock())


def goes_down(response: Any, simulator: Simulator) -> None:
    """The machine is off after a while, by a clean shutdown."""
    assert response == {}
    assert machine(simulator).power_state == "POWERED_ON"
    advance(simulator, TRANSITION)
    assert (machine(simulator).power_state, machine(simulator).clean_power_off) == ("POWERED_OFF", True)
    assert guest(simulator).processes == {}


def falls_asleep(response: Any, simulator: Simulator) -> None:
    """The machine is suspended after a while."""
    assert response == {}
    assert machine(simulator).power_state == "POWERED_ON"
    advance(simulator, TRANSITION)
    assert machine(simulator).power_state == "SUSPENDED"


def starts_again(response: Any, simulator: Simulator) -> None:
    """The machine stays on; the tools are back after a while, and processes are new."""
    assert response == {}
    started = simulator.options.clock()
    assert not guest(simulator).tools_running(started)
    advance(simulator, TRANSITION)
    assert guest(simulator).tools_running(simulator.options.clock())
    assert machine(simulator).power_state == "POWERED_ON"
    assert {process.started for process in guest(simulator).processes.values()} == {started}


POWER = (
    *(
        Success(
            id=name,
            rpc=GET_POWER,
            request={"vm": vm},
            setup=setup,
            response={"power": {"state": f"GUEST_POWER_STATE_{state}", "operations_ready": state == "RUNNING"}},
        )
        for name, vm, setup, state in (
            ("running", LINUX, None, "RUNNING"),
            ("powered-off", OFF, None, "NOT_RUNNING"),
            ("suspended-by-vcenter", SUSPENDED, None, "NOT_RUNNING"),
            ("tools-starting", OFF, powered("POWERED_ON", OFF), "UNAVAILABLE"),
            ("inaccessible", INACCESSIBLE, with_guest(INACCESSIBLE, tools_installed=False), "UNAVAILABLE"),
            ("shutting-down", LINUX, asked("SHUTDOWN"), "SHUTTING_DOWN"),
            ("rebooting", LINUX, asked("REBOOT"), "RESETTING"),
            ("rebooted", LINUX, after(TRANSITION, asked("REBOOT")), "RUNNING"),
            ("asleep", LINUX, after(1.0, asked("STANDBY"), powered("SUSPENDED")), "STANDBY"),
        )
    ),
    Success(
        id="falling-asleep",
        rpc=GET_POWER,
        request={"vm": LINUX},
        setup=asked("STANDBY"),
        response={"power": {"state": "GUEST_POWER_STATE_RUNNING", "operations_ready": False}},
    ),
    Success(id="restarts-the-guest", rpc=REBOOT, request={"vm": LINUX}, check=starts_again),
    Success(id="ends-powered-off", rpc=SHUTDOWN, request={"vm": LINUX}, check=goes_down),
    Success(id="ends-suspended", rpc=STANDBY, request={"vm": LINUX}, check=falls_asleep),
)

POWER_ERRORS = (
    ErrorCase(
        rpc=SHUTDOWN,
        error="ALREADY_IN_DESIRED_STATE",
        request={"vm": OFF},
        messages=("com.vmware.api.vcenter.vm.guest.power.already_powered_off", INVALID_POWER_STATE),
    ),
    ErrorCase(
        rpc=STANDBY,
        error="ALREADY_IN_DESIRED_STATE",
        request={"vm": SUSPENDED},
        messages=("com.vmware.api.vcenter.vm.guest.power.already_suspended", INVALID_POWER_STATE),
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            id=name,
            request={"vm": vm},
            messages=("com.vmware.api.vcenter.vm.guest.power.not_powered_on", INVALID_POWER_STATE),
        )
        for rpc, name, vm in (
            (REBOOT, "powered-off", OFF),
            (REBOOT, "suspended", SUSPENDED),
            (SHUTDOWN, "suspended", SUSPENDED),
            (STANDBY, "powered-off", OFF),
        )
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="SERVICE_UNAVAILABLE",
            id=name,
            request={"vm": LINUX},
            messages=(TOOLS_NOT_RUNNING,),
            setup=setup,
        )
        for rpc in (REBOOT, SHUTDOWN, STANDBY)
        for name, setup in (
            ("no-tools", with_guest(tools_installed=False)),
            ("tools-starting", powered("POWERED_ON")),
            ("going-down", asked("SHUTDOWN")),
        )
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="UNSUPPORTED",
            id="template",
            request={"vm": TEMPLATE},
            messages=("vmsg.NotSupported.summary",),
        )
        for rpc in (REBOOT, SHUTDOWN, STANDBY)
    ),
)

# --- Operations in the guest: what all of them ask --------------------------------------------------------------------

REQUESTS: dict[str, Json] = {
    GET_ENVIRONMENT: {"vm": LINUX, "name": "PATH"},
    LIST_ENVIRONMENT: {"vm": LINUX, "names": []},
    LIST_PROCESSES: {"vm": LINUX},
    GET_PROCESS: {"vm": LINUX, "pid": "712"},
    CREATE: {"vm": LINUX, "spec": {"path": "/bin/true"}},
    DELETE: {"vm": LINUX, "pid": "1203"},
}


def refusals() -> tuple[ErrorCase, ...]:
    """Why operations in the guest are refused, for each of them."""
    not_powered_on = ("com.vmware.api.vcenter.vm.guest.not_powered_on", INVALID_POWER_STATE)
    rows: tuple[tuple[str, str, tuple[str, ...], Setup | None, Json, str], ...] = (
        ("NOT_ALLOWED_IN_CURRENT_STATE", "powered-off", not_powered_on, None, ROOT, OFF),
        ("NOT_ALLOWED_IN_CURRENT_STATE", "suspended", not_powered_on, None, ROOT, SUSPENDED),
        ("SERVICE_UNAVAILABLE", "no-tools", (TOOLS_NOT_RUNNING,), with_guest(tools_installed=False), ROOT, LINUX),
        ("SERVICE_UNAVAILABLE", "tools-starting", (TOOLS_NOT_RUNNING,), powered("POWERED_ON"), ROOT, LINUX),
        (
            "SERVICE_UNAVAILABLE",
            "nobody-at-the-desktop",
            ("vmsg.GuestOperationsUnavailable.summary",),
            None,
            login("root", interactive=True),
            LINUX,
        ),
        ("UNSUPPORTED", "old-tools", (NOT_SUPPORTED,), with_guest(operations_supported=False), ROOT, LINUX),
        ("UNSUPPORTED", "disabled", (DISABLED,), with_guest(operations_disabled=True), ROOT, LINUX),
        ("UNAUTHENTICATED", "wrong-password", (INVALID_LOGIN,), None, login("root", "wrong"), LINUX),
        ("UNAUTHENTICATED", "no-such-account", (INVALID_LOGIN,), None, login("nobody"), LINUX),
    )
    return tuple(
        ErrorCase(
            rpc=rpc,
            error=error,
            id=name,
            request={**request, "credentials": credentials, "vm": vm},
            messages=messages,
            setup=setup,
        )
        for rpc, request in REQUESTS.items()
        for error, name, messages, setup, credentials, vm in rows
    )


def credentials_errors() -> tuple[ErrorCase, ...]:
    """The rarer ways in which credentials are refused."""
    known = with_guest(aliases={"signed": "user"})
    rows: tuple[tuple[str, str, str, Json, str, Setup | None], ...] = (
        ("UNAUTHENTICATED", "no-alias", INVALID_LOGIN, token("signed"), LINUX, None),
        ("UNAUTHENTICATED", "alias-of-another", INVALID_LOGIN, token("signed", user_name="root"), LINUX, known),
        (
            "UNAUTHENTICATED",
            "not-at-the-desktop",
            INVALID_LOGIN,
            DESKTOP,
            WINDOWS,
            with_guest(WINDOWS, desktop_user="x"),
        ),
        ("UNSUPPORTED", "interactive-by-token", NOT_SUPPORTED, token("signed", interactive=True), LINUX, known),
    )
    return tuple(
        ErrorCase(
            rpc=LIST_PROCESSES,
            error=error,
            id=name,
            request={"vm": vm, "credentials": credentials},
            messages=(message,),
            setup=setup,
        )
        for error, name, message, credentials, vm, setup in rows
    )


# --- Environment ------------------------------------------------------------------------------------------------------

LINUX_ENVIRONMENT = {
    "HOME": "/",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PWD": "/",
    "SHELL": "/bin/sh",
}

ENVIRONMENT = (
    Success(
        id="of-the-system",
        rpc=GET_ENVIRONMENT,
        request={"vm": LINUX, "name": "HOME", "credentials": USER},
        response={"value": "/"},
    ),
    Success(
        id="empty-value",
        rpc=GET_ENVIRONMENT,
        request={"vm": LINUX, "name": "PROXY", "credentials": ROOT},
        setup=lambda simulator: guest(simulator).environment.update(PROXY=""),
        response={"value": ""},
    ),
    Success(
        id="name-to-be-escaped",
        rpc=GET_ENVIRONMENT,
        request={"vm": WINDOWS, "name": "ProgramFiles(x86) / ä", "credentials": ADMINISTRATOR},
        setup=lambda simulator: guest(simulator, WINDOWS).environment.update({"ProgramFiles(x86) / ä": "D:\\"}),
        response={"value": "D:\\"},
    ),
    Success(
        id="windows-ignores-case",
        rpc=GET_ENVIRONMENT,
        request={"vm": WINDOWS, "name": "TEMP", "credentials": login("ADMINISTRATOR")},
        response={"value": "C:\\Windows\\TEMP"},
    ),
    Success(
        id="of-the-desktop",
        rpc=GET_ENVIRONMENT,
        request={"vm": WINDOWS, "name": "temp", "credentials": DESKTOP},
        response={"value": "C:\\Users\\Administrator\\AppData\\Local\\Temp"},
    ),
    Success(
        id="all",
        rpc=LIST_ENVIRONMENT,
        request={"vm": LINUX, "names": [], "credentials": USER},
        response={"variables": LINUX_ENVIRONMENT},
    ),
    Success(
        id="some-of-them-not-set",
        rpc=LIST_ENVIRONMENT,
        request={"vm": LINUX, "names": ["LANG", "NOTHING", "path"], "credentials": USER},
        response={"variables": {"LANG": "C.UTF-8"}},
    ),
    Success(
        id="by-token",
        rpc=LIST_ENVIRONMENT,
        request={"vm": LINUX, "names": ["SHELL"], "credentials": token("signed")},
        setup=with_guest(aliases={"signed": "user"}),
        response={"variables": {"SHELL": "/bin/sh"}},
    ),
)

ENVIRONMENT_ERRORS = (
    ErrorCase(
        rpc=GET_ENVIRONMENT,
        error="NOT_FOUND",
        id="not-set",
        request={"vm": LINUX, "name": "path", "credentials": ROOT},
        messages=("com.vmware.api.vcenter.vm.guest.environment.not_found",),
    ),
)

# --- Processes --------------------------------------------------------------------------------------------------------

SYSTEM = {"name": "systemd", "pid": "1", "owner": "root", "command": "/sbin/init", "started": STARTED}
LONG_SLEEP = {"name": "sleep", "owner": "user", "command": '"/bin/sleep" 60', "started": NOW}


def sleeping(owner: str = "user", seconds: float = 60, exit_code: int = 0) -> Setup:
    """A process that was started from outside, the first one."""

    def setup(simulator: Simulator) -> None:
        now = simulator.options.clock()
        process = guest(simulator).start_process("sleep", owner, f'"/bin/sleep" {seconds:g}', now)
        process.ends, process.exit_code = now + timedelta(seconds=seconds), exit_code

    return setup


def listed(*names: str) -> Callable[[Any, Simulator], None]:
    """The processes with these names, in any order, as a whole."""

    def check(response: Any, simulator: Simulator) -> None:
        processes = response["processes"]
        assert processes[0] == SYSTEM
        assert sorted(process["name"] for process in processes) == sorted(names)
        assert all(process.keys() == SYSTEM.keys() for process in processes)

    return check


def runs(seconds: float | None, exit_code: int = 0, **expected: str) -> Callable[[Any, Simulator], None]:
    """The new process exits after that time with that code; None: it runs on. `expected` are attributes of it."""

    def check(response: Any, simulator: Simulator) -> None:
        assert response == {"pid": str(FIRST_PID)}
        vm = WINDOWS if FIRST_PID in guest(simulator, WINDOWS).processes else LINUX
        process, begin = guest(simulator, vm).processes[FIRST_PID], simulator.options.clock()
        if seconds:
            advance(simulator, seconds - 0.5)
            guest(simulator, vm)
            assert process.finished is None
            advance(simulator, 0.5)
            guest(simulator, vm)
        if seconds is None:
            advance(simulator, 1e6)
            guest(simulator, vm)
            assert process.finished is None
        else:
            assert (process.finished, process.exit_code) == (begin + timedelta(seconds=seconds), exit_code)
        for name, value in expected.items():
            assert getattr(process, name) == value

    return check


def terminated(response: Any, simulator: Simulator) -> None:
    """The process has ended now, as by a signal, and stays known."""
    assert response == {}
    process = guest(simulator).processes[FIRST_PID]
    assert (process.finished, process.exit_code) == (simulator.options.clock(), 143)


def gone(pid: int) -> Callable[[Any, Simulator], None]:
    """A process of the system is not known any more."""
    return lambda _, simulator: _is(pid in guest(simulator).processes, False)


def started(case: str, spec: Json, check: Callable[[Any, Simulator], None], credentials: Json = USER) -> Success:
    """A program that is started, on Windows by its administrator."""
    vm = WINDOWS if credentials in (ADMINISTRATOR, DESKTOP) else LINUX
    return Success(id=case, rpc=CREATE, request={"vm": vm, "credentials": credentials, "spec": spec}, check=check)


CMD, PING = "C:\\Windows\\System32\\cmd.exe", "c:\\windows\\system32\\PING.EXE"
POWERSHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"

PROCESSES = (
    Success(
        id="of-the-system",
        rpc=LIST_PROCESSES,
        request={"vm": LINUX, "credentials": USER},
        check=listed("systemd", "vmtoolsd", "sshd", "bash"),
    ),
    Success(
        id="running-and-ended",
        rpc=LIST_PROCESSES,
        request={"vm": LINUX, "credentials": USER},
        setup=after(300, sleeping(seconds=0), sleeping("root", 400)),
        check=listed("systemd", "vmtoolsd", "sshd", "bash", "sleep", "sleep"),
    ),
    Success(
        id="ended-long-ago",
        rpc=LIST_PROCESSES,
        request={"vm": LINUX, "credentials": USER},
        setup=after(301, sleeping(seconds=0)),
        check=listed("systemd", "vmtoolsd", "sshd", "bash"),
    ),
    Success(
        id="of-the-system",
        rpc=GET_PROCESS,
        request={"vm": LINUX, "pid": "712", "credentials": USER},
        response={"process": {"name": "vmtoolsd", "owner": "root", "command": "/usr/bin/vmtoolsd", "started": STARTED}},
    ),
    Success(
        id="running",
        rpc=GET_PROCESS,
        request={"vm": LINUX, "pid": str(FIRST_PID), "credentials": USER},
        setup=after(59, sleeping()),
        response={"process": LONG_SLEEP},
    ),
    Success(
        id="exited",
        rpc=GET_PROCESS,
        request={"vm": LINUX, "pid": str(FIRST_PID), "credentials": USER},
        setup=after(200, sleeping(exit_code=3)),
        response={"process": {**LONG_SLEEP, "finished": "2026-01-15T12:01:00Z", "exit_code": "3"}},
    ),
    Success(
        id="suspended-meanwhile",
        rpc=GET_PROCESS,
        request={"vm": LINUX, "pid": str(FIRST_PID), "credentials": USER},
        setup=after(59, after(1000, sleeping(), powered("SUSPENDED")), powered("POWERED_ON")),
        response={"process": LONG_SLEEP},
    ),
    started("at-once", {"path": "/bin/true"}, runs(0, owner="user", name="true", command='"/bin/true"')),
    started("fails", {"path": "/usr/bin/false"}, runs(0, 1, command='"/usr/bin/false"')),
    started("takes-a-while", {"path": "/bin/sleep", "arguments": "90"}, runs(90, command='"/bin/sleep" 90')),
    started("wrong-arguments", {"path": "/bin/sleep", "arguments": "long"}, runs(0, 1)),
    started("as-root", {"path": "/usr/local/sbin/backup"}, runs(0, owner="root"), ROOT),
    started("ping", {"path": "/bin/ping", "arguments": "-c 5 10.20.0.1 > /var/log/ping 2>&1"}, runs(5)),
    started("ping-for-ever", {"path": "/bin/ping", "arguments": "10.20.0.1"}, runs(None)),
    started("shell", {"path": "/bin/sh", "arguments": "-c 'sleep 10; exit 3'"}, runs(10, 3)),
    started("shell-stops", {"path": "/bin/bash", "arguments": '-c "false && sleep 10 || exit 4"'}, runs(0, 4)),
    started("unknown-command", {"path": "/bin/sh", "arguments": "-c nonsense"}, runs(0, 127)),
    started("syntax-error", {"path": "/bin/sh", "arguments": "-c 'sleep"}, runs(0, 2)),
    started(
        "directory-and-environment",
        {
            "path": "/bin/bash",
            "arguments": "-c env",
            "working_directory": "/var/log",
            "environment_variables": {"A": "1", "B": ""},
        },
        runs(0),
    ),
    started("home-directory", {"path": "/bin/ls", "arguments": "", "working_directory": ""}, runs(0)),
    started(
        "windows",
        {"path": PING, "arguments": "-n 3 10.20.0.1", "start_minimized": True, "working_directory": "C:\\Windows"},
        runs(3, owner="Administrator", name="PING.EXE"),
        ADMINISTRATOR,
    ),
    started("windows-shell", {"path": CMD, "arguments": '/c "timeout /t 7 && exit 5"'}, runs(7, 5), DESKTOP),
    started(
        "powershell", {"path": POWERSHELL, "arguments": "-Command Start-Sleep -Seconds 4; exit 6"}, runs(4, 6), DESKTOP
    ),
    Success(
        id="one-s-own",
        rpc=DELETE,
        request={"vm": LINUX, "pid": str(FIRST_PID), "credentials": USER},
        setup=sleeping(),
        check=terminated,
    ),
    Success(
        id="of-another-by-root",
        rpc=DELETE,
        request={"vm": LINUX, "pid": str(FIRST_PID), "credentials": ROOT},
        setup=sleeping(),
        check=terminated,
    ),
    Success(
        id="not-started-from-outside",
        rpc=DELETE,
        request={"vm": LINUX, "pid": "1203", "credentials": USER},
        check=gone(1203),
    ),
    Success(
        id="stuck",
        rpc=DELETE,
        request={"vm": LINUX, "pid": "1", "credentials": ROOT},
        check=lambda _, simulator: _is(1 in guest(simulator).processes, True),
    ),
)


def refused_program(
    error: str, case: str, message: str, spec: Json, reason: str = "", path: str = "", credentials: Json = USER
) -> ErrorCase:
    """A program that is not started; `reason` and `path` are the details about the file."""
    vm = WINDOWS if credentials is ADMINISTRATOR else LINUX
    details = {FILE_ERROR: {"reason": f"FILE_ERROR_REASON_{reason}", "file_path": path}} if reason else {}
    request = {"vm": vm, "credentials": credentials, "spec": spec}
    return ErrorCase(rpc=CREATE, error=error, id=case, request=request, messages=(message,), details=details)


NOT_A_FILE, NOT_A_DIRECTORY = "vmsg.NotAFile.summary", "vmsg.NotADirectory.summary"
INVALID_PATH = "vmsg.InvalidFilePath.summary"
LONG_PATH = "C:\\" + "a" * 257

PROCESS_ERRORS = (
    *(
        refused_program(
            "INVALID_ARGUMENT",
            f"minimized-{value}",
            "com.vmware.api.vcenter.vm.guest.processes.start_minimized_not_supported",
            {"path": "/bin/true", "start_minimized": value},
        )
        for value in (True, False)
    ),
    refused_program("INVALID_ARGUMENT", "relative", INVALID_PATH, {"path": "bin/true"}, "NOT_A_FILE", "bin/true"),
    refused_program(
        "INVALID_ARGUMENT",
        "too-long",
        INVALID_PATH,
        {"path": LONG_PATH},
        "PATH_TOO_LONG",
        LONG_PATH,
        ADMINISTRATOR,
    ),
    refused_program("INVALID_ARGUMENT", "directory", NOT_A_FILE, {"path": "/bin"}, "NOT_A_FILE", "/bin"),
    *(
        refused_program(
            "INVALID_ARGUMENT",
            f"working-directory-{name}",
            message,
            {"path": "/bin/true", "working_directory": path},
            "NOT_A_DIRECTORY",
            path,
        )
        for name, path, message in (
            ("missing", "/nowhere", NOT_A_DIRECTORY),
            ("file", "/etc/hosts", NOT_A_DIRECTORY),
            ("relative", "tmp", INVALID_PATH),
        )
    ),
    refused_program(
        "NOT_FOUND", "no-program", "vmsg.FileNotFound.summary", {"path": "/bin/none"}, "FILE_NOT_FOUND", "/bin/none"
    ),
    refused_program(
        "NOT_FOUND",
        "no-program-windows",
        "vmsg.FileNotFound.summary",
        {"path": "C:\\none.exe"},
        "FILE_NOT_FOUND",
        "C:\\none.exe",
        ADMINISTRATOR,
    ),
    refused_program("UNAUTHORIZED", "out-of-reach", "vmsg.CannotAccessFile.summary", {"path": "/root/bin/x"}),
    refused_program(
        "UNAUTHORIZED", "working-directory", PERMISSION_DENIED, {"path": "/bin/ls", "working_directory": "/root"}
    ),
    refused_program("UNAUTHORIZED", "of-root", PERMISSION_DENIED, {"path": "/usr/local/sbin/backup"}),
    refused_program("UNAUTHORIZED", "no-program", PERMISSION_DENIED, {"path": "/etc/passwd"}, credentials=ROOT),
    ErrorCase(
        rpc=CREATE,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request={"vm": LINUX, "credentials": USER, "spec": {"path": "/bin/true"}},
        messages=("com.vmware.api.vcenter.vm.guest.processes.start_failed",),
        setup=with_guest(process_limit=4),
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="NOT_FOUND",
            id=name,
            request={"vm": LINUX, "pid": pid, "credentials": ROOT},
            messages=("vmsg.GuestProcessNotFound.summary",),
            details={PROCESS_ERROR: {"pid": pid}},
            setup=setup,
        )
        for rpc, name, pid, setup in (
            (GET_PROCESS, "no-process", "9999", None),
            (GET_PROCESS, "ended-long-ago", str(FIRST_PID), after(361, sleeping())),
            (GET_PROCESS, "negative", "-5", None),
            (DELETE, "no-process", "9999", None),
            (DELETE, "ended", str(FIRST_PID), after(60, sleeping())),
        )
    ),
    *(
        ErrorCase(
            rpc=DELETE,
            error="UNAUTHORIZED",
            id=name,
            request={"vm": vm, "pid": pid, "credentials": credentials},
            messages=(PERMISSION_DENIED,),
        )
        for name, vm, pid, credentials in (
            ("of-root", LINUX, "845", USER),
            ("system-of-windows", WINDOWS, "4", ADMINISTRATOR),
        )
    ),
)

# --- Customization ----------------------------------------------------------------------------------------------------

DHCP: Json = {"adapter": {"ipv4": {"type": "IPV4_TYPE_DHCP"}}}
STATIC: Json = {
    "adapter": {
        "ipv4": {"type": "IPV4_TYPE_STATIC", "ip_address": "10.30.0.5", "prefix": "24", "gateways": ["10.30.0.1"]},
        "ipv6": {"type": "IPV6_TYPE_STATIC", "ipv6": [{"ip_address": "fd00::5", "prefix": "64"}]},
    }
}
FIXED: Json = {"type": "HOSTNAME_GENERATOR_TYPE_FIXED", "fixed_name": "shop"}


def linux(hostname: Json = FIXED, **more: Any) -> Json:
    """The configuration of a Linux guest."""
    return {"linux_config": {"hostname": hostname, "domain": "shop.example.org", **more}}


def windows(computer_name: Json = FIXED, *, domain: Json | None = None, auto_logon_count: int = 0) -> Json:
    """The configuration of a Windows guest."""
    sysprep = {
        "user_data": {
            "computer_name": computer_name,
            "full_name": "Shop",
            "organization": "Example",
            "product_key": "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE",
        },
        "gui_unattended": {
            "auto_logon": True,
            "auto_logon_count": str(auto_logon_count),
            "password": "N3w!",
            "time_zone": "110",
        },
        "gui_run_once_commands": ["echo done"],
    }
    if domain is not None:
        sysprep["domain"] = domain
    return {"windows_config": {"reboot": "WINDOWS_CONFIGURATION_REBOOT_OPTION_REBOOT", "sysprep": sysprep}}


def cloud(metadata: str) -> Json:
    """A configuration for cloud-init."""
    return {
        "cloud_config": {
            "type": "CLOUD_CONFIGURATION_TYPE_CLOUDINIT",
            "cloudinit": {"metadata": metadata, "userdata": "#cloud-config"},
        }
    }


def inline(configuration: Json, *interfaces: Json, dns: Json | None = None) -> Json:
    """The argument of a customization by a specification in the request."""
    return {
        "spec": {
            "configuration_spec": configuration,
            "global_dns_settings": dns or {},
            "interfaces": list(interfaces or (DHCP, DHCP)),
        }
    }


def windows_off(simulator: Simulator) -> None:
    """The Windows machine is off and has one nic."""
    found = machine(simulator, WINDOWS)
    found.nics.pop("4001", None)
    found.set_power_state("POWERED_OFF", simulator.options.clock())


def unknown_system(simulator: Simulator) -> None:
    """A guest that vCenter cannot customize."""
    guest(simulator, OFF).guest_os, guest(simulator, OFF).family = "FREEBSD_13_64", "OTHER"


def customized(simulator: Simulator, vm: str) -> Guest:
    """The guest after the next start and the customization."""
    found = machine(simulator, vm)
    assert found.guest.pending_customization is not None
    found.set_power_state("POWERED_ON", simulator.options.clock())
    advance(simulator, 2 * TRANSITION)
    return guest(simulator, vm)


def becomes(vm: str = OFF, **expected: Any) -> Callable[[Any, Simulator], None]:
    """Nothing happens at first; after the next start the guest has these attributes."""

    def check(response: Any, simulator: Simulator) -> None:
        assert response == {}
        assert guest(simulator, vm).customization is None
        found = customized(simulator, vm)
        assert {name: getattr(found, name) for name in expected} == expected

    return check


def new_password(response: Any, simulator: Simulator) -> None:
    """The administrator has the new password, the guest the new name and domain."""
    found = customized(simulator, WINDOWS)
    assert found.accounts["Administrator"].password == "N3w!"
    assert (found.host_name, found.domain) == ("shop", "corp.example.org")


def planned(simulator: Simulator) -> None:
    """A customization by a stored specification is planned."""
    spec = simulator.inventory.customization_specs["linux-2-nics"]
    guest(simulator, OFF).pending_customization = plan(spec, machine(simulator, OFF))


ON = powered("POWERED_ON", OFF)

CUSTOMIZATION = (
    *(
        Success(
            id=name,
            rpc=GET_CUSTOMIZATION,
            request={"vm": OFF},
            setup=setup,
            response={"customization": {"status": f"CUSTOMIZATION_STATUS_{status}", **times}},
        )
        for name, setup, status, times in (
            ("none", None, "IDLE", {}),
            ("planned", planned, "PENDING", {}),
            ("not-begun", after(1, planned, ON), "PENDING", {}),
            ("running", after(3, planned, ON), "RUNNING", {"start_time": "2026-01-15T12:00:02Z"}),
            (
                "done",
                after(60, planned, ON),
                "SUCCEEDED",
                {"start_time": "2026-01-15T12:00:02Z", "end_time": "2026-01-15T12:00:04Z"},
            ),
            (
                "cut-off",
                after(60, after(3, planned, ON), powered("POWERED_OFF", OFF)),
                "FAILED",
                {
                    "error": "The virtual machine was powered off before the customization was complete.",
                    "start_time": "2026-01-15T12:00:02Z",
                    "end_time": "2026-01-15T12:00:03Z",
                },
            ),
            ("cut-off-before", after(60, after(1, planned, ON), powered("POWERED_OFF", OFF)), "PENDING", {}),
        )
    ),
    Success(
        id="by-name",
        rpc=SET_CUSTOMIZATION,
        request={"vm": OFF, "spec": {"name": "linux-2-nics"}},
        check=becomes(
            host_name="db-0002",
            domain="corp.example.com",
            dns_servers=["10.20.0.63"],
            search_domains=["corp.example.com"],
            ip_address="10.20.1.2",
        ),
    ),
    Success(
        id="linux",
        rpc=SET_CUSTOMIZATION,
        request={
            "vm": OFF,
            "spec": inline(
                linux(time_zone="Europe/Berlin"),
                STATIC,
                DHCP,
                dns={"dns_servers": ["10.30.0.53", "fd00::53"], "dns_suffix_list": ["example.org"]},
            ),
        },
        check=becomes(
            host_name="shop",
            domain="shop.example.org",
            ip_address="10.30.0.5",
            dns_servers=["10.30.0.53", "fd00::53"],
            search_domains=["example.org"],
        ),
    ),
    Success(
        id="prefix",
        rpc=SET_CUSTOMIZATION,
        request={"vm": OFF, "spec": inline(linux({"type": "HOSTNAME_GENERATOR_TYPE_PREFIX", "prefix": "shop"}))},
        check=becomes(host_name="shop-1002", dns_servers=["10.20.0.53", "10.20.0.54"]),
    ),
    Success(
        id="name-of-the-machine",
        rpc=SET_CUSTOMIZATION,
        request={"vm": OFF, "spec": inline(linux({"type": "HOSTNAME_GENERATOR_TYPE_VIRTUAL_MACHINE"}))},
        check=becomes(host_name="db-0002"),
    ),
    Success(
        id="cloud-init",
        rpc=SET_CUSTOMIZATION,
        request={"vm": OFF, "spec": inline(cloud("instance-id: shop\nlocal-hostname: shop-cloud\n"))},
        check=becomes(host_name="shop-cloud", domain="example.com"),
    ),
    Success(
        id="windows-domain",
        rpc=SET_CUSTOMIZATION,
        request={
            "vm": WINDOWS,
            "spec": inline(
                windows(
                    domain={
                        "type": "DOMAIN_TYPE_DOMAIN",
                        "domain": "corp.example.org",
                        "domain_username": "joiner",
                        "domain_password": "secret",
                    },
                    auto_logon_count=1,
                ),
                {
                    "adapter": {
                        "ipv4": {"type": "IPV4_TYPE_DHCP"},
                        "windows": {
                            "dns_servers": ["10.30.0.53"],
                            "net_bios_mode": "WINDOWS_NETWORK_ADAPTER_SETTINGS_NET_BIOS_MODE_DISABLE",
                        },
                    }
                },
            ),
        },
        setup=windows_off,
        check=new_password,
    ),
    Success(
        id="windows-workgroup",
        rpc=SET_CUSTOMIZATION,
        request={"vm": WINDOWS, "spec": {"name": "windows-1-nic"}},
        setup=windows_off,
        check=becomes(WINDOWS, host_name="app-0017", domain="example.com"),
    ),
    Success(
        id="answer-file",
        rpc=SET_CUSTOMIZATION,
        request={"vm": WINDOWS, "spec": inline({"windows_config": {"sysprep_xml": "<unattend/>"}}, DHCP)},
        setup=windows_off,
        check=becomes(WINDOWS, host_name="app-0017"),
    ),
    Success(
        id="replaces-the-pending-one",
        rpc=SET_CUSTOMIZATION,
        request={"vm": OFF, "spec": inline(linux())},
        setup=planned,
        check=becomes(host_name="shop"),
    ),
    Success(
        id="clears-the-pending-one",
        rpc=SET_CUSTOMIZATION,
        request={"vm": OFF, "spec": {}},
        setup=planned,
        check=lambda _, simulator: _is(guest(simulator, OFF).pending_customization, None),
    ),
)


def bad_spec(case: str, reason: str, spec: Json, *, vm: str = OFF, setup: Setup | None = None) -> ErrorCase:
    """A specification that does not fit."""
    message = reason if "." in reason else f"{SPEC}.{reason}"
    request = {"vm": vm, "spec": spec}
    return ErrorCase(
        rpc=SET_CUSTOMIZATION, error="INVALID_ARGUMENT", id=case, request=request, messages=(message,), setup=setup
    )


def on_windows(case: str, reason: str, configuration: Json) -> ErrorCase:
    """A specification that does not fit the Windows machine."""
    return bad_spec(case, reason, inline(configuration, DHCP), vm=WINDOWS, setup=windows_off)


def address(ip_address: str, prefix: int = 24, **more: Any) -> Json:
    """Settings of a nic with a static address."""
    return {"adapter": {"ipv4": {"type": "IPV4_TYPE_STATIC", "ip_address": ip_address, "prefix": str(prefix), **more}}}


CUSTOMIZATION_ERRORS = (
    *(
        ErrorCase(
            rpc=SET_CUSTOMIZATION,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            id=name,
            request={"vm": vm, "spec": {"name": "linux-2-nics"}},
            messages=("com.vmware.api.vcenter.vm.guest.customization.not_powered_off", INVALID_POWER_STATE),
        )
        for name, vm in (("powered-on", LINUX), ("suspended", SUSPENDED))
    ),
    ErrorCase(
        rpc=SET_CUSTOMIZATION,
        error="NOT_FOUND",
        id="no-such-specification",
        request={"vm": OFF, "spec": {"name": "none"}},
        messages=(f"{SPEC}.not_found",),
    ),
    bad_spec(
        "name-and-specification",
        "com.vmware.api.vcenter.vm.guest.customization.name_and_spec",
        {"name": "linux-2-nics", **inline(linux())},
    ),
    bad_spec("no-configuration", "one_configuration", inline({})),
    bad_spec("two-configurations", "one_configuration", inline({**linux(), **cloud("")})),
    bad_spec("windows-for-linux", "wrong_guest_os", inline(windows())),
    on_windows("linux-for-windows", "wrong_guest_os", linux()),
    bad_spec("stored-for-windows", "wrong_guest_os", {"name": "windows-2-nics"}),
    bad_spec("guest-not-known", "vmsg.UncustomizableGuest.summary", inline(linux()), setup=unknown_system),
    bad_spec("too-few-nics", "vmsg.NicSettingMismatch.summary", inline(linux(), DHCP)),
    bad_spec("stored-for-one-nic", "vmsg.NicSettingMismatch.summary", {"name": "linux-1-nic"}),
    bad_spec("no-such-nic", "mac_address", inline(linux(), {**DHCP, "mac_address": "00:50:56:00:00:01"}, DHCP)),
    bad_spec("host-name", "host_name", inline(linux({**FIXED, "fixed_name": "my shop"}))),
    bad_spec("host-name-empty", "host_name", inline(linux({**FIXED, "fixed_name": ""}))),
    bad_spec("host-name-too-long", "host_name", inline(linux({**FIXED, "fixed_name": "a" * 64}))),
    on_windows("computer-name-too-long", "host_name", windows({**FIXED, "fixed_name": "a" * 16}, auto_logon_count=1)),
    bad_spec(
        "host-name-from-user",
        "user_input_required",
        inline(linux({"type": "HOSTNAME_GENERATOR_TYPE_USER_INPUT_REQUIRED"})),
    ),
    bad_spec(
        "address-from-user",
        "user_input_required",
        inline(linux(), {"adapter": {"ipv4": {"type": "IPV4_TYPE_USER_INPUT_REQUIRED"}}}, DHCP),
    ),
    bad_spec("address", "ip_address", inline(linux(), address("10.30.0.256"), DHCP)),
    bad_spec("address-of-version-6", "ip_address", inline(linux(), address("fd00::1"), DHCP)),
    bad_spec("prefix", "prefix", inline(linux(), address("10.30.0.5", 33), DHCP)),
    bad_spec("gateway", "ip_address", inline(linux(), address("10.30.0.5", gateways=["gateway"]), DHCP)),
    bad_spec("dns-server", "ip_address", inline(linux(), dns={"dns_servers": ["ns.example.org"]})),
    on_windows("no-sysprep", "one_sysprep", {"windows_config": {}}),
    on_windows(
        "two-syspreps",
        "one_sysprep",
        {"windows_config": {"sysprep_xml": "<unattend/>", **windows()["windows_config"]}},
    ),
    on_windows("logon-count", "auto_logon_count", windows(auto_logon_count=0)),
)

SUCCESSES: tuple[Success, ...] = (*INFORMATION, *POWER, *ENVIRONMENT, *PROCESSES, *CUSTOMIZATION)
ERRORS: tuple[ErrorCase, ...] = (
    *INFORMATION_ERRORS,
    *POWER_ERRORS,
    *refusals(),
    *credentials_errors(),
    *ENVIRONMENT_ERRORS,
    *PROCESS_ERRORS,
    *CUSTOMIZATION_ERRORS,
)
