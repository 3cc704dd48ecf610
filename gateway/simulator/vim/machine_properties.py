"""The properties of virtual machines and of their snapshots."""

from datetime import datetime
from typing import Any

from gateway.simulator.machine import Snapshot, VirtualMachine
from gateway.simulator.vim.machine_config import CONFIG, CONFIG_FILE, NAME, VERSION
from gateway.simulator.vim.machine_guest import GUEST, GUEST_ID, GUEST_NAME, NAMES_IN_GUEST, TOOLS, is_accessible
from gateway.simulator.vim.structures import (
    Member,
    Structure,
    array,
    boolean,
    constant,
    integer,
    names,
    reference,
    references,
    string,
)
from gateway.simulator.vim.values import Data, Long, Ref, Typed, escape_name

__all__ = ["POWER_STATES", "SNAPSHOT", "VIRTUAL_MACHINE"]

POWER_STATES = {"POWERED_ON": "poweredOn", "POWERED_OFF": "poweredOff", "SUSPENDED": "suspended"}
"""Power states of the REST API, with those of this API."""


def _connection_state(machine: VirtualMachine, world: Any) -> str:
    return "inaccessible" if machine.inaccessible else "connected"


def _boot_time(machine: VirtualMachine, world: Any) -> datetime | None:
    guest = machine.guest
    on = machine.power_state == "POWERED_ON" and guest.tools_start is not None
    return guest.tools_start - guest.transition if on and guest.tools_start is not None else None


def _question(machine: VirtualMachine, world: Any) -> Data | None:
    question = machine.question
    if question is None:
        return None
    choices = [Data("ElementDescription", label=text, summary=text, key=key) for key, text in question.choices.items()]
    default = [*question.choices].index(question.default)
    choice = Data("ChoiceOption", choiceInfo=[Typed(item) for item in choices], defaultIndex=default)
    return Data("VirtualMachineQuestionInfo", id=question.id, text=question.text, choice=choice)


def _tree(machine: VirtualMachine, parent: str | None) -> list[Data]:
    return [
        Data(
            "VirtualMachineSnapshotTree",
            snapshot=Ref("VirtualMachineSnapshot", item.snapshot),
            vm=Ref("VirtualMachine", machine.vm),
            name=escape_name(item.name),
            description=item.description,
            id=item.number,
            createTime=item.created,
            state=POWER_STATES[item.state],
            quiesced=item.quiesced,
            childSnapshotList=_tree(machine, item.snapshot),
            replaySupported=False,
        )
        for item in machine.snapshots.children(parent)
    ]


def _snapshot_info(machine: VirtualMachine, world: Any) -> Data | None:
    snapshots = machine.snapshots
    if not snapshots.by_id:
        return None
    current = None if snapshots.current is None else Ref("VirtualMachineSnapshot", snapshots.current)
    return Data("VirtualMachineSnapshotInfo", currentSnapshot=current, rootSnapshotList=_tree(machine, None))


def _custom_values(machine: VirtualMachine, world: Any) -> list[Typed]:
    return [Typed(Data("CustomFieldStringValue", key=key, value=value)) for key, value in machine.custom_values.items()]


def _datastores(machine: VirtualMachine, world: Any) -> list[Ref]:
    files = (f"[{machine.datastore}]", *(disk.vmdk_file for disk in machine.disks.values()))
    found = (world.datastore_of(file) for file in files)
    return list(dict.fromkeys(ref for ref in found if ref is not None))


def _networks(machine: VirtualMachine, world: Any) -> list[Ref]:
    networks = world.inventory.networks
    named = dict.fromkeys(nic.backing.get("network") for nic in machine.nics.values())
    return [Ref(networks[name].object_type, name) for name in named if name is not None and name in networks]


def _layout(machine: VirtualMachine, world: Any) -> Data:
    home = machine.home or machine.name
    files = [(f"{machine.directory}/{home}.vmx", "config", 2048)]
    files += [(disk.vmdk_file, "diskExtent", disk.capacity) for disk in machine.disks.values()]
    files += [
        (f"{machine.directory}/{home}-Snapshot{item.number}.vmsn", "snapshotData", 32768)
        for item in machine.snapshots.by_id.values()
    ]
    described = [
        Data("VirtualMachineFileLayoutExFileInfo", key=key, name=name, type=kind, size=Long(size),
             uniqueSize=Long(size), accessible=True)
        for key, (name, kind, size) in enumerate(files)
    ]  # fmt: skip
    data_keys = {name: key for key, (name, _, _) in enumerate(files)}
    snapshots = [
        Data(
            "VirtualMachineFileLayoutExSnapshotLayout",
            key=Ref("VirtualMachineSnapshot", item.snapshot),
            dataKey=data_keys[f"{machine.directory}/{home}-Snapshot{item.number}.vmsn"],
            memoryKey=-1,
        )
        for item in machine.snapshots.by_id.values()
    ]
    return Data("VirtualMachineFileLayoutEx", file=described, snapshot=snapshots, timestamp=world.now)


def _committed(machine: VirtualMachine, world: Any) -> Long:
    return Long(sum(disk.capacity for disk in machine.disks.values()))


def _busy_cpu(machine: VirtualMachine, world: Any) -> int:
    return 120 * machine.cpu.count if machine.power_state == "POWERED_ON" else 0


def _uptime(machine: VirtualMachine, world: Any) -> int | None:
    booted = _boot_time(machine, world)
    return None if booted is None else max(0, int((world.now - booted).total_seconds()))


def _host(machine: VirtualMachine, world: Any) -> Ref:
    return Ref("HostSystem", machine.placement.host)


_GREEN = constant("ManagedEntityStatus", "green")


_CUSTOM_VALUES = array("CustomFieldValue", _custom_values)


_RUNTIME = Structure(
    "VirtualMachineRuntimeInfo",
    {
        "host": reference(_host),
        "connectionState": Member("VirtualMachineConnectionState", _connection_state),
        "powerState": Member("VirtualMachinePowerState", lambda machine, world: POWER_STATES[machine.power_state]),
        "faultToleranceState": constant("VirtualMachineFaultToleranceState", "notConfigured"),
        "toolsInstallerMounted": boolean(lambda machine: machine.tools_installer is not None),
        "suspendTime": Member("xsd:dateTime", lambda machine, world: machine.guest.suspended),
        "bootTime": Member("xsd:dateTime", _boot_time),
        "question": Member("VirtualMachineQuestionInfo", _question),
        "maxCpuUsage": integer(lambda machine: 2400 * machine.cpu.count),
        "maxMemoryUsage": integer(lambda machine: machine.memory.size_mib),
        "numMksConnections": constant("xsd:int", 0),
        "recordReplayState": constant("VirtualMachineRecordReplayState", "inactive"),
        "cleanPowerOff": Member(
            "xsd:boolean",
            lambda machine, world: machine.clean_power_off if machine.power_state == "POWERED_OFF" else None,
        ),
        "onlineStandby": constant("xsd:boolean", False),
        "consolidationNeeded": constant("xsd:boolean", False),
    },
    names(
        "device vmFailoverInProgress dasVmProtection suspendInterval memoryOverhead needSecondaryReason "
        "minRequiredEVCModeKey offlineFeatureRequirement featureRequirement featureMask vFlashCacheAllocation paused "
        "snapshotInBackground quiescedForkParent instantCloneFrozen cryptoState suspendedToMemory "
        "opNotificationTimeout iommuActive consolidateWorkTotal consolidateWorkDone diskChainBroken"
    ),
)


_SUMMARY = Structure(
    "VirtualMachineSummary",
    {
        "vm": reference(lambda machine, world: Ref("VirtualMachine", machine.vm)),
        "runtime": _RUNTIME,
        "guest": Structure(
            "VirtualMachineGuestSummary",
            {"guestId": GUEST_ID, "guestFullName": GUEST_NAME, **TOOLS, **NAMES_IN_GUEST},
            names("hwVersion"),
            when=is_accessible,
        ),
        "config": Structure(
            "VirtualMachineConfigSummary",
            {
                "name": NAME,
                "template": boolean(lambda machine: machine.template),
                "vmPathName": CONFIG_FILE,
                "memorySizeMB": integer(lambda machine: machine.memory.size_mib),
                "numCpu": integer(lambda machine: machine.cpu.count),
                "numEthernetCards": integer(lambda machine: len(machine.nics)),
                "numVirtualDisks": integer(lambda machine: len(machine.disks)),
                "uuid": string(lambda machine: machine.bios_uuid),
                "instanceUuid": string(lambda machine: machine.instance_uuid),
                "guestId": GUEST_ID,
                "guestFullName": GUEST_NAME,
                "annotation": string(lambda machine: machine.annotation),
                "hwVersion": VERSION,
            },
            names(
                "cpuReservation memoryReservation product installBootRequired ftInfo managedBy tpmPresent "
                "numVmiopBackings"
            ),
        ),
        "storage": Structure(
            "VirtualMachineStorageSummary",
            {
                "committed": Member("xsd:long", _committed),
                "uncommitted": Member("xsd:long", lambda machine, world: Long(0)),
                "unshared": Member("xsd:long", _committed),
                "timestamp": Member("xsd:dateTime", lambda machine, world: world.now),
            },
        ),
        "quickStats": Structure(
            "VirtualMachineQuickStats",
            {
                "overallCpuUsage": Member("xsd:int", _busy_cpu),
                "overallCpuDemand": Member("xsd:int", _busy_cpu),
                "guestMemoryUsage": integer(
                    lambda machine: machine.memory.size_mib // 4 if machine.power_state == "POWERED_ON" else 0
                ),
                "hostMemoryUsage": integer(
                    lambda machine: machine.memory.size_mib // 2 if machine.power_state == "POWERED_ON" else 0
                ),
                "guestHeartbeatStatus": Member(
                    "ManagedEntityStatus",
                    lambda machine, world: "green" if machine.guest.tools_running(world.now) else "gray",
                ),
                "uptimeSeconds": Member("xsd:int", _uptime),
            },
            names(
                "overallCpuReadiness distributedCpuEntitlement distributedMemoryEntitlement staticCpuEntitlement "
                "staticMemoryEntitlement grantedMemory privateMemory sharedMemory swappedMemory balloonedMemory "
                "consumedOverheadMemory ftLogBandwidth ftSecondaryLatency ftLatencyStatus compressedMemory "
                "ssdSwappedMemory activeMemory memoryTierStats"
            ),
        ),
        "overallStatus": _GREEN,
        "customValue": _CUSTOM_VALUES,
    },
)


VIRTUAL_MACHINE = Structure(
    "VirtualMachine",
    {
        "parent": reference(lambda machine, world: Ref("Folder", machine.placement.folder)),
        "name": NAME,
        "overallStatus": _GREEN,
        "configStatus": _GREEN,
        "value": _CUSTOM_VALUES,
        "customValue": _CUSTOM_VALUES,
        "availableField": array("CustomFieldDef", lambda machine, world: world.custom_fields.definitions()),
        "recentTask": references(lambda machine, world: world.recent_tasks(machine.vm)),
        "config": CONFIG,
        "layoutEx": Member("VirtualMachineFileLayoutEx", _layout),
        "resourcePool": reference(
            lambda machine, world: None if machine.template else Ref("ResourcePool", machine.placement.resource_pool),
        ),
        "runtime": _RUNTIME,
        "guest": GUEST,
        "summary": _SUMMARY,
        "datastore": references(_datastores),
        "network": references(_networks),
        "snapshot": Member("VirtualMachineSnapshotInfo", _snapshot_info),
        "rootSnapshot": references(
            lambda machine, world: [
                Ref("VirtualMachineSnapshot", item.snapshot) for item in machine.snapshots.children(None)
            ],
        ),
        "guestHeartbeatStatus": Member(
            "ManagedEntityStatus",
            lambda machine, world: "green" if machine.guest.tools_running(world.now) else "gray",
        ),
    },
    names(
        "configIssue effectiveRole permission disabledMethod declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag capability layout storage environmentBrowser parentVApp resourceConfig"
    ),
)


def _owner(snapshot: Snapshot, world: Any) -> Ref:
    return Ref("VirtualMachine", snapshot.machine.vm)


SNAPSHOT = Structure(
    "VirtualMachineSnapshot",
    {
        "vm": reference(_owner),
        "config": Member("VirtualMachineConfigInfo", lambda snapshot, world: CONFIG.value(snapshot.machine, world)),
        "childSnapshot": references(
            lambda snapshot, world: [
                Ref("VirtualMachineSnapshot", item.snapshot)
                for item in world.inventory.machines[snapshot.machine.vm].snapshots.children(snapshot.snapshot)
            ],
        ),
    },
    names("value availableField"),
)
