"""The messages of the protos, from the same compiled descriptors that the gateway uses."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

__all__ = ["CDROM_SERVICE", "GetCdromRequest", "GetCdromResponse"]

_DESCRIPTORS = Path(__file__).parents[3] / "gateway" / "contract" / "descriptors.binpb"
_PACKAGE = "vcenter.vm.hardware.v1"
CDROM_SERVICE = f"{_PACKAGE}.CdromService"


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _pool()
GetCdromRequest: type[Message] = message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f"{_PACKAGE}.GetCdromRequest")
)
GetCdromResponse: type[Message] = message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f"{_PACKAGE}.GetCdromResponse")
)
