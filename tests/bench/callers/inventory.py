"""Reads name, place and state of all machines once, and prints the seconds: `inventory.py KIND HOST:PORT VCENTER`.

Kinds: `stream` reads with StreamVms, `get` with ListVms and GetVm of the gateway, 32 at a time; `pyvmomi` and `govc`
read the same 16 properties from vCenter. Each ends when the caller has all machines, and prints their number.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

_USER, _PASSWORD = "administrator@vsphere.local", "VMware1!"
_FIELDS = (
    "name,placement,power_state,connection_state,cpu_count,memory_size_mib,guest_host_name,addresses,tools,guest_state,"
    "hardware_version,bios_uuid,instance_uuid,template,annotation,guest_id"
)
_PATHS = (
    "name,parent,runtime.powerState,runtime.connectionState,config.hardware.numCPU,config.hardware.memoryMB,"
    "guest.hostName,guest.net,guest.toolsRunningStatus,guest.guestState,config.version,config.uuid,config.instanceUuid,"
    "config.template,config.annotation,config.guestId"
)
_AT_ONCE = 32
_GOVC = Path(__file__).parents[3] / "build" / "tools" / "bin" / "govc"
_PAGE = 250


class _Gateway:
    def __init__(self, address: str) -> None:
        from gateway.contract import load_contract
        from gateway.transcoding import compile_bindings

        self._bindings = compile_bindings(load_contract())
        self._channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        identity = "Basic " + b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
        self._metadata = (("authorization", identity),)

    def call(self, rpc: str, request: Any, *, is_stream: bool = False) -> Any:
        make: Any = self._channel.unary_stream if is_stream else self._channel.unary_unary
        method = make(f"/{rpc}", response_deserializer=self._bindings[rpc].response_class.FromString)
        return method(request.SerializeToString(), metadata=self._metadata, timeout=600)

    def new(self, rpc: str, **fields: Any) -> Any:
        return self._bindings[rpc].request_class(**fields)


def _stream(address: str) -> int:
    gateway, rpc = _Gateway(address), "vcenter.gateway.v1.InventoryService/StreamVms"
    request = gateway.new(rpc, page_size=1000)
    request.fields.paths.extend(_FIELDS.split(","))
    return sum(len(message.page.vms) for message in gateway.call(rpc, request, is_stream=True))


def _get(address: str) -> int:
    gateway = _Gateway(address)
    listing, getting, folders = (
        f"vcenter.v1.{name}" for name in ("VmService/ListVms", "VmService/GetVm", "FolderService/ListFolders")
    )
    found: set[str] = set()
    for folder in gateway.call(folders, gateway.new(folders, type="VIRTUAL_MACHINE")).folders:
        for power in ("POWERED_ON", "POWERED_OFF", "SUSPENDED"):
            request = gateway.new(listing, folders=[folder.folder], power_states=[power])
            found.update(vm.vm for vm in gateway.call(listing, request).vms)

    def get(vm: str) -> None:
        try:
            gateway.call(getting, gateway.new(getting, vm=vm))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:  # vCenter cannot read its files.
                raise

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(get, found))
    return len(found)


def _pyvmomi(address: str) -> int:
    from pyVim.connect import SmartConnect
    from pyVmomi import vim, vmodl

    host, _, port = address.rpartition(":")
    connect: Any = SmartConnect
    connected = connect(protocol="http", host=host, port=int(port), user=_USER, pwd=_PASSWORD, connectionPoolTimeout=-1)
    content = connected.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    collector = vmodl.query.PropertyCollector
    step = collector.TraversalSpec(name="view", path="view", skip=False, type=type(view))
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[step])],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=_PATHS.split(","))],
    )
    page = content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions(maxObjects=_PAGE))
    count = len(page.objects)
    while page.token:
        page = content.propertyCollector.ContinueRetrievePropertiesEx(page.token)
        count += len(page.objects)
    return count


def _govc(address: str) -> int:
    # As JSON, because its table takes longer.
    command = [str(_GOVC), "collect", "-json", "-type", "m", "/", *_PATHS.split(",")]
    environment = {
        **os.environ,
        "GOVC_URL": f"http://{address}/sdk",
        "GOVC_USERNAME": _USER,
        "GOVC_PASSWORD": _PASSWORD,
        "GOVC_PERSIST_SESSION": "false",
    }
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout.count(b'"changeSet"')


def _main(kind: str, gateway: str, vcenter: str) -> None:
    began = time.monotonic()
    if kind in {"stream", "get"}:
        count = {"stream": _stream, "get": _get}[kind](gateway)
    else:
        count = {"pyvmomi": _pyvmomi, "govc": _govc}[kind](vcenter)
    sys.stdout.write(f"{time.monotonic() - began} {count}\n")


_main(*sys.argv[1:4])
