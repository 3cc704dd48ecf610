"""The gRPC server around the operations: health, limits, request ids, a burst of calls."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import grpc_testing
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.access import Admission, passthrough
from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.events import Events
from gateway.server import Gateway, ServerOptions
from gateway.server.arrival import Door
from gateway.server.calls import unary_handler
from gateway.simulator import SimulatorOptions
from gateway.vcenter import VCenterOptions
from gateway.vcenter.client import VCenter
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_REQUEST,
    Failure,
    System,
    failure,
    running_system,
)

CREDENTIALS = (("authorization", Basic(ADMINISTRATOR, PASSWORD).header),)
REQUEST_BYTES = 1024


def options(**more: Any) -> ServerOptions:
    return ServerOptions("127.0.0.1:0", **{"grace_seconds": 5.0, **more})


def raw(channel: Any, path: str) -> Any:
    """An rpc that takes and gives bytes."""
    return channel.unary_unary(path, request_serializer=None, response_deserializer=None)


@pytest.mark.parametrize("service", ["", *load_contract().services])
async def test_health(system: System, service: str) -> None:
    """The server as a whole and each of its services are healthy while it runs."""
    stub = health_pb2_grpc.HealthStub(system.client.channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_can_be_turned_off() -> None:
    """Without the health service its checks are answered like any unknown rpc, and all else works."""
    async with running_system(server=options(health=False)) as system:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(system.client.channel).Check(health_pb2.HealthCheckRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert await system.client.call(READ, READ_REQUEST)


async def test_health_of_an_unknown_service(system: System) -> None:
    """A service that the server does not have is not found."""
    stub = health_pb2_grpc.HealthStub(system.client.channel)
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await stub.Check(health_pb2.HealthCheckRequest(service="vcenter.v2.VmService"))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/vcenter.v1.VmService/PaintVm", id="rpc"),
        pytest.param("/vcenter.v2.VmService/ListVms", id="service"),
    ],
)
async def test_an_unknown_rpc(system: System, path: str) -> None:
    """What the contract does not have is UNIMPLEMENTED."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(system.client.channel, path)(b"", metadata=CREDENTIALS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_request_that_is_no_message(system: System) -> None:
    """Bytes that are no message of the rpc's type are the caller's mistake, and vCenter is not called."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(system.client.channel, f"/{READ}")(b"\xff\xff", metadata=CREDENTIALS)
    found = failure(caught.value, system.gateway.contract)
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert "vcenter.vm.v1.GetPowerRequest" in found.message
    assert len(system.simulator.record) == 0


@pytest.mark.parametrize(
    ("size", "code"),
    [(REQUEST_BYTES - 1, "NOT_FOUND"), (REQUEST_BYTES, "NOT_FOUND"), (REQUEST_BYTES + 1, "RESOURCE_EXHAUSTED")],
)
async def test_the_size_of_requests(size: int, code: str) -> None:
    """Requests up to the limit reach vCenter; larger ones are refused."""
    async with running_system(server=options(max_request_bytes=REQUEST_BYTES)) as system:
        request = {"vm": "v" * (size - 3)}  # Tag and length take three bytes.
        with pytest.raises(Failure) as caught:
            await system.client.call(READ, request)
        assert caught.value.code == code
        assert len(system.simulator.record.of(READ_ID)) == (code == "NOT_FOUND")


async def test_the_size_of_responses() -> None:
    """A response that is larger than the limit ends in a status that says so, for the caller as for the log."""
    async with running_system() as system:
        binding = system.gateway.bindings[READ]
        reply = await system.client.stub(binding)(binding.request_class(**READ_REQUEST), metadata=CREDENTIALS)
    size = reply.ByteSize()
    async with running_system(server=options(max_response_bytes=size)) as system:
        assert await system.client.call(READ, READ_REQUEST)
    async with running_system(server=options(max_response_bytes=size - 1)) as system:
        with pytest.raises(Failure) as caught:
            await system.client.call(READ, READ_REQUEST)
        assert (caught.value.code, caught.value.reason) == ("RESOURCE_EXHAUSTED", "VCENTER_RESPONSE_TOO_LARGE")
        assert [(call.code, call.reason) for call in system.calls] == [(caught.value.code, caught.value.reason)]


async def test_a_burst_while_vcenter_is_slow() -> None:
    """Two thousand calls at once over one connection are all answered, each by one call of vCenter's API."""
    async with running_system(SimulatorOptions(latency=0.2), max_concurrent_calls=250) as system:
        replies = await asyncio.gather(*(system.client.call(READ, READ_REQUEST, timeout=60) for _ in range(2000)))
        assert len(replies) == 2000
        assert {call.code for call in system.calls} == {"OK"}
        assert len(system.simulator.record.of(READ_ID)) == 2000


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        pytest.param("order-4711/step:3", True, id="usable"),
        pytest.param("x" * 128, True, id="longest"),
        pytest.param("x" * 129, False, id="too-long"),
        pytest.param("two words", False, id="space"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
    ],
)
@pytest.mark.parametrize("succeeds", [True, False], ids=["success", "failure"])
async def test_request_id(system: System, given: str | None, taken: bool, succeeds: bool) -> None:
    """The caller's request id, or a new one in place of an unusable one, is in everything that is about the call."""
    binding = system.gateway.bindings[READ]
    metadata = CREDENTIALS if given is None else (*CREDENTIALS, ("x-request-id", given))
    call = system.client.stub(binding)(binding.request_class(vm="vm-1001" if succeeds else "vm-0"), metadata=metadata)
    trailing = dict(await call.trailing_metadata())
    request_id = trailing["x-request-id"]
    assert (request_id == given) is taken
    assert taken or (len(request_id) == 32 and int(request_id, 16))
    assert [sent.request_id for sent in system.simulator.record.of(READ_ID)] == [request_id]
    assert [record.request_id for record in system.calls] == [request_id]
    if not succeeds:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert failure(caught.value, system.gateway.contract).request_id == request_id


async def test_what_is_observed(system: System) -> None:
    """Each call is reported when it ends, with its code, its reason and its duration."""
    await system.client.call(START, START_REQUEST)
    with pytest.raises(Failure):
        await system.client.call(START, START_REQUEST)
    assert [(call.rpc, call.code, call.reason) for call in system.calls] == [
        (START, "OK", ""),
        (START, "FAILED_PRECONDITION", "ALREADY_IN_DESIRED_STATE"),
    ]
    assert all(0 < call.seconds < 5 for call in system.calls)


@pytest.mark.parametrize(("rpc", "may_have_executed"), [(READ, False), (START, True)], ids=["read", "change"])
async def test_an_unforeseen_error(caplog: pytest.LogCaptureFixture, rpc: str, may_have_executed: bool) -> None:
    """A defect ends in INTERNAL with the request id and without its text, which may hold a secret; the log has both
    the id and the place. A change may have been executed: nobody knows where it broke."""

    def broken(metadata: Any, connection: Any, peer: str) -> Any:
        raise RuntimeError(secret)

    secret = "hunter2"
    gateway = Gateway(
        VCenterOptions("http://127.0.0.1:1"), Admission(broken), options=options(), contract=load_contract()
    )
    async with gateway, grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(channel, f"/{rpc}")(b"", metadata=(("x-request-id", "call-1"),))
    found = failure(caught.value, gateway.contract)
    assert (found.code, found.reason, found.request_id) == ("INTERNAL", "GATEWAY_BUG", "call-1")
    assert found.may_have_executed is may_have_executed
    assert secret not in repr((found, found.trailing)) + caplog.text
    assert "RuntimeError" in caplog.text
    assert "call-1" in caplog.text


async def test_a_used_port(system: System) -> None:
    """A second gateway on the same port fails to start, and the first goes on."""
    second = Gateway(
        VCenterOptions("http://127.0.0.1:1"), Admission(passthrough()), options=ServerOptions(system.address)
    )
    with pytest.raises(OSError, match=f"cannot listen on {system.address}"):
        await second.start()
    assert await system.client.call(READ, READ_REQUEST)


async def test_the_synchronous_client(system: System) -> None:
    """The same services serve grpc's synchronous clients, errors included."""
    binding = system.gateway.bindings[START]

    def call_twice() -> tuple[Any, Failure]:
        with grpc.insecure_channel(system.address) as channel:
            start = channel.unary_unary(
                f"/{START}", lambda message: message.SerializeToString(), binding.response_class.FromString
            )
            request = binding.request_class(**START_REQUEST)
            reply = start(request, metadata=CREDENTIALS, timeout=10)
            with pytest.raises(grpc.RpcError) as caught:
                start(request, metadata=CREDENTIALS, timeout=10)
            return reply, failure(caught.value, system.gateway.contract)

    reply, found = await asyncio.to_thread(call_twice)
    assert reply == binding.response_class()
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "ALREADY_IN_DESIRED_STATE")


@pytest.mark.parametrize(
    ("vm", "code", "details"),
    [("vm-1001", grpc.StatusCode.OK, ""), ("", grpc.StatusCode.INVALID_ARGUMENT, "vm is required")],
    ids=["success", "failure"],
)
async def test_the_handler_in_another_server(system: System, vm: str, code: grpc.StatusCode, details: str) -> None:
    """A handler needs nothing of its server but what every servicer's context offers: grpc_testing's will do, although
    that one forgets the trailing metadata of a call that is aborted."""
    contract = system.gateway.contract
    options = VCenterOptions(system.simulator.url)
    vcenter = VCenter(options, contract)
    binding = system.gateway.bindings[READ]
    handle = unary_handler(Door(Admission(passthrough()), options.seconds_for), binding, vcenter.call, Events(), 2**20)
    loop = asyncio.get_running_loop()

    class PowerService:
        """A synchronous servicer, as generated code expects it."""

        def GetPower(self, data: bytes, context: Any) -> bytes:  # noqa: N802 - the rpc's name
            context.peer = lambda: "ipv4:192.0.2.7:40312"  # Of all methods, grpc_testing lacks this one.
            call: Any = handle(data, context)
            response: bytes = asyncio.run_coroutine_threadsafe(call, loop).result(10)
            return response

    service = contract.pool.FindServiceByName("vcenter.vm.v1.PowerService")
    server = grpc_testing.server_from_dictionary({service: PowerService()}, grpc_testing.strict_real_time())
    request = binding.request_class(vm=vm).SerializeToString()
    call = server.invoke_unary_unary(
        service.methods_by_name["GetPower"], (*CREDENTIALS, ("x-request-id", "call-1")), request, 10
    )
    response, trailing, found_code, found_details = await asyncio.to_thread(call.termination)
    await vcenter.close()
    assert (found_code, found_details or "") == (code, details)
    assert dict(trailing).get("x-request-id") == ("call-1" if code is grpc.StatusCode.OK else None)
    assert bool(response) is (code is grpc.StatusCode.OK)
