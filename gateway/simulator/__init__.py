"""The embedded vCenter: faithful REST and SOAP endpoints with state, sessions, and faults on demand.

    async with Simulator(SimulatorOptions(vms=8)) as vcenter:
        vcenter.faults.add(Fault.error("RESOURCE_BUSY"), operation="com.vmware.vcenter.vm.power.start", times=1)
        ...  # call vcenter.url
        vcenter.record.of("com.vmware.vcenter.vm.power.start")

It is written against the catalogue of vCenter's API (vcenter-api.json) and shares nothing with the gateway's own
translation, so that a mistake in one is visible in the other.
"""

from gateway.simulator.changes import Change, Changes
from gateway.simulator.clock import ManualClock
from gateway.simulator.faults import Fault, Faults
from gateway.simulator.record import Record, RecordedCall
from gateway.simulator.releases import RELEASES
from gateway.simulator.server import Simulator, SimulatorOptions
from gateway.simulator.sessions import DEFAULT_USERS, SessionLimits, User

__all__ = [
    "DEFAULT_USERS",
    "RELEASES",
    "Change",
    "Changes",
    "Fault",
    "Faults",
    "ManualClock",
    "Record",
    "RecordedCall",
    "SessionLimits",
    "Simulator",
    "SimulatorOptions",
    "User",
]
