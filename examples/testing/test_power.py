"""Tests of a program that powers machines on, against the gateway and its embedded vCenter: run it with pytest.

The command `vcenter-gateway` has to be on the PATH.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import grpc
import pytest
from vcenter.vm.v1.common_pb2 import POWER_STATE_POWERED_ON
from vcenter.vm.v1.power_service_pb2 import GetPowerRequest, StartVmRequest
from vcenter.vm.v1.power_service_pb2_grpc import PowerServiceStub
from vcenter_gateway_client import ErrorType, VCenterError, connect


# [docs: fixture]
@pytest.fixture
def gateway() -> Iterator[str]:
    """The address of a gateway with a vCenter of its own."""
    command = ["vcenter-gateway", "serve", "--simulator", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        first_line = process.stdout.readline()
        yield re.search(r" on (127\.0\.0\.1:\d+)", first_line)[1]
        process.terminate()
        # [docs: end]


def ensure_running(channel: grpc.Channel, vm: str) -> None:
    """The program under test: powers a machine on, unless it runs."""
    try:
        PowerServiceStub(channel).StartVm(StartVmRequest(vm=vm))
    except VCenterError as error:
        if error.error_type is not ErrorType.ALREADY_IN_DESIRED_STATE:
            raise


# [docs: test]
@pytest.mark.parametrize("vm", ["vm-1001", "vm-1002"], ids=["runs already", "is powered off"])
def test_ensure_running(gateway: str, vm: str) -> None:
    """A machine runs afterwards, whether or not it ran before."""
    with connect(gateway) as channel:
        ensure_running(channel, vm)
        power = PowerServiceStub(channel).GetPower(GetPowerRequest(vm=vm)).power
    assert power.state == POWER_STATE_POWERED_ON
    # [docs: end]
