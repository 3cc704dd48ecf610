"""Runs a program in a guest, then watches the virtual machines and continues after a break.

The gateway is $GATEWAY_TARGET, else 127.0.0.1:50051; the user is $GATEWAY_USER with $GATEWAY_PASSWORD, and the user in
the guest is $GUEST_USER with $GUEST_PASSWORD, by default those of the simulator.
"""

from __future__ import annotations

import os
import sys
import time

import grpc
from vcenter.gateway.v1.guest_service_pb2 import ProgramStart, RunProgramRequest
from vcenter.gateway.v1.guest_service_pb2_grpc import GuestServiceStub
from vcenter.gateway.v1.vm_settings_service_pb2 import UpdateAnnotationRequest
from vcenter.gateway.v1.vm_settings_service_pb2_grpc import VmSettingsServiceStub
from vcenter.gateway.v1.watch_service_pb2 import WatchVmsRequest
from vcenter.gateway.v1.watch_service_pb2_grpc import WatchServiceStub
from vcenter.vm.guest.v1 import common_pb2 as guest_pb2
from vcenter.vm.v1.common_pb2 import PowerState

from vcenter_gateway_client import Credentials, VCenterError, connect

VM = "vm-1001"


def credentials() -> Credentials | None:
    """Who calls, where the environment says so."""
    user, password = os.environ.get("GATEWAY_USER"), os.environ.get("GATEWAY_PASSWORD")
    return Credentials.basic(user, password) if user and password else None


def guest_credentials() -> guest_pb2.Credentials:
    """Who runs programs in the guest."""
    return guest_pb2.Credentials(
        interactive_session=False,
        type=guest_pb2.CREDENTIALS_TYPE_USERNAME_PASSWORD,
        user_name=os.environ.get("GUEST_USER", "root"),
        password=os.environ.get("GUEST_PASSWORD", "VMware1!"),
    )


def run(channel: grpc.Channel) -> int:
    """Runs a program and returns its exit code."""
    # [docs: run]
    command = "hostname && wc -l"
    start = ProgramStart(vm=VM, credentials=guest_credentials(), shell_command=command)
    requests = [RunProgramRequest(start=start), RunProgramRequest(input=b"one\ntwo\n")]
    exit_code = 0
    for message in GuestServiceStub(channel).RunProgram(iter(requests)):
        sys.stdout.write(message.output.decode())
        sys.stderr.write(message.error_output.decode())
        if message.HasField("exited"):
            exit_code = message.exited.exit_code
    return exit_code
    # [docs: end]


def watch(channel: grpc.Channel, token: str, until: str) -> str:
    """Prints the machines or, with a token, what has changed since. Returns the token of the first event `until`."""
    # [docs: watch]
    while True:
        stream = WatchServiceStub(channel).WatchVms(WatchVmsRequest(resume_token=token))
        try:
            for message in stream:
                token = message.resume_token
                if message.started.reset:
                    print("all machines:")
                for vm in message.added.vms:
                    print(vm.vm, vm.name, PowerState.Name(vm.power_state))
                for change in message.changed.changes:
                    print(change.vm.vm, "changed:", ", ".join(change.changed.paths))
                for gone in message.removed.vms:
                    print(gone, "is gone")
                if message.WhichOneof("event") == until:
                    return token
        except VCenterError as error:
            if error.code is not grpc.StatusCode.UNAVAILABLE:
                raise
            # The connection broke, or the replica is stopping: continue after the last message.
            time.sleep(1)
        finally:
            stream.cancel()
    # [docs: end]


def main() -> None:
    """Runs the example."""
    target = os.environ.get("GATEWAY_TARGET", "127.0.0.1:50051")
    with connect(target, credentials=credentials()) as channel:
        print("exit code", run(channel))
        token = watch(channel, "", "synced")
        settings = VmSettingsServiceStub(channel)
        settings.UpdateAnnotation(UpdateAnnotationRequest(vm=VM, annotation="changed while nobody watched"))
        watch(channel, token, "changed")
        settings.UpdateAnnotation(UpdateAnnotationRequest(vm=VM))


if __name__ == "__main__":
    main()
