"""Connections: identity, TLS, deadlines, retries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from vcenter.v1.vm_service_pb2 import GetVmRequest, GetVmResponse
from vcenter.v1.vm_service_pb2_grpc import VmServiceStub
from vcenter.vm.hardware.v1.cdrom_service_pb2 import CreateCdromRequest
from vcenter.vm.hardware.v1.cdrom_service_pb2_grpc import CdromServiceStub

from vcenter_gateway_client import Credentials, Tls, VCenterError, aio, connect

from .conftest import Call, FakeGateway

BASIC = Credentials.basic("user@vsphere.local", "pässword")
BASIC_METADATA = [("authorization", "Basic dXNlckB2c3BoZXJlLmxvY2FsOnDDpHNzd29yZA==")]
SESSION = Credentials.session("0123456789abcdef")
SESSION_METADATA = [("vmware-api-session-id", "0123456789abcdef")]
BEARER = Credentials.bearer("header.payload.signature")
BEARER_METADATA = [("authorization", "Bearer header.payload.signature")]
IDENTITIES = [(None, []), (BASIC, BASIC_METADATA), (SESSION, SESSION_METADATA), (BEARER, BEARER_METADATA)]
IDENTITY_NAMES = ["none", "basic", "session", "bearer"]


def get_vm(call: Call, target: str, **options: Any) -> Any:
    """Makes a call that only reads."""
    return call(target, VmServiceStub, "GetVm", GetVmRequest(vm="vm-1001"), **options)


def create_cdrom(call: Call, target: str, **options: Any) -> Any:
    """Makes a call that changes something."""
    return call(target, CdromServiceStub, "CreateCdrom", CreateCdromRequest(vm="vm-1001"), **options)


@pytest.mark.parametrize(("credentials", "expected"), IDENTITIES, ids=IDENTITY_NAMES)
def test_each_call_carries_the_identity_on_a_loopback_address(
    gateway: FakeGateway, call: Call, credentials: Credentials | None, expected: list[tuple[str, str]]
) -> None:
    """Plain text to this very machine takes credentials."""
    assert get_vm(call, gateway.target, credentials=credentials) == GetVmResponse()
    assert [received.identity for received in gateway.received] == [expected]


def test_a_token_from_a_function_is_asked_for_with_each_call(gateway: FakeGateway, tmp_path: Path) -> None:
    """So that it can be renewed; the line feed at the end of a file does not belong to it."""
    file = tmp_path / "token"
    with connect(gateway.target, credentials=Credentials.bearer(file.read_text)) as channel:
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            VmServiceStub(channel).GetVm(GetVmRequest())
    assert [received.identity for received in gateway.received] == [
        [("authorization", "Bearer first")],
        [("authorization", "Bearer second")],
    ]


def test_without_a_token_nothing_is_sent(gateway: FakeGateway, call: Call, tmp_path: Path) -> None:
    """The call fails like one that was refused, and what the function raised says why."""
    with pytest.raises(VCenterError) as caught:
        get_vm(call, gateway.target, credentials=Credentials.bearer((tmp_path / "token").read_text))
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "")
    assert "No such file" in error.message
    assert isinstance(error.__cause__, FileNotFoundError)
    assert gateway.received == []


def test_each_call_names_the_vcenter_of_the_channel(gateway: FakeGateway, call: Call) -> None:
    """It does so beside the identity, also if the call brings an identity of its own. The call's own vCenter wins."""
    for own, expected in ((), "east"), (tuple(SESSION_METADATA), "east"), ((("x-vcenter", "west"),), "west"):
        get_vm(call, gateway.target, credentials=BASIC, vcenter="east", metadata=own)
        received = gateway.received[-1]
        assert [value for key, value in received.metadata if key == "x-vcenter"] == [expected]
        assert received.identity == (SESSION_METADATA if own == tuple(SESSION_METADATA) else BASIC_METADATA)
    get_vm(call, gateway.target)
    assert "x-vcenter" not in dict(gateway.received[-1].metadata)


@pytest.mark.parametrize("name", ["", "east west", "east\n", "öst"])
def test_a_vcenter_that_cannot_be_sent_is_refused(gateway: FakeGateway, call: Call, name: str) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ValueError, match="the name of a vCenter"):
        get_vm(call, gateway.target, vcenter=name)
    assert gateway.received == []


@pytest.mark.parametrize("own", [BASIC_METADATA, SESSION_METADATA], ids=["basic", "session"])
def test_a_call_with_an_identity_of_its_own_sends_that_alone(
    gateway: FakeGateway, call: Call, own: list[tuple[str, str]]
) -> None:
    """So one channel serves many callers."""
    get_vm(call, gateway.target, credentials=BEARER, metadata=tuple(own))
    assert gateway.received[0].identity == own


def test_other_metadata_of_a_call_arrives_beside_the_identity(gateway: FakeGateway, call: Call) -> None:
    """What a call brings itself is not lost."""
    get_vm(call, gateway.target, credentials=BASIC, metadata=(("x-request-id", "1"),))
    assert gateway.received[0].identity == BASIC_METADATA
    assert ("x-request-id", "1") in gateway.received[0].metadata


@pytest.mark.parametrize("make", [connect, aio.connect], ids=["blocking", "aio"])
@pytest.mark.parametrize("credentials", [BASIC, SESSION, BEARER], ids=["basic", "session", "bearer"])
def test_credentials_are_refused_in_plain_text_to_another_machine(make: Any, credentials: Credentials) -> None:
    """Neither password nor session id goes over a network for all to read, and the refusal does not show them."""
    with pytest.raises(ValueError, match=r"^credentials are not sent to gateway.example.com:50051 in plain text"):
        make("gateway.example.com:50051", credentials=credentials)


def test_a_switch_sends_them_nevertheless() -> None:
    """For networks that encrypt on their own."""
    with connect("gateway.example.com:50051", credentials=BASIC, allow_plaintext_credentials=True) as channel:
        assert isinstance(channel, grpc.Channel)


def test_plain_text_without_credentials_goes_anywhere() -> None:
    """There is nothing to protect then."""
    with connect("gateway.example.com:50051") as channel:
        assert isinstance(channel, grpc.Channel)


def test_a_proxy_is_not_asked_for_a_loopback_address(
    gateway: FakeGateway, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment would see the credentials of what seems to be a local connection."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    get_vm(call, gateway.target, credentials=BASIC)
    assert gateway.received[0].identity == BASIC_METADATA


@pytest.mark.parametrize(
    ("options", "timeout", "least", "most"),
    [
        ({}, None, 55, 60),
        ({}, 7, 2, 7),
        ({}, 200, 190, 200),
        ({"default_timeout": 20}, None, 15, 20),
        ({"default_timeout": None}, None, 1e6, float("inf")),
    ],
    ids=["default", "own shorter", "own longer", "other default", "none"],
)
def test_a_call_without_a_deadline_gets_the_default(
    gateway: FakeGateway, call: Call, options: dict[str, Any], timeout: float | None, least: float, most: float
) -> None:
    """A call's own timeout wins, be it shorter or longer."""
    get_vm(call, gateway.target, timeout=timeout, **options)
    seconds_left = gateway.received[0].seconds_left
    # What travels is rounded up.
    assert least <= (float("inf") if seconds_left is None else seconds_left) <= most + 2


def test_a_read_is_repeated_while_the_gateway_is_unavailable(gateway: FakeGateway, call: Call) -> None:
    """The service config is in effect."""
    gateway.fail(grpc.StatusCode.UNAVAILABLE, times=2)
    assert get_vm(call, gateway.target) == GetVmResponse()
    assert len(gateway.received) == 3


@pytest.mark.parametrize(
    ("make_call", "code"),
    [(create_cdrom, grpc.StatusCode.UNAVAILABLE), (get_vm, grpc.StatusCode.ABORTED)],
    ids=["a write", "another code"],
)
def test_nothing_else_is_repeated(gateway: FakeGateway, call: Call, make_call: Any, code: grpc.StatusCode) -> None:
    """A call that changes something is sent once."""
    gateway.fail(code)
    with pytest.raises(VCenterError) as caught:
        make_call(call, gateway.target)
    assert caught.value.code is code
    assert len(gateway.received) == 1


def test_an_option_of_the_caller_wins(gateway: FakeGateway, call: Call) -> None:
    """Here: nothing is repeated."""
    gateway.fail(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(grpc.RpcError):
        get_vm(call, gateway.target, options=[("grpc.enable_retries", 0)])
    assert len(gateway.received) == 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that nobody else knows."""
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> Path:
    """Where ca.pem, client.pem and client.key are."""
    client = authority.issue_cert("client.example.com")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    for certificate in client.cert_chain_pems:
        certificate.write_to_path(tmp_path / "client.pem", append=True)
    return tmp_path


@pytest.fixture(params=[False, True], ids=["tls", "mtls"])
def secure_gateway(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[FakeGateway]:
    """A gateway with TLS, and one that asks for a certificate as well."""
    certificate = authority.issue_cert("localhost")
    pair = (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())
    fake = FakeGateway()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[fake])
    credentials = grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), request.param)
    fake.target = f"localhost:{server.add_secure_port('localhost:0', credentials)}"
    server.start()
    yield fake
    server.stop(None).wait()


@pytest.mark.parametrize(("credentials", "expected"), IDENTITIES, ids=IDENTITY_NAMES)
def test_tls_with_an_authority_of_ones_own(
    secure_gateway: FakeGateway,
    files: Path,
    call: Call,
    credentials: Credentials | None,
    expected: list[tuple[str, str]],
) -> None:
    """The gateway's certificate is checked against the file, and the client shows its own."""
    tls = Tls(ca_file=files / "ca.pem", certificate_file=files / "client.pem", key_file=str(files / "client.key"))
    get_vm(call, secure_gateway.target, tls=tls, credentials=credentials)
    assert [received.identity for received in secure_gateway.received] == [expected]


@pytest.mark.parametrize("secure_gateway", [False], indirect=True)
def test_tls_with_the_authorities_of_the_system(
    secure_gateway: FakeGateway, files: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system trusts is trusted, and $SSL_CERT_FILE says what that is."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.pem"))
    get_vm(call, secure_gateway.target, tls=Tls())
    assert len(secure_gateway.received) == 1


@pytest.mark.parametrize("secure_gateway", [False], indirect=True)
@pytest.mark.parametrize("server_name", [None, "localhost"], ids=["other name", "server_name"])
def test_the_name_in_the_certificate_is_checked(
    secure_gateway: FakeGateway, files: Path, call: Call, server_name: str | None
) -> None:
    """It is the target's, or the one that is given."""
    target = secure_gateway.target.replace("localhost", "ipv4:127.0.0.1")
    tls = Tls(ca_file=files / "ca.pem", server_name=server_name)
    if server_name:
        get_vm(call, target, tls=tls)
    else:
        with pytest.raises(grpc.RpcError):
            create_cdrom(call, target, tls=tls)


@pytest.mark.parametrize("secure_gateway", [True], indirect=True)
def test_a_gateway_that_asks_for_a_certificate_refuses_a_client_without(
    secure_gateway: FakeGateway, files: Path, call: Call
) -> None:
    """So the test with a certificate shows something."""
    with pytest.raises(grpc.RpcError):
        create_cdrom(call, secure_gateway.target, tls=Tls(ca_file=files / "ca.pem"))
    assert secure_gateway.received == []


def test_a_certificate_needs_its_key() -> None:
    """Half of the pair is a mistake."""
    with pytest.raises(ValueError, match="require each other"):
        Tls(certificate_file="client.pem")


def test_a_file_that_is_missing_is_named() -> None:
    """When connecting, not with the first call."""
    with pytest.raises(FileNotFoundError, match=re.escape("nowhere.pem")):
        connect("gateway.example.com:50051", tls=Tls(ca_file="nowhere.pem"))
