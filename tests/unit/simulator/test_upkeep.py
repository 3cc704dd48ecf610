"""Tools, virtual hardware, EVC modes and live customization over power cycles and time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.harness import PASSWORD, Api

VM = "/api/vcenter/vm"
WINDOWS, ON, OFF = "vm-1017", "vm-1001", "vm-1002"


def power(api: Api, vm: str, *actions: str) -> None:
    for action in actions:
        assert api("POST", f"{VM}/{vm}/power?action={action}").status == 204


def tools(api: Api, vm: str) -> Any:
    return api("GET", f"{VM}/{vm}/tools").json


def hardware(api: Api, vm: str) -> Any:
    return api("GET", f"{VM}/{vm}/hardware").json


def test_an_upgrade_of_tools_takes_its_time(api: Api) -> None:
    """The version is the old one until the end."""
    assert api("POST", f"{VM}/{WINDOWS}/tools?action=upgrade", {}).status == 204
    assert tools(api, WINDOWS)["version"] == "12.1.0"
    api.clock.advance(2)
    assert tools(api, WINDOWS)["version"] == "12.3.5"


def test_tools_are_upgraded_at_the_power_cycle(api: Api) -> None:
    """With that policy they are, once they have started; with the other they are not."""
    power(api, WINDOWS, "stop", "start")
    api.clock.advance(60)
    assert tools(api, WINDOWS)["version_status"] == "SUPPORTED_OLD"
    policy = {"upgrade_policy": "UPGRADE_AT_POWER_CYCLE"}
    assert api("PATCH", f"{VM}/{WINDOWS}/tools", policy).status == 204
    power(api, WINDOWS, "stop", "start")
    api.clock.advance(60)
    assert (tools(api, WINDOWS)["version_status"], tools(api, WINDOWS)["install_attempt_count"]) == ("CURRENT", 1)


@pytest.mark.parametrize("vm", ["vm-1001", OFF])
def test_any_machine_has_a_policy_of_its_tools(api: Api, vm: str) -> None:
    """Also one whose tools vCenter cannot upgrade: nothing happens at the power cycle then."""
    assert tools(api, vm)["auto_update_supported"] is False
    assert api("PATCH", f"{VM}/{vm}/tools", {"upgrade_policy": "UPGRADE_AT_POWER_CYCLE"}).status == 204
    power(api, vm, *(("stop", "start") if vm != OFF else ("start",)))
    api.clock.advance(60)
    after = tools(api, vm)
    assert (after["upgrade_policy"], after["version_status"]) == ("UPGRADE_AT_POWER_CYCLE", "UNMANAGED")
    assert "install_attempt_count" not in after


def test_a_policy_that_is_none(api: Api) -> None:
    """It is refused, and the old one stays."""
    answer = api("PATCH", f"{VM}/{OFF}/tools", {"upgrade_policy": "NOW"})
    assert (answer.status, answer.json["error_type"]) == (400, "INVALID_ARGUMENT")
    assert tools(api, OFF)["upgrade_policy"] == "MANUAL"


def test_power_that_is_cut_ends_an_upgrade_of_tools(api: Api) -> None:
    """The version stays, and the error says why."""
    api("POST", f"{VM}/{WINDOWS}/tools?action=upgrade", {})
    power(api, WINDOWS, "stop")
    api.clock.advance(60)
    assert tools(api, WINDOWS)["version"] == "12.1.0"
    assert tools(api, WINDOWS)["error"]["error_type"] == "ERROR"


@pytest.mark.parametrize(
    ("policy", "clean", "upgraded"),
    [("ALWAYS", False, True), ("AFTER_CLEAN_SHUTDOWN", True, True), ("AFTER_CLEAN_SHUTDOWN", False, False)],
)
def test_hardware_is_upgraded_at_the_power_on(api: Api, policy: str, *, clean: bool, upgraded: bool) -> None:
    """As planned: always, or only when the guest was shut down before."""
    api("PATCH", f"{VM}/{OFF}/hardware", {"upgrade_policy": policy, "upgrade_version": "VMX_20"})
    api.inventory.machines[OFF].clean_power_off = clean
    power(api, OFF, "start")
    assert (hardware(api, OFF)["version"], hardware(api, OFF)["upgrade_status"]) == (
        ("VMX_20", "SUCCESS") if upgraded else ("VMX_19", "PENDING")
    )


def test_a_planned_upgrade_that_the_host_does_not_know_fails(api: Api) -> None:
    """The machine starts with what it has, and the plan shows the error."""
    api("PATCH", f"{VM}/{OFF}/hardware", {"upgrade_policy": "ALWAYS"})
    api.inventory.newest_hardware = "VMX_19"
    power(api, OFF, "start")
    shown = hardware(api, OFF)
    assert (shown["version"], shown["upgrade_status"]) == ("VMX_19", "FAILED")
    assert shown["upgrade_error"]["error_type"] == "UNSUPPORTED"


def test_the_description_of_the_machine_has_the_plan(api: Api) -> None:
    """Both services show the same."""
    api("PATCH", f"{VM}/{OFF}/hardware", {"upgrade_policy": "ALWAYS"})
    assert api("GET", f"{VM}/{OFF}").json["hardware"] == hardware(api, OFF)


def test_a_computed_mode_can_be_set(api: Api) -> None:
    """The result of one task is the body of the next."""
    spec = {"sources": [{"clusters": ["domain-c8"]}]}
    task = api("POST", "/api/vcenter/evc-modes?vmw-task=true", spec).json
    api.clock.advance(2)
    mode = api("GET", f"/api/cis/tasks/{task}").json["result"]
    assert api("PUT", f"{VM}/{OFF}/evc-mode?vmw-task=true", {"evc_mode": mode}).status == 202
    api.clock.advance(2)
    assert api("GET", f"{VM}/{OFF}/evc-mode").json == {"evc_mode": mode}
    parts = api("POST", "/api/vcenter/evc-modes?action=partition", mode).json
    assert len(parts["cpu_evc_mode"]["masks"]) + len(parts["graphics_evc_mode"]["masks"]) == len(mode["masks"])


def run_live(api: Api, password: str = PASSWORD) -> str:
    body = {"name": "linux-2-nics", "auth": {"user_name": "root", "password": password}}
    return str(api("POST", f"{VM}/{ON}/guest/customization-live?action=run&vmw-task=true", body).json)


def status(api: Api) -> Any:
    return api("GET", f"{VM}/{ON}/guest/customization-live").json["status"]


def test_live_customization_changes_the_running_guest(api: Api) -> None:
    """At the end of the task and not before, without a restart."""
    run_live(api)
    assert status(api) == "RUNNING"
    api.clock.advance(2)
    assert status(api) == "SUCCEEDED"
    assert api("GET", f"{VM}/{ON}/guest/networking").json["dns_values"]["domain_name"] == "corp.example.com"


def test_live_customization_needs_the_guests_password(api: Api) -> None:
    """The task fails as the guest refuses; nothing has changed."""
    task = run_live(api, "wrong")
    api.clock.advance(2)
    error = api("GET", f"/api/cis/tasks/{task}").json["error"]
    assert (error["error_type"], error["messages"][0]["id"]) == ("UNAUTHENTICATED", "vmsg.InvalidGuestLogin.summary")
    assert status(api) == "FAILED"
    assert api("GET", f"{VM}/{ON}/guest/networking").json["dns_values"]["domain_name"] == "example.com"


@pytest.mark.parametrize("end", ["power", "cancel"])
def test_live_customization_that_is_cut_short_fails(api: Api, end: str) -> None:
    """By the power or by somebody who cancels it."""
    task = run_live(api)
    api.clock.advance(1)
    if end == "power":
        power(api, ON, "stop")
    else:
        assert api("POST", f"/api/cis/tasks/{task}?action=cancel").status == 204
    assert status(api) == "FAILED"
    api.clock.advance(2)
    assert api("GET", f"/api/cis/tasks/{task}").json["status"] == "FAILED"
