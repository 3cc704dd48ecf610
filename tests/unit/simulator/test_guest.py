"""Guests over time: what follows when one thing happens after another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.simulator import ManualClock
from gateway.simulator.guest import PASSWORD, Account, Plan
from gateway.simulator.guest_shell import Shell
from gateway.simulator.guest_systems import family_of, full_name_of
from tests.unit.simulator.harness import Answer, Api

LINUX, OFF, WINDOWS, SUSPENDED = "vm-1001", "vm-1002", "vm-1017", "vm-1018"
ROOT = {"type": "USERNAME_PASSWORD", "interactive_session": False, "user_name": "root", "password": PASSWORD}
TRANSITION = 2.0


def guest_call(api: Api, vm: str, path: str, body: Any = None, verb: str = "POST") -> Answer:
    return api(verb, f"/api/vcenter/vm/{vm}/guest/{path}", body)


def ask(api: Api, request: str, vm: str = LINUX) -> Answer:
    return guest_call(api, vm, f"power?action={request}")


def power(api: Api, action: str, vm: str = LINUX) -> None:
    assert api("POST", f"/api/vcenter/vm/{vm}/power?action={action}").status == 204


def power_state(api: Api, vm: str = LINUX) -> str:
    return str(api("GET", f"/api/vcenter/vm/{vm}/power").json["state"])


def guest_state(api: Api, vm: str = LINUX) -> str:
    return str(guest_call(api, vm, "power", verb="GET").json["state"])


def start(api: Api, path: str, arguments: str = "", vm: str = LINUX) -> int:
    spec = {"path": path, "arguments": arguments}
    answer = guest_call(api, vm, "processes?action=create", {"credentials": ROOT, "spec": spec})
    assert answer.status == 201
    return int(answer.json)


def process(api: Api, pid: int, vm: str = LINUX) -> Answer:
    return guest_call(api, vm, f"processes/{pid}?action=get", {"credentials": ROOT})


def test_a_process_is_started_watched_and_forgotten(api: Api, clock: ManualClock) -> None:
    """A process runs for its time, keeps its exit code for five minutes, and is forgotten then."""
    pid = start(api, "/bin/sh", "-c 'sleep 30; exit 3'")
    assert "finished" not in process(api, pid).json
    clock.advance(30)
    ended = process(api, pid).json
    assert (ended["finished"], ended["exit_code"]) == ("2026-01-15T12:00:30.000Z", 3)
    clock.advance(300)
    assert process(api, pid).json == ended
    clock.advance(0.001)
    assert process(api, pid).error_type == "NOT_FOUND"


def test_pids_are_never_given_twice(api: Api) -> None:
    """Each process has a pid of its own, also after another one is gone."""
    first = start(api, "/bin/sleep", "60")
    assert guest_call(api, LINUX, f"processes/{first}?action=delete", {"credentials": ROOT}).status == 204
    assert start(api, "/bin/true") != first
    assert process(api, first).json["exit_code"] == 143


def test_a_full_guest_has_room_again_when_processes_end(api: Api, clock: ManualClock) -> None:
    """Only processes that run count towards the limit."""
    api.inventory.machines[LINUX].guest.process_limit = 5
    start(api, "/bin/sleep", "10")
    body = {"credentials": ROOT, "spec": {"path": "/bin/true"}}
    assert guest_call(api, LINUX, "processes?action=create", body).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    clock.advance(10)
    start(api, "/bin/true")


def test_a_suspended_machine_s_processes_go_on_when_it_resumes(api: Api, clock: ManualClock) -> None:
    """Time in which the machine is suspended does not count for its processes."""
    pid = start(api, "/bin/sleep", "60")
    clock.advance(20)
    power(api, "suspend")
    clock.advance(1000)
    power(api, "start")
    clock.advance(39)
    assert "finished" not in process(api, pid).json
    clock.advance(1)
    assert process(api, pid).json["exit_code"] == 0


def test_a_reboot_ends_all_processes(api: Api, clock: ManualClock) -> None:
    """After a reboot only the system's processes are there."""
    pid = start(api, "/bin/sleep", "60")
    assert ask(api, "reboot").status == 204
    assert guest_state(api) == "RESETTING"
    assert ask(api, "reboot").error_type == "SERVICE_UNAVAILABLE"
    clock.advance(TRANSITION)
    assert guest_state(api) == "RUNNING"
    assert process(api, pid).error_type == "NOT_FOUND"


def test_a_shutdown_leads_to_a_clean_power_off(api: Api, clock: ManualClock) -> None:
    """The machine is on while the guest goes down, and off after that, with the flag that says how."""
    assert ask(api, "shutdown").status == 204
    clock.advance(TRANSITION - 0.1)
    assert (power_state(api), guest_state(api)) == ("POWERED_ON", "SHUTTING_DOWN")
    clock.advance(0.1)
    assert api("GET", f"/api/vcenter/vm/{LINUX}/power").json == {"state": "POWERED_OFF", "clean_power_off": True}
    assert guest_state(api) == "NOT_RUNNING"
    assert ask(api, "shutdown").error_type == "ALREADY_IN_DESIRED_STATE"


@pytest.mark.parametrize("request_", ["shutdown", "standby"])
def test_what_happens_to_the_power_overrules_an_earlier_request(api: Api, clock: ManualClock, request_: str) -> None:
    """A machine that was switched off and on again is not switched off by what its guest had been asked before."""
    ask(api, request_)
    clock.advance(1)
    power(api, "stop")
    power(api, "start")
    clock.advance(TRANSITION)
    assert (power_state(api), guest_state(api)) == ("POWERED_ON", "RUNNING")


def test_a_guest_in_standby_wakes_up_where_it_was(api: Api, clock: ManualClock) -> None:
    """Standby suspends the machine; after it is resumed the tools answer at once."""
    pid = start(api, "/bin/sleep", "60")
    ask(api, "standby")
    clock.advance(TRANSITION)
    assert (power_state(api), guest_state(api)) == ("SUSPENDED", "STANDBY")
    assert ask(api, "standby").error_type == "ALREADY_IN_DESIRED_STATE"
    clock.advance(1000)
    power(api, "start")
    assert (power_state(api), guest_state(api)) == ("POWERED_ON", "RUNNING")
    clock.advance(58)
    assert process(api, pid).json["exit_code"] == 0


def test_the_suspended_machine_of_the_inventory_resumes_with_running_tools(api: Api) -> None:
    """It was on for a while before it was suspended."""
    power(api, "start", SUSPENDED)
    assert guest_state(api, SUSPENDED) == "RUNNING"


def test_a_switched_off_suspended_machine_does_not_run(api: Api) -> None:
    """A suspended machine that is powered off has lost what was in its memory."""
    power(api, "stop", SUSPENDED)
    power(api, "start", SUSPENDED)
    assert guest_state(api, SUSPENDED) == "UNAVAILABLE"


def test_a_customization_is_planned_carried_out_and_kept(api: Api, clock: ManualClock) -> None:
    """Set, pending, running, succeeded; the names change at the end, and the result stays after a power-off."""

    def status() -> str:
        return str(guest_call(api, OFF, "customization", verb="GET").json["status"])

    assert status() == "IDLE"
    assert guest_call(api, OFF, "customization", {"name": "linux-2-nics"}, verb="PUT").status == 204
    assert status() == "PENDING"
    power(api, "start", OFF)
    assert status() == "PENDING"
    clock.advance(TRANSITION)
    assert status() == "RUNNING"
    assert guest_call(api, OFF, "networking", verb="GET").json["dns_values"]["domain_name"] == "example.com"
    clock.advance(TRANSITION)
    assert status() == "SUCCEEDED"
    assert guest_call(api, OFF, "networking", verb="GET").json["dns_values"]["domain_name"] == "corp.example.com"
    power(api, "stop", OFF)
    assert status() == "SUCCEEDED"
    assert guest_call(api, OFF, "customization", {"name": "linux-2-nics"}, verb="PUT").status == 204
    assert status() == "PENDING"
    assert guest_call(api, OFF, "customization", {}, verb="PUT").status == 204
    assert status() == "SUCCEEDED"


def test_a_customization_waits_while_the_machine_is_suspended(api: Api, clock: ManualClock) -> None:
    """What is left of it is done after the machine resumes."""
    guest_call(api, OFF, "customization", {"name": "linux-2-nics"}, verb="PUT")
    power(api, "start", OFF)
    clock.advance(1)
    power(api, "suspend", OFF)
    clock.advance(1000)
    assert guest_call(api, OFF, "customization", verb="GET").json == {"status": "PENDING"}
    power(api, "start", OFF)
    clock.advance(3)
    assert guest_call(api, OFF, "customization", verb="GET").json["status"] == "SUCCEEDED"


def test_a_refused_login_in_the_guest_has_no_challenge(api: Api) -> None:
    """By the challenge clients know that vCenter itself wants to know who they are."""
    answer = guest_call(api, LINUX, "processes?action=list", {"credentials": {**ROOT, "password": "wrong"}})
    assert (answer.status, answer.error_type) == (401, "UNAUTHENTICATED")
    assert "challenge" not in answer.json
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("pid", ["none", "1.5", "-", "9" * 5000])
def test_a_pid_is_a_number(api: Api, pid: str) -> None:
    """Whatever else stands in its place is not found."""
    assert guest_call(api, LINUX, f"processes/{pid}?action=get", {"credentials": ROOT}).status == 404


@pytest.mark.parametrize("action", ["get", "reboot"])
def test_the_template_has_a_guest_that_does_not_run(api: Api, action: str) -> None:
    """A template answers questions and refuses requests."""
    if action == "get":
        assert guest_state(api, "vm-1021") == "NOT_RUNNING"
    else:
        assert ask(api, action, "vm-1021").error_type == "UNSUPPORTED"


def test_secrets_are_in_no_representation(api: Api) -> None:
    """Passwords and tokens of guests cannot get into a log by accident."""
    guest = api.inventory.machines[LINUX].guest
    guest.aliases["signed-token"] = "user"
    guest.pending_customization = Plan(administrator_password="hidden-password")
    text = repr(guest) + repr(guest.accounts["root"]) + repr(Account("a", "hidden-password", True, "/"))
    assert not any(secret in text for secret in (PASSWORD, "signed-token", "hidden-password"))


@pytest.mark.parametrize(
    ("guest_os", "family"),
    [
        ("WINDOWS_11_64", "WINDOWS"),
        ("WIN_XP_PRO", "WINDOWS"),
        ("ROCKYLINUX_64", "LINUX"),
        ("OTHER_5X_LINUX_64", "LINUX"),
        ("SOLARIS_11_64", "SOLARIS"),
        ("NETWARE_6", "NETWARE"),
        ("DARWIN_21_64", "DARWIN"),
        ("FREEBSD_13_64", "OTHER"),
        ("OTHER", "OTHER"),
        ("OTHER_64", "OTHER"),
    ],
)
def test_every_operating_system_has_a_family(guest_os: str, family: str) -> None:
    """The families are vCenter's six."""
    assert family_of(guest_os) == family


def test_an_operating_system_without_a_known_name_gets_one() -> None:
    """A name for people, and an id of the same form as the others."""
    assert full_name_of("FREEBSD_13_64") == ("vmsg.guestos.freebsd_13_64Guest.label", "Freebsd 13 64")


@pytest.mark.parametrize(
    ("name", "arguments", "seconds", "exit_code"),
    [
        ("sleep", "1.5", 1.5, 0),
        ("sleep", "1m 30s", 90, 0),
        ("sleep", "", 0, 1),
        ("tail", "-f /var/log/messages", None, 0),
        ("tail", "/var/log/messages", 0, 0),
        ("yes", "", None, 0),
        ("sleep", "9" * 400, None, 0),
        ("ping", "-c " + "9" * 400, None, 0),
        ("sh", "", 0, 0),
        ("sh", "-c 'exit'", 0, 0),
        ("sh", "-c 'false; exit'", 0, 1),
        ("sh", "-c 'true && /bin/sleep 5 || exit 9'", 5, 0),
        ("sh", "-c 'sleep 5; yes'", None, 0),
        ("sh", "-c 'echo done > /var/log/x'", 0, 0),
        ("sh", "-c '#!/bin/sh\nsleep 2\nexit 3\n'", 2, 3),
        ("cmd.exe", "/c exit 7", 0, 7),
        ("cmd.exe", "/C exit /b 8", 0, 8),
        ("cmd.exe", "/c ping -n 4 localhost & exit 2", 4, 2),
        ("PING.EXE", "-t localhost", None, 0),
        ("ping.exe", "localhost", 4, 0),
        ("timeout.exe", "", 0, 1),
    ],
)
def test_programs(
    api: Api, clock: ManualClock, name: str, arguments: str, seconds: float | None, exit_code: int
) -> None:
    """Programs take the time that their arguments say, and exit as theirs do."""
    guest = api.inventory.machines[WINDOWS if name.lower().endswith(".exe") else LINUX].guest
    account = next(iter(guest.accounts.values()))
    shell, passed = Shell(guest, account, account.home, {}, clock(), 1), timedelta()
    pause = shell.begin(name, arguments)
    while pause.exit_code is None and pause.after is not None:
        passed += pause.after
        pause = shell.go_on(clock() + passed)
    assert (None if pause.exit_code is None else passed.total_seconds()) == seconds
    assert (pause.exit_code or 0) == exit_code


@pytest.mark.parametrize(
    ("path", "arguments", "stopped", "code"),
    [
        pytest.param("/bin/kill", "-TERM -{pid}", True, 0, id="group"),
        pytest.param("/bin/kill", "{pid}", True, 0, id="process"),
        pytest.param("/bin/kill", "-0 {pid}", False, 0, id="check"),
        pytest.param("/bin/kill", "-9 99", False, 1, id="no-process"),
        pytest.param("/bin/kill", "", False, 1, id="nothing"),
        pytest.param("/bin/sh", "-c 'read -r pid </tmp/pid && kill $pid'", True, 0, id="read"),
        pytest.param("/bin/sh", "-c 'read -r pid </tmp/none || exit 4; kill $pid'", False, 4, id="read-nothing"),
        pytest.param("/bin/sh", "-c 'kill \"$0\"' {pid}", True, 0, id="argument"),
    ],
)
def test_a_program_ends_another_one(api: Api, path: str, arguments: str, stopped: bool, code: int) -> None:
    """A program ends another one by its identifier, which a shell knows and can write down."""
    pid = start(api, "/bin/sh", "-c 'setsid sh -c \"echo $$ >/tmp/pid; exec sleep 600\"'")
    other = start(api, path, arguments.format(pid=pid))
    assert process(api, other).json["exit_code"] == code
    assert process(api, pid).json.get("exit_code") == (143 if stopped else None)


def test_a_program_of_windows_ends_another_one(api: Api) -> None:
    """So does a program of Windows."""
    guest = api.inventory.machines[WINDOWS].guest
    account = next(iter(guest.accounts.values()))
    now = guest.tools_start
    assert now is not None
    ended = guest.start_process("cmd.exe", account.name, "cmd.exe", now)
    shell = Shell(guest, account, account.home, {}, now, 1)
    assert shell.begin("taskkill.exe", f"/T /F /PID {ended.pid}").exit_code == 0
    assert (ended.finished, ended.exit_code) == (now, 1)
    assert shell.begin("taskkill.exe", f"/T /F /PID {ended.pid}").exit_code == 1


def test_only_administrators_end_what_others_started(api: Api) -> None:
    """A program ends the processes of its own account."""
    pid = start(api, "/bin/sleep", "600")
    guest = api.inventory.machines[LINUX].guest
    account = next(account for account in guest.accounts.values() if not account.administrator)
    now = guest.processes[pid].started
    assert Shell(guest, account, account.home, {}, now, 1).begin("kill", str(pid)).exit_code == 1
    assert guest.processes[pid].finished is None
