"""Makes a machine, changes its hardware, and removes it. What a context manager here makes, it removes at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from vapi.std.dynamic.v1.dynamic_id_pb2 import DynamicId
from vcenter.guest.v1 import customization_spec_pb2 as custom_pb2
from vcenter.guest.v1 import customization_specs_service_pb2 as specs_pb2
from vcenter.guest.v1.customization_specs_service_pb2_grpc import CustomizationSpecsServiceStub
from vcenter.v1.vm_service_pb2 import CloneVmTaskRequest, DeleteVmRequest, ListVmsRequest, VmCloneSpec
from vcenter.v1.vm_service_pb2_grpc import VmServiceStub
from vcenter.vm.hardware.v1 import disk_service_pb2 as disk_pb2
from vcenter.vm.hardware.v1 import ethernet_service_pb2 as ethernet_pb2
from vcenter.vm.hardware.v1.disk_service_pb2_grpc import DiskServiceStub
from vcenter.vm.hardware.v1.ethernet_service_pb2_grpc import EthernetServiceStub
from vcenter.vm.v1.power_service_pb2 import StartVmRequest, StopVmRequest
from vcenter.vm.v1.power_service_pb2_grpc import PowerServiceStub
from vcenter_gateway_client import ErrorType
from vcenter_gateway_client.cis.tagging.v1.tag_association_service_pb2 import AttachTagRequest
from vcenter_gateway_client.cis.tagging.v1.tag_association_service_pb2_grpc import TagAssociationServiceStub
from vcenter_gateway_client.cis.v1 import task_service_pb2 as task_pb2
from vcenter_gateway_client.cis.v1.task_service_pb2_grpc import TaskServiceStub
from waiting import Patience, Problem, accepting, may_have_executed, removing

__all__ = ["add_card", "add_disk", "attach_tag", "cloned", "follow_task", "power_on", "stored_spec"]

_ENDED = (task_pb2.TASK_STATUS_SUCCEEDED, task_pb2.TASK_STATUS_FAILED)


@contextmanager
def stored_spec(channel: grpc.Channel, patience: Patience, name: str, cards: int) -> Iterator[str]:
    """A stored customization spec for Linux: the machine's name as the host name, DHCP on each card.

    Its name has to be free.
    """
    specs = CustomizationSpecsServiceStub(channel)
    hostname = custom_pb2.HostnameGenerator(type=custom_pb2.HOSTNAME_GENERATOR_TYPE_VIRTUAL_MACHINE)
    dhcp = custom_pb2.IpSettings(ipv4=custom_pb2.Ipv4(type=custom_pb2.IPV4_TYPE_DHCP))
    spec = custom_pb2.CustomizationSpec(
        configuration_spec=custom_pb2.ConfigurationSpec(
            linux_config=custom_pb2.LinuxConfiguration(hostname=hostname, domain="example.com")
        ),
        global_dns_settings=custom_pb2.GlobalDnsSettings(),
        interfaces=[custom_pb2.AdapterMapping(adapter=dhcp)] * cards,
    )
    given = specs_pb2.CustomizationSpecsCreateSpec(name=name, description="Of the example provision", spec=spec)

    def remove() -> None:
        with removing(f"the customization spec {name}", ErrorType.NOT_FOUND):
            patience.insist(specs.DeleteCustomizationSpec, specs_pb2.DeleteCustomizationSpecRequest(name=name))

    try:
        specs.CreateCustomizationSpec(specs_pb2.CreateCustomizationSpecRequest(spec=given))
    except BaseException as error:
        if may_have_executed(error):
            remove()
        raise
    try:
        yield name
    finally:
        remove()


@contextmanager
def cloned(channel: grpc.Channel, patience: Patience, spec: VmCloneSpec) -> Iterator[str]:
    """A clone, powered off and deleted at the end. Its name has to be free in its folder."""
    try:
        task = VmServiceStub(channel).CloneVmTask(CloneVmTaskRequest(spec=spec)).task
    except BaseException as error:
        if may_have_executed(error):
            _remove_lost_clone(channel, patience, spec)
        raise
    try:
        vm = follow_task(channel, patience, task)
    except BaseException:  # The program is interrupted, or does not want to wait any longer.
        _abandon(channel, patience, task)
        raise
    try:
        yield vm
    finally:
        _remove(channel, patience, vm)


def follow_task(channel: grpc.Channel, patience: Patience, task: str) -> str:
    """Waits for a task, shows its progress, and returns its result. Raises Problem when the task fails."""
    info = _end_of_task(channel, patience, task, show=True)
    if info.status == task_pb2.TASK_STATUS_SUCCEEDED:
        return info.result.string_value
    # The error of a task is JSON text: a type and messages, as errors of calls have them.
    error = json.loads(info.error)
    texts = " ".join(message["default_message"] for message in error["messages"])
    raise Problem(f"the task failed: {error['error_type']}: {texts}")


def attach_tag(channel: grpc.Channel, vm: str, tag: str) -> None:
    """Attaches a tag to the machine. Tags go when the machine goes."""
    target = DynamicId(type="VirtualMachine", id=vm)
    TagAssociationServiceStub(channel).AttachTag(AttachTagRequest(tag_id=tag, object_id=target))


# [docs: hardware]
def add_disk(channel: grpc.Channel, patience: Patience, vm: str, capacity: int) -> str:
    """Adds an empty disk of so many bytes, and returns its identifier."""
    spec = disk_pb2.DiskCreateSpec(new_vmdk=disk_pb2.DiskVmdkCreateSpec(capacity=capacity))
    disks = DiskServiceStub(channel)
    return patience.while_busy(disks.CreateDisk, disk_pb2.CreateDiskRequest(vm=vm, spec=spec)).disk


def add_card(channel: grpc.Channel, patience: Patience, vm: str, network: ethernet_pb2.EthernetBackingSpec) -> str:
    """Adds a card on that network, connected from the next power-on, and returns its identifier."""
    spec = ethernet_pb2.EthernetCreateSpec(backing=network, start_connected=True)
    cards = EthernetServiceStub(channel)
    return patience.while_busy(cards.CreateEthernet, ethernet_pb2.CreateEthernetRequest(vm=vm, spec=spec)).nic


def power_on(channel: grpc.Channel, patience: Patience, vm: str) -> None:
    """Powers the machine on."""
    patience.while_busy(PowerServiceStub(channel).StartVm, StartVmRequest(vm=vm))


# [docs: end]


# [docs: task]
def _end_of_task(channel: grpc.Channel, patience: Patience, task: str, *, show: bool = False) -> task_pb2.TaskInfo:
    tasks = TaskServiceStub(channel)

    def ask() -> task_pb2.TaskInfo | None:
        info = tasks.GetTask(task_pb2.GetTaskRequest(task=task)).task
        if show and info.HasField("progress"):
            print(f"  {info.progress.completed} of {info.progress.total}")
        return info if info.status in _ENDED else None

    return patience.until("the task", ask)


# [docs: end]


def _abandon(channel: grpc.Channel, patience: Patience, task: str) -> None:
    """Cancels the task, and removes the machine if it was too late for that."""
    cancel = task_pb2.CancelTaskRequest(task=task)
    with removing(f"the task {task}"):
        with accepting(ErrorType.NOT_ALLOWED_IN_CURRENT_STATE, ErrorType.UNSUPPORTED):
            patience.insist(TaskServiceStub(channel).CancelTask, cancel)
        info = _end_of_task(channel, patience, task)
    if info.status == task_pb2.TASK_STATUS_SUCCEEDED:
        _remove(channel, patience, info.result.string_value)


def _remove_lost_clone(channel: grpc.Channel, patience: Patience, spec: VmCloneSpec) -> None:
    """Finds out whether vCenter has begun a clone whose task it could not tell, and removes what comes of it."""
    wanted = task_pb2.TaskFilterSpec(services=["com.vmware.vcenter.VM"], operations=["clone$task"])
    tasks = TaskServiceStub(channel).ListTasks(task_pb2.ListTasksRequest(filter_spec=wanted)).tasks
    for task in tasks:
        info = _end_of_task(channel, patience, task)
        if info.status == task_pb2.TASK_STATUS_SUCCEEDED:
            ours = ListVmsRequest(vms=[info.result.string_value], names=[spec.name], folders=[spec.placement.folder])
            for machine in VmServiceStub(channel).ListVms(ours).vms:
                _remove(channel, patience, machine.vm)


def _remove(channel: grpc.Channel, patience: Patience, vm: str) -> None:
    """Powers a machine off and deletes it with its disks."""
    with removing(f"the machine {vm}", ErrorType.ALREADY_IN_DESIRED_STATE, ErrorType.NOT_FOUND):
        patience.insist(PowerServiceStub(channel).StopVm, StopVmRequest(vm=vm))
    with removing(f"the machine {vm}", ErrorType.NOT_FOUND):
        patience.insist(VmServiceStub(channel).DeleteVm, DeleteVmRequest(vm=vm))
    print(f"removed {vm}")
