"""The configuration of machines: `config`, with hardware and settings."""

from datetime import UTC, datetime
from typing import Any

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.vim.device_values import devices_of
from gateway.simulator.vim.machine_guest import GUEST_ID, GUEST_NAME, is_accessible
from gateway.simulator.vim.structures import Member, Structure, array, boolean, constant, integer, names, string
from gateway.simulator.vim.values import Data, Long, Typed, escape_name

__all__ = ["CONFIG", "CONFIG_FILE", "NAME", "VERSION", "change_version"]

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def change_version(machine: VirtualMachine) -> str:
    """A value that differs after each change of the configuration: a time, as in vCenter, unique to the change."""
    moment = machine.modified or _NEVER
    return moment.replace(microsecond=machine.reconfigurations % 1_000_000).isoformat().replace("+00:00", "Z")


def _extra_config(machine: VirtualMachine, world: Any) -> list[Data]:
    return [Data("OptionValue", key=key, value=Typed(value)) for key, value in machine.extra_config.items()]


NAME = string(lambda machine: escape_name(machine.name))


CONFIG_FILE = string(lambda machine: f"{machine.directory}/{machine.home or machine.name}.vmx")


VERSION = string(lambda machine: machine.hardware_version.lower().replace("_", "-"))


_HARDWARE = Structure(
    "VirtualHardware",
    {
        "numCPU": integer(lambda machine: machine.cpu.count),
        "numCoresPerSocket": integer(lambda machine: machine.cpu.cores_per_socket),
        "memoryMB": integer(lambda machine: machine.memory.size_mib),
        "device": array("VirtualDevice", devices_of),
    },
    names("autoCoresPerSocket virtualICH7MPresent virtualSMCPresent motherboardLayout simultaneousThreads"),
)  # fmt: skip


CONFIG = Structure(
    "VirtualMachineConfigInfo",
    {
        "changeVersion": string(change_version),
        "modified": Member("xsd:dateTime", lambda machine, world: machine.modified or _NEVER),
        "name": NAME,
        "guestFullName": GUEST_NAME,
        "version": VERSION,
        "uuid": string(lambda machine: machine.bios_uuid),
        "instanceUuid": string(lambda machine: machine.instance_uuid),
        "template": boolean(lambda machine: machine.template),
        "guestId": GUEST_ID,
        "alternateGuestName": constant("xsd:string", ""),
        "annotation": string(lambda machine: machine.annotation),
        "files": Structure(
            "VirtualMachineFileInfo",
            {
                "vmPathName": CONFIG_FILE,
                "snapshotDirectory": string(lambda machine: f"{machine.directory}/"),
                "suspendDirectory": string(lambda machine: f"{machine.directory}/"),
                "logDirectory": string(lambda machine: f"{machine.directory}/"),
            },
            names("ftMetadataDirectory"),
        ),
        "tools": Structure(
            "ToolsConfigInfo",
            {
                "toolsVersion": integer(
                    lambda machine: machine.guest.tools.version if machine.guest.tools_installed else 0
                ),
                "toolsUpgradePolicy": string(
                    lambda machine: {"MANUAL": "manual"}.get(machine.guest.tools.upgrade_policy, "upgradeAtPowerCycle")
                ),
            },
            names(
                "toolsInstallType afterPowerOn afterResume beforeGuestStandby beforeGuestShutdown beforeGuestReboot "
                "pendingCustomization customizationKeyId syncTimeWithHostAllowed syncTimeWithHost lastInstallInfo"
            ),
        ),
        "flags": Structure(
            "VirtualMachineFlagInfo",
            {"enableLogging": constant("xsd:boolean", True)},
            names(
                "disableAcceleration useToe runWithDebugInfo monitorType htSharing snapshotDisabled snapshotLocked "
                "diskUuidEnabled virtualMmuUsage virtualExecUsage snapshotPowerOffBehavior recordReplayEnabled "
                "faultToleranceType cbrcCacheEnabled vvtdEnabled vbsEnabled"
            ),
        ),
        "defaultPowerOps": Structure(
            "VirtualMachineDefaultPowerOpInfo",
            {
                "powerOffType": constant("xsd:string", "soft"),
                "suspendType": constant("xsd:string", "hard"),
                "resetType": constant("xsd:string", "soft"),
            },
            names("defaultPowerOffType defaultSuspendType defaultResetType standbyAction"),
        ),
        "hardware": _HARDWARE,
        "memoryHotAddEnabled": boolean(lambda machine: machine.memory.hot_add_enabled),
        "cpuHotAddEnabled": boolean(lambda machine: machine.cpu.hot_add_enabled),
        "cpuHotRemoveEnabled": boolean(lambda machine: machine.cpu.hot_remove_enabled),
        "extraConfig": array("OptionValue", _extra_config),
        "bootOptions": Structure(
            "VirtualMachineBootOptions",
            {
                "bootDelay": Member("xsd:long", lambda machine, world: Long(machine.boot.delay)),
                "enterBIOSSetup": boolean(lambda machine: machine.boot.enter_setup_mode),
                "bootRetryEnabled": boolean(lambda machine: machine.boot.retry),
                "bootRetryDelay": Member("xsd:long", lambda machine, world: Long(machine.boot.retry_delay)),
                "efiSecureBootEnabled": boolean(lambda machine: machine.secure_boot),
                "networkBootProtocol": string(lambda machine: machine.boot.network_protocol.lower()),
            },
            names("bootOrder"),
        ),
        "firmware": string(lambda machine: machine.boot.type.lower()),
    },
    names(
        "createDate npivNodeWorldWideName npivPortWorldWideName npivWorldWideNameType npivDesiredNodeWwns "
        "npivDesiredPortWwns npivTemporaryDisabled npivOnNonRdmDisks locationId consolePreferences rebootPowerOff "
        "vcpuConfig cpuAllocation memoryAllocation latencySensitivity hotPlugMemoryLimit hotPlugMemoryIncrementSize "
        "cpuAffinity memoryAffinity networkShaper cpuFeatureMask datastoreUrl swapPlacement ftInfo repConfig "
        "vAppConfig vAssertsEnabled changeTrackingEnabled maxMksConnections guestAutoLockEnabled managedBy "
        "memoryReservationLockedToMax initialOverhead nestedHVEnabled vPMCEnabled scheduledHardwareUpgradeInfo "
        "forkConfigInfo vFlashCacheReservation vmxConfigChecksum messageBusTunnelEnabled vmStorageObjectId "
        "swapStorageObjectId keyId guestIntegrityInfo migrateEncryption sgxInfo contentLibItemInfo "
        "guestMonitoringModeInfo sevEnabled numaInfo pmemFailoverEnabled vmxStatsCollectionEnabled "
        "vmOpNotificationToAppEnabled vmOpNotificationTimeout deviceSwap pmem deviceGroups "
        "fixedPassthruHotPlugEnabled ftEncryptionMode metroFtEnabled vmxRuntimeConfig metroFtHostGroup tdxEnabled "
        "sevSnpEnabled guestArchitecture"
    ),
    when=is_accessible,
)
