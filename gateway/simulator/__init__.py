"""The embedded vCenter: a faithful REST endpoint with state, sessions, and faults on demand.

    async with Simulator(SimulatorOptions(vms=8)) as vcenter:
        vcenter.faults.add(Fault.error("RESOURCE_BUSY"), operation="com.vmware.vcenter.vm.power.start", times=1)
        ...  # call vcenter.url
        vcenter.record.of("com.vmware.vcenter.vm.power.start")

It is written against the catalogue of vCenter's API (vcenter-api.json) and shares nothing with the gateway's own
translation, so that a mistake in one shows in the other.
"""

from gateway.simulator.clock import ManualClock
from gateway.simulator.faults import Fault, Faults
from gateway.simulator.record import Record, RecordedCall
from gateway.simulator.releases import RELEASES
from gateway.simulator.server import Simulator, SimulatorOptions
from gateway.simulator.sessions import DEFAULT_USERS, SessionLimits, User

__all__ = [
    "DEFAULT_USERS",
    "RELEASES",
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
