"""Adds a CD-ROM device to a virtual machine, connects it, and removes it again.

The gateway is $GATEWAY_TARGET, else 127.0.0.1:50051; the user is $GATEWAY_USER with $GATEWAY_PASSWORD.
"""

from __future__ import annotations

import os

import grpc
from vcenter.v1.vm_service_pb2 import ListVmsRequest
from vcenter.v1.vm_service_pb2_grpc import VmServiceStub
from vcenter.vm.hardware.v1 import cdrom_service_pb2 as cdrom_pb2
from vcenter.vm.hardware.v1.cdrom_service_pb2_grpc import CdromServiceStub
from vcenter.vm.hardware.v1.common_pb2 import CONNECTION_STATE_CONNECTED
from vcenter.vm.v1.common_pb2 import PowerState

from vcenter_gateway_client import Credentials, ErrorType, VCenterError, connect

VM = "vm-1001"


def credentials() -> Credentials | None:
    """Who calls, where the environment says so."""
    user, password = os.environ.get("GATEWAY_USER"), os.environ.get("GATEWAY_PASSWORD")
    return Credentials.basic(user, password) if user and password else None


def list_machines(channel: grpc.Channel) -> None:
    """Prints all virtual machines."""
    # [docs: list]
    for vm in VmServiceStub(channel).ListVms(ListVmsRequest()).vms:
        print(vm.vm, vm.name, PowerState.Name(vm.power_state))
    # [docs: end]


def add(cdroms: CdromServiceStub) -> str:
    """Adds a device and returns its identifier."""
    # [docs: create]
    spec = cdrom_pb2.CdromCreateSpec(
        # IDE devices cannot be added while the machine runs.
        type=cdrom_pb2.CDROM_HOST_BUS_ADAPTER_TYPE_SATA,
        backing=cdrom_pb2.CdromBackingSpec(type=cdrom_pb2.CDROM_BACKING_TYPE_CLIENT_DEVICE),
    )
    return cdroms.CreateCdrom(cdrom_pb2.CreateCdromRequest(vm=VM, spec=spec)).cdrom
    # [docs: end]


def ensure_connected(cdroms: CdromServiceStub, cdrom: str) -> None:
    """Connects a device, unless it is connected."""
    # [docs: error]
    try:
        cdroms.ConnectCdrom(cdrom_pb2.ConnectCdromRequest(vm=VM, cdrom=cdrom))
        print("connected it")
    except VCenterError as error:
        if error.error_type is not ErrorType.ALREADY_IN_DESIRED_STATE:
            raise
        print("already connected; vCenter reports:", error.message)
    # [docs: end]


def remove(cdroms: CdromServiceStub, cdrom: str) -> None:
    """Disconnects a device if need be, and removes it."""
    info = cdroms.GetCdrom(cdrom_pb2.GetCdromRequest(vm=VM, cdrom=cdrom)).cdrom
    if info.state == CONNECTION_STATE_CONNECTED:
        cdroms.DisconnectCdrom(cdrom_pb2.DisconnectCdromRequest(vm=VM, cdrom=cdrom))
    cdroms.DeleteCdrom(cdrom_pb2.DeleteCdromRequest(vm=VM, cdrom=cdrom))
    print("removed it")


def main() -> None:
    """Runs the example."""
    # [docs: connect]
    target = os.environ.get("GATEWAY_TARGET", "127.0.0.1:50051")
    with connect(target, credentials=credentials()) as channel:
        # [docs: end]
        list_machines(channel)
        cdroms = CdromServiceStub(channel)
        cdrom = add(cdroms)
        print(f"added CD-ROM {cdrom} to {VM}")
        try:
            ensure_connected(cdroms, cdrom)
            ensure_connected(cdroms, cdrom)
        finally:
            remove(cdroms, cdrom)


if __name__ == "__main__":
    main()
