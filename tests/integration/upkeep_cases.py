"""What keeps machines up to date: tools, virtual hardware, EVC modes; and the newer parts of customization."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gateway.simulator import Fault, Simulator
from gateway.simulator.evc import PEERS
from gateway.simulator.guest import Customization, Plan
from gateway.simulator.machine import VirtualMachine
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.machines_cases import OFF, ON, WINDOWS, machine

__all__ = ["ERRORS", "SUCCESSES"]

_TOOLS, _HARDWARE = "vcenter.vm.v1.ToolsService", "vcenter.vm.v1.HardwareService"
GET_TOOLS, UPDATE_TOOLS, UPGRADE_TOOLS = (f"{_TOOLS}/{verb}Tools" for verb in ("Get", "Update", "Upgrade"))
GET_HARDWARE, UPDATE_HARDWARE, UPGRADE_HARDWARE = (
    f"{_HARDWARE}/{verb}Hardware" for verb in ("Get", "Update", "Upgrade")
)
GET_EVC, SET_EVC = (f"vcenter.vm.v1.EvcModeService/{name}" for name in ("GetEvcMode", "SetEvcModeTask"))
CREATE_EVC, PARTITION = (f"vcenter.v1.EvcModesService/{name}" for name in ("CreateEvcModeTask", "PartitionEvcMode"))
CHECK = "vcenter.vm.guest.v1.CustomizationService/CheckCustomization"
_LIVE = "vcenter.vm.guest.v1.CustomizationLiveService"
GET_LIVE, RUN_LIVE = f"{_LIVE}/GetCustomizationLive", f"{_LIVE}/RunCustomizationLiveTask"

MANUAL, AUTOMATIC = "TOOLS_UPGRADE_POLICY_MANUAL", "TOOLS_UPGRADE_POLICY_UPGRADE_AT_POWER_CYCLE"
ALWAYS, CLEAN, NEVER = (f"HARDWARE_UPGRADE_POLICY_{name}" for name in ("ALWAYS", "AFTER_CLEAN_SHUTDOWN", "NEVER"))
_TOOLS_MESSAGES, _HARDWARE_MESSAGES = "com.vmware.api.vcenter.vm.tools", "com.vmware.api.vcenter.vm.hardware"
_EVC_MESSAGES = "com.vmware.api.vcenter.evc_modes"
_LIVE_MESSAGES = "com.vmware.api.vcenter.vm.guest.customization_live"
INVALID_POWER_STATE = "vmsg.InvalidPowerState.summary"
MODE = {"key": "intel-skylake", "masks": [{"key": "cpuid.AVX512F", "name": "cpuid.AVX512F", "value": "Val:1"}]}
GRAPHICS = {"key": "graphics.dx10", "name": "graphics.dx10", "value": "Val:1"}
PEER_URL, PEER = next(iter(PEERS.items()))
ROOT = {"user_name": "root", "password": "VMware1!"}


def doing(*steps: Callable[[VirtualMachine], object], vm: str) -> Setup:
    """Does something to a machine."""

    def setup(simulator: Simulator) -> None:
        for step in steps:
            step(machine(simulator, vm))

    return setup


def upgraded(seconds: float, *, fails: bool = False) -> Setup:
    """An upgrade of the tools that began a while ago and takes ten seconds."""

    def setup(simulator: Simulator) -> None:
        tools = machine(simulator, WINDOWS).guest.tools
        tools.upgrades_fail = fails
        tools.begin_upgrade(simulator.options.clock() - timedelta(seconds=seconds), timedelta(seconds=10))

    return setup


def shows(name: str, **expected: Any) -> Callable[[Any, Simulator], None]:
    """The answer has these values among others."""

    def check(response: Json, simulator: Simulator) -> None:
        assert {key: response[name].get(key) for key in expected} == expected

    return check


def tells_error(response: Json, simulator: Simulator) -> None:
    """The tools show vCenter's error as JSON text."""
    assert json.loads(response["tools"]["error"])["error_type"] == "ERROR"


def leaves(vm: str, value: Callable[[VirtualMachine], Any], expected: Any) -> Callable[[Any, Simulator], None]:
    """The answer is empty, and the machine is as expected."""

    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        assert value(machine(simulator, vm)) == expected

    return check


def task_ends(status: str, condition: Callable[[Simulator, Any], bool]) -> Callable[[Any, Simulator], None]:
    """The answer is a task, which ends in that state and with that effect or result."""

    def check(response: Json, simulator: Simulator) -> None:
        task = simulator.inventory.tasks.tasks[response["task"]]
        simulator.inventory.settle(task.due)
        assert task.status == status
        assert condition(simulator, task.error if status == "FAILED" else task.result)

    return check


# --- Tools and hardware -----------------------------------------------------------------------------------------------


def update_tools(vm: str, policy: str) -> Json:
    return {"vm": vm, "spec": {"upgrade_policy": policy}}


def update_hardware(policy: str, version: str | None = None, vm: str = OFF) -> Json:
    spec = {"upgrade_policy": policy} if version is None else {"upgrade_policy": policy, "upgrade_version": version}
    return {"vm": vm, "spec": spec}


def planned(policy: str, version: str) -> Setup:
    return doing(lambda item: item.hardware_upgrade.plan(policy, version), vm=OFF)


def plan_of(item: VirtualMachine) -> tuple[str, str | None, str]:
    return item.hardware_upgrade.policy, item.hardware_upgrade.version, item.hardware_upgrade.status


_UPKEEP: tuple[Success, ...] = (
    Success(
        id="of a Linux guest",
        rpc=GET_TOOLS,
        request={"vm": ON},
        response={
            "tools": {
                "auto_update_supported": False,
                "version_number": "12352",
                "version": "12.2.0",
                "upgrade_policy": MANUAL,
                "version_status": "TOOLS_VERSION_STATUS_UNMANAGED",
                "install_type": "TOOLS_INSTALL_TYPE_OPEN_VM_TOOLS",
                "run_state": "TOOLS_RUN_STATE_RUNNING",
                "guest_reboot_status": {"reboot_requested": False},
            }
        },
    ),
    Success(
        id="of a machine that is off",
        rpc=GET_TOOLS,
        request={"vm": OFF},
        check=shows("tools", run_state="TOOLS_RUN_STATE_NOT_RUNNING", version="12.2.0", guest_reboot_status=None),
    ),
    Success(
        id="not installed",
        rpc=GET_TOOLS,
        request={"vm": ON},
        setup=doing(lambda item: setattr(item.guest, "tools_installed", False), vm=ON),
        check=shows("tools", version_status="TOOLS_VERSION_STATUS_NOT_INSTALLED", version=None),
    ),
    Success(
        id="upgraded",
        rpc=GET_TOOLS,
        request={"vm": WINDOWS},
        setup=upgraded(11),
        check=shows(
            "tools",
            version="12.3.5",
            version_status="TOOLS_VERSION_STATUS_CURRENT",
            install_attempt_count="1",
            auto_update_supported=True,
        ),
    ),
    Success(
        id="after an upgrade that failed",
        rpc=GET_TOOLS,
        request={"vm": WINDOWS},
        setup=upgraded(11, fails=True),
        check=tells_error,
    ),
    Success(
        id="sets the policy",
        rpc=UPDATE_TOOLS,
        request=update_tools(WINDOWS, AUTOMATIC),
        check=leaves(WINDOWS, lambda item: item.guest.tools.upgrade_policy, "UPGRADE_AT_POWER_CYCLE"),
    ),
    Success(
        id="nothing",
        rpc=UPDATE_TOOLS,
        request={"vm": ON, "spec": {}},
        check=leaves(ON, lambda item: item.guest.tools.upgrade_policy, "MANUAL"),
    ),
    Success(
        id="begins",
        rpc=UPGRADE_TOOLS,
        request={"vm": WINDOWS, "command_line_options": "/S"},
        check=leaves(WINDOWS, lambda item: item.guest.tools.upgrade_ends is not None, True),
    ),
    Success(
        id="without a plan",
        rpc=GET_HARDWARE,
        request={"vm": OFF},
        response={
            "hardware": {
                "version": "VMX_19",
                "upgrade_policy": NEVER,
                "upgrade_status": "HARDWARE_UPGRADE_STATUS_NONE",
            }
        },
    ),
    Success(
        id="with a plan",
        rpc=GET_HARDWARE,
        request={"vm": OFF},
        setup=planned("ALWAYS", "VMX_20"),
        check=shows(
            "hardware",
            upgrade_policy=ALWAYS,
            upgrade_version="VMX_20",
            upgrade_status="HARDWARE_UPGRADE_STATUS_PENDING",
        ),
    ),
    Success(
        id="plans",
        rpc=UPDATE_HARDWARE,
        request=update_hardware(CLEAN, "VMX_20"),
        check=leaves(OFF, plan_of, ("AFTER_CLEAN_SHUTDOWN", "VMX_20", "PENDING")),
    ),
    Success(
        id="plans the newest version",
        rpc=UPDATE_HARDWARE,
        request=update_hardware(ALWAYS),
        check=leaves(OFF, plan_of, ("ALWAYS", "VMX_21", "PENDING")),
    ),
    Success(
        id="drops the plan",
        rpc=UPDATE_HARDWARE,
        request=update_hardware(NEVER),
        setup=planned("ALWAYS", "VMX_20"),
        check=leaves(OFF, plan_of, ("NEVER", None, "NONE")),
    ),
    Success(
        id="to a version",
        rpc=UPGRADE_HARDWARE,
        request={"vm": OFF, "version": "VMX_20"},
        check=leaves(OFF, lambda item: item.hardware_version, "VMX_20"),
    ),
    Success(
        id="to the newest version",
        rpc=UPGRADE_HARDWARE,
        request={"vm": OFF},
        setup=planned("ALWAYS", "VMX_20"),
        check=leaves(OFF, lambda item: (item.hardware_version, *plan_of(item)), ("VMX_21", "NEVER", None, "NONE")),
    ),
)

_UPKEEP_ERRORS: tuple[ErrorCase, ...] = (
    # The gateway does not send a policy that is none.
    ErrorCase(
        rpc=UPDATE_TOOLS,
        error="INVALID_ARGUMENT",
        messages=("com.vmware.vcenter.simulator.fault",),
        request=update_tools(ON, AUTOMATIC),
        setup=lambda simulator: simulator.faults.add(
            Fault.error("INVALID_ARGUMENT"), operation="com.vmware.vcenter.vm.tools.update"
        ),
    ),
    ErrorCase(
        rpc=UPGRADE_TOOLS,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_TOOLS_MESSAGES}.not_powered_on", INVALID_POWER_STATE),
        request={"vm": OFF},
    ),
    ErrorCase(
        rpc=UPGRADE_TOOLS,
        error="SERVICE_UNAVAILABLE",
        messages=("com.vmware.api.vcenter.vm.guest.tools_not_running",),
        request={"vm": WINDOWS},
        setup=doing(lambda item: setattr(item.guest, "tools_installed", False), vm=WINDOWS),
    ),
    ErrorCase(
        rpc=UPGRADE_TOOLS,
        error="ALREADY_IN_DESIRED_STATE",
        messages=(f"{_TOOLS_MESSAGES}.upgrade_in_progress",),
        request={"vm": WINDOWS},
        setup=upgraded(5),
    ),
    ErrorCase(
        rpc=UPGRADE_TOOLS,
        error="ERROR",
        messages=("vmsg.ToolsAutoUpgradeNotSupported.summary",),
        request={"vm": ON},
    ),
    *(
        ErrorCase(rpc=rpc, error=error, messages=(message,), request=request)
        for error, message, version in (
            ("ALREADY_IN_DESIRED_STATE", "vmsg.AlreadyUpgraded.summary", "VMX_19"),
            ("INVALID_ARGUMENT", f"{_HARDWARE_MESSAGES}.version_not_newer", "VMX_14"),
            ("UNSUPPORTED", "vmsg.UnsupportedVmVersion.summary", "VMX_22"),
        )
        for rpc, request in (
            (UPDATE_HARDWARE, update_hardware(ALWAYS, version)),
            (UPGRADE_HARDWARE, {"vm": OFF, "version": version}),
        )
    ),
    ErrorCase(
        rpc=UPGRADE_HARDWARE,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_HARDWARE_MESSAGES}.upgrade.not_powered_off", INVALID_POWER_STATE),
        request={"vm": ON},
    ),
)

# --- EVC modes --------------------------------------------------------------------------------------------------------


def set_evc(vm: str = OFF, mode: Json | None = MODE) -> Json:
    return {"vm": vm, "spec": {} if mode is None else {"evc_mode": mode}}


def create_evc(*sources: Json) -> Json:
    return {"spec": {"sources": list(sources)}}


def peer(**more: Any) -> Json:
    credential = {
        "type": "CREDENTIAL_TYPE_USERNAME_PASSWORD",
        "username_password": {"user_name": "administrator@vsphere.local", "password": "VMware1!"},
    }
    locator = {"instance_uuid": "0b0a", "url": PEER_URL, "credential": credential, **more}
    return {"service_locator": locator, "hosts": ["host-1010"]}


def masks(result: Any) -> set[str]:
    return {mask["name"] for mask in result["masks"]}


_EVC: tuple[Success, ...] = (
    Success(id="none", rpc=GET_EVC, request={"vm": OFF}, response={"evc_mode": {}}),
    Success(
        id="its own",
        rpc=GET_EVC,
        request={"vm": OFF},
        setup=doing(lambda item: setattr(item, "evc_mode", MODE), vm=OFF),
        response={"evc_mode": {"evc_mode": MODE}},
    ),
    Success(
        id="sets",
        rpc=SET_EVC,
        request=set_evc(),
        check=task_ends("SUCCEEDED", lambda simulator, result: machine(simulator, OFF).evc_mode == MODE),
    ),
    Success(
        id="removes",
        rpc=SET_EVC,
        request=set_evc(mode=None),
        setup=doing(lambda item: setattr(item, "evc_mode", MODE), vm=OFF),
        check=task_ends("SUCCEEDED", lambda simulator, result: machine(simulator, OFF).evc_mode is None),
    ),
    Success(
        id="of a machine that is on",
        rpc=SET_EVC,
        request=set_evc(ON),
        check=task_ends("FAILED", lambda simulator, error: error.error_type == "ERROR"),
    ),
    Success(
        id="of a host",
        rpc=CREATE_EVC,
        request=create_evc({"hosts": ["host-13"]}),
        check=task_ends("SUCCEEDED", lambda simulator, result: "cpuid.SHA" in masks(result)),
    ),
    Success(
        id="common to hosts and clusters",
        rpc=CREATE_EVC,
        request=create_evc({"hosts": ["host-13"], "clusters": ["domain-c26"]}),
        check=task_ends(
            "SUCCEEDED",
            lambda simulator, result: {"cpuid.AVX512VNNI"} == masks(result) & {"cpuid.AVX512VNNI", "cpuid.SHA"},
        ),
    ),
    Success(
        id="common with another vCenter",
        rpc=CREATE_EVC,
        request=create_evc({"hosts": ["host-13"]}, peer(ssl_thumbprint=PEER.thumbprint)),
        check=task_ends("SUCCEEDED", lambda simulator, result: "cpuid.AVX512F" not in masks(result)),
    ),
    Success(
        id="splits",
        rpc=PARTITION,
        request={"evc_mode": {"key": "custom", "masks": [*MODE["masks"], GRAPHICS]}},
        response={
            "partition": {
                "cpu_evc_mode": {"key": "custom-cpu", "masks": MODE["masks"]},
                "graphics_evc_mode": {"key": "custom-graphics", "masks": [GRAPHICS]},
            }
        },
    ),
)

_EVC_ERRORS: tuple[ErrorCase, ...] = (
    ErrorCase(
        rpc=SET_EVC,
        error="INVALID_ARGUMENT",
        messages=("com.vmware.api.vcenter.evc_mode.invalid_mask",),
        request=set_evc(mode={"key": "custom", "masks": [{**GRAPHICS, "value": "perhaps"}]}),
    ),
    ErrorCase(
        rpc=SET_EVC,
        error="INVALID_ARGUMENT",
        messages=("com.vmware.api.vcenter.evc_mode.invalid_empty",),
        request=set_evc(mode={"key": "custom", "masks": []}),
        id="empty",
    ),
    ErrorCase(
        rpc=PARTITION,
        error="ERROR",
        messages=(f"{_EVC_MESSAGES}.cannot_partition",),
        request={"evc_mode": {"key": "custom", "masks": [{**GRAPHICS, "name": "something.else"}]}},
    ),
    *(
        ErrorCase(rpc=CREATE_EVC, error=error, messages=(f"{_EVC_MESSAGES}.{message}",), request=request, id=message)
        for error, message, request in (
            ("INVALID_ARGUMENT", "no_source", create_evc()),
            ("INVALID_ARGUMENT", "empty_source", create_evc({})),
            ("INVALID_ARGUMENT", "unknown_host", create_evc({"hosts": ["host-999"]})),
            ("INVALID_ARGUMENT", "unknown_cluster", create_evc({"clusters": ["domain-c999"]})),
            ("SERVICE_UNAVAILABLE", "peer_not_available", create_evc(peer(url="https://nowhere.example.com"))),
            ("UNVERIFIED_PEER", "peer_not_verified", create_evc(peer(ssl_thumbprint="00:11:22"))),
        )
    ),
)

# --- Customization ----------------------------------------------------------------------------------------------------


def checked(vm: str, status: str, *, guest: bool, power: bool, setup: Setup | None = None) -> Success:
    return Success(
        id=f"{status.lower()}, {vm}",
        rpc=CHECK,
        request={"vm": vm},
        setup=setup,
        response={
            "check": {
                "check_status": f"CUSTOMIZATION_CHECK_INFO_CHECK_STATUS_{status}",
                "supported_guest_os": guest,
                "supported_power_state": power,
            }
        },
    )


def run_live(vm: str = ON, **spec: Any) -> Json:
    return {"vm": vm, "spec": {"auth": ROOT, **(spec or {"name": "linux-2-nics"})}}


def live(*, applied: bool = False, error: str | None = None) -> Setup:
    """A live customization that has begun just now."""

    def setup(simulator: Simulator) -> None:
        now = simulator.options.clock()
        machine(simulator, ON).guest.live_customization = Customization(
            Plan(), now, now + timedelta(seconds=1), error, applied
        )

    return setup


_START, _END = {"start_time": "2026-01-15T12:00:00Z"}, {"end_time": "2026-01-15T12:00:01Z"}
_STATUS = "CUSTOMIZATION_LIVE_INFO_STATUS_"

_CUSTOMIZATION: tuple[Success, ...] = (
    checked(OFF, "SUPPORTED", guest=True, power=True),
    checked(ON, "NOT_SUPPORTED", guest=True, power=False),
    checked(
        WINDOWS,
        "NOT_SUPPORTED",
        guest=False,
        power=False,
        setup=doing(lambda item: setattr(item.guest, "family", "NETWARE"), vm=WINDOWS),
    ),
    Success(
        id="never",
        rpc=GET_LIVE,
        request={"vm": ON},
        response={"customization": {"status": f"{_STATUS}NOT_AVAILABLE"}},
    ),
    Success(
        id="running",
        rpc=GET_LIVE,
        request={"vm": ON},
        setup=live(),
        response={"customization": {"status": f"{_STATUS}RUNNING", **_START}},
    ),
    Success(
        id="succeeded",
        rpc=GET_LIVE,
        request={"vm": ON},
        setup=live(applied=True),
        response={"customization": {"status": f"{_STATUS}SUCCEEDED", **_START, **_END}},
    ),
    Success(
        id="failed",
        rpc=GET_LIVE,
        request={"vm": ON},
        setup=live(error="It failed."),
        response={
            "customization": {
                "status": f"{_STATUS}FAILED",
                "error": {"id": f"{_LIVE_MESSAGES}.failed", "default_message": "It failed."},
                **_START,
                **_END,
            }
        },
    ),
    Success(
        id="by name",
        rpc=RUN_LIVE,
        request=run_live(),
        check=task_ends(
            "SUCCEEDED", lambda simulator, result: machine(simulator, ON).guest.domain == "corp.example.com"
        ),
    ),
    Success(
        id="with a wrong password",
        rpc=RUN_LIVE,
        request=run_live(name="linux-2-nics", auth={"user_name": "root", "password": "wrong"}),
        check=task_ends("FAILED", lambda simulator, error: error.error_type == "UNAUTHENTICATED"),
    ),
)

_CUSTOMIZATION_ERRORS: tuple[ErrorCase, ...] = (
    ErrorCase(
        rpc=RUN_LIVE,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_LIVE_MESSAGES}.not_powered_on", INVALID_POWER_STATE),
        request=run_live(OFF),
    ),
    ErrorCase(
        rpc=RUN_LIVE,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_LIVE_MESSAGES}.engine_not_running",),
        request=run_live(),
        setup=doing(lambda item: setattr(item.guest, "tools_installed", False), vm=ON),
        id="no tools",
    ),
    *(
        ErrorCase(rpc=RUN_LIVE, error="INVALID_ARGUMENT", messages=(message,), request=request, id=label)
        for label, message, request in (
            ("neither", f"{_LIVE_MESSAGES}.name_or_spec", run_live(auth=ROOT)),
            ("no such name", "com.vmware.api.vcenter.guest.customization_spec.not_found", run_live(name="nothing")),
            ("Windows", f"{_LIVE_MESSAGES}.not_supported", run_live(name="windows-2-nics")),
            ("number of nics", "vmsg.NicSettingMismatch.summary", run_live(name="linux-1-nic")),
        )
    ),
)

SUCCESSES: tuple[Success, ...] = (*_UPKEEP, *_EVC, *_CUSTOMIZATION)
ERRORS: tuple[ErrorCase, ...] = (*_UPKEEP_ERRORS, *_EVC_ERRORS, *_CUSTOMIZATION_ERRORS)
