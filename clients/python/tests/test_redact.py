"""Messages that may be logged."""

from __future__ import annotations

from vcenter.v1.vm_service_pb2 import VmInfo
from vcenter.vm.guest.v1.common_pb2 import Credentials
from vcenter.vm.guest.v1.processes_service_pb2 import CreateProcessRequest, ProcessesCreateSpec

from vcenter_gateway_client import redact

SECRET = "s3cr3t-of-nobody"
REQUEST = CreateProcessRequest(
    vm="vm-1001",
    credentials=Credentials(user_name="root", password=SECRET),
    spec=ProcessesCreateSpec(path="/bin/ls", environment_variables={"LANG": "C"}),
)


def test_protobuf_prints_secrets() -> None:
    """So the other tests show something."""
    assert SECRET in str(REQUEST)


def test_a_redacted_message_has_all_but_the_secret() -> None:
    """Also in messages inside, while the original stays as it is."""
    original = CreateProcessRequest.FromString(REQUEST.SerializeToString())
    redacted = redact(REQUEST)
    assert SECRET not in str(redacted)
    assert redacted.credentials.password == "[redacted]"
    redacted.credentials.password = SECRET
    assert redacted == REQUEST == original


def test_a_message_without_secrets_is_only_copied() -> None:
    """Whatever it is made of: messages in maps and in lists, texts in maps, numbers."""
    machine = VmInfo(name="web")
    machine.cdroms["16000"].label = "CD/DVD drive 1"
    machine.boot_devices.add().disks.append("2000")
    machine.cpu.count = 4
    assert redact(machine) == machine
    assert redact(REQUEST.spec) == REQUEST.spec
