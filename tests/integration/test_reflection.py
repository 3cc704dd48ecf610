"""Reflection: what tools such as grpcurl need to call the services without having the protos."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2

from gateway.contract import load_contract
from gateway.server import ServerOptions, reflection
from gateway.server.connections import EOF
from tests.integration.harness import READ, System, running_system

METHODS = load_contract().methods
OPTIONS = "google.protobuf.MethodOptions"


@pytest.fixture(params=["v1", "v1alpha"])
def version(request: pytest.FixtureRequest) -> str:
    """Older tools know v1alpha only, newer ones ask for v1 first."""
    return str(request.param)


async def ask(channel: grpc.aio.Channel, version: str, *requests: Any) -> list[Any]:
    """The answers to some questions on one stream."""
    rpc: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return [answer async for answer in rpc(iter(requests))]


def asking(**question: Any) -> Any:
    return reflection_pb2.ServerReflectionRequest(**question)


def files_of(answers: Iterable[Any]) -> dict[str, Any]:
    """The files in some answers, by name."""
    files = {}
    for answer in answers:
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            files[file.name] = file
    return files


async def all_files(system: System, version: str, symbol: str) -> dict[str, Any]:
    """The file with a symbol and all that it imports, as a tool collects them."""
    channel = system.client.channel
    files = files_of(await ask(channel, version, asking(file_containing_symbol=symbol)))
    while missing := {name for file in files.values() for name in file.dependency} - files.keys():
        found = files_of(await ask(channel, version, *(asking(file_by_filename=name) for name in sorted(missing))))
        assert missing <= found.keys()
        files |= found
    return files


async def test_services(system: System, version: str) -> None:
    """The list has every service of the contract, and those of gRPC itself."""
    (answer,) = await ask(system.client.channel, version, asking(list_services=""))
    names = {service.name for service in answer.list_services_response.service}
    assert names >= {*system.gateway.contract.services, "grpc.health.v1.Health"}


@pytest.mark.parametrize(
    "symbol",
    [
        "vcenter.vm.v1.PowerService",
        "vcenter.vm.v1.PowerService.GetPower",
        "vcenter.vm.v1.GetPowerRequest",
        "vapi.std.errors.v1.Error",
        "grpc.health.v1.Health",
        "google.rpc.ErrorInfo",
    ],
)
async def test_symbols(system: System, version: str, symbol: str) -> None:
    """The file of a service, an rpc, a message, and of what errors carry, can be found by its name."""
    (answer,) = await ask(system.client.channel, version, asking(file_containing_symbol=symbol))
    assert files_of([answer]), answer.error_response


async def test_an_unknown_symbol(system: System, version: str) -> None:
    """What is not there is said not to be, and the stream goes on."""
    answers = await ask(
        system.client.channel, version, asking(file_containing_symbol="vcenter.v9.Nothing"), asking(list_services="")
    )
    assert answers[0].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers[1].list_services_response.service


async def test_a_call_by_reflection_alone(system: System, version: str) -> None:
    """The files suffice to build the messages of an rpc, and their options to read its REST call."""
    files = await all_files(system, version, "vcenter.vm.v1.PowerService")
    pool = descriptor_pool.DescriptorPool()
    waiting = list(files.values())
    while waiting:
        ready = [file for file in waiting if not {other.name for other in waiting} & set(file.dependency)]
        assert ready, "the imports are circular"
        for file in ready:
            pool.AddSerializedFile(file.SerializeToString())
            waiting.remove(file)
    method = pool.FindServiceByName("vcenter.vm.v1.PowerService").methods_by_name["GetPower"]
    # The options of another pool are read by their bytes.
    options = descriptor_pb2.MethodOptions.FromString(method.GetOptions().SerializeToString())
    assert options.Extensions[annotations_pb2.http].get == METHODS[READ].rule.path
    request = message_factory.GetMessageClass(method.input_type)(vm="vm-1001")
    assert request.SerializeToString() == system.gateway.bindings[READ].request_class(vm="vm-1001").SerializeToString()


@pytest.mark.parametrize(
    ("extendee", "number", "file"),
    [
        pytest.param(OPTIONS, annotations_pb2.http.number, "google/api/annotations.proto", id="http"),
        pytest.param("google.protobuf.FieldOptions", 1052, "google/api/field_behavior.proto", id="field_behavior"),
    ],
)
async def test_extensions(system: System, version: str, extendee: str, number: int, file: str) -> None:
    """The file of an option is found by the option's number."""
    question = {"containing_type": extendee, "extension_number": number}
    answers = await ask(system.client.channel, version, asking(file_containing_extension=question))
    assert file in files_of(answers), answers


async def test_own_options(system: System, version: str) -> None:
    """The numbers of the gateway's own options are listed, and each leads to its file."""
    channel = system.client.channel
    (answer,) = await ask(channel, version, asking(all_extension_numbers_of_type=OPTIONS))
    numbers = answer.all_extension_numbers_response.extension_number
    questions = [{"containing_type": OPTIONS, "extension_number": number} for number in numbers]
    files = files_of(await ask(channel, version, *(asking(file_containing_extension=item) for item in questions)))
    assert {"google/api/annotations.proto", "vapi/v1/options.proto"} <= files.keys()


@pytest.mark.parametrize("request_bytes", [b"\xff\xff", b"\x22\x01\xff"], ids=["no-message", "no-utf-8"])
async def test_a_malformed_request(
    system: System, caplog: pytest.LogCaptureFixture, version: str, request_bytes: bytes
) -> None:
    """What is no request ends the stream with INVALID_ARGUMENT, and leaves nothing in the log."""
    rpc: Any = system.client.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [answer async for answer in rpc(iter([request_bytes]), timeout=10)]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records


@pytest.mark.parametrize(
    "question",
    [
        pytest.param({}, id="empty"),
        pytest.param({"file_by_filename": ""}, id="no-file"),
        pytest.param({"file_containing_symbol": "."}, id="dot"),
        pytest.param(
            {"file_containing_extension": {"containing_type": OPTIONS, "extension_number": -1}}, id="negative"
        ),
        pytest.param({"file_containing_extension": {"containing_type": "x", "extension_number": 1}}, id="no-type"),
        pytest.param({"all_extension_numbers_of_type": "x"}, id="no-type-of-extensions"),
    ],
)
async def test_questions_without_an_answer(
    system: System, caplog: pytest.LogCaptureFixture, version: str, question: dict[str, Any]
) -> None:
    """They are answered by an error, and the stream goes on."""
    answers = await ask(system.client.channel, version, asking(**question), asking(list_services=""))
    assert answers[0].error_response.error_code
    assert answers[1].list_services_response.service
    assert not caplog.records


@pytest.mark.parametrize("limit", ["MAX_STREAMS", "MAX_STREAMS_OF_A_CONNECTION"])
async def test_how_many_streams(monkeypatch: pytest.MonkeyPatch, version: str, limit: str) -> None:
    """Up to the limit all are answered; one more is refused until another one ends."""
    monkeypatch.setattr(reflection, limit, 2)
    async with running_system() as system:
        rpc: Any = system.client.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
        )
        streams = [rpc() for _ in range(2)]
        for stream in streams:
            await stream.write(asking(list_services=""))
            assert await stream.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(system.client.channel, version, asking(list_services=""))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await streams[0].done_writing()
        assert await streams[0].read() is EOF
        assert await ask(system.client.channel, version, asking(list_services=""))
        streams[1].cancel()


async def test_a_silent_stream(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A stream without questions ends after a while."""
    monkeypatch.setattr(reflection, "IDLE_SECONDS", 0.2)
    async with running_system() as system:
        rpc: Any = system.client.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        )
        assert await rpc(timeout=10).code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_reflection_can_be_turned_off(version: str) -> None:
    """Without it, nobody is told what there is."""
    async with running_system(server=ServerOptions("127.0.0.1:0", reflection=False)) as system:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(system.client.channel, version, asking(list_services=""))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
