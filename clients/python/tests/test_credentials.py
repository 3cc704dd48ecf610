"""Credentials keep to themselves."""

from __future__ import annotations

import pprint
from typing import Any

import grpc
import pytest
from vcenter.v1.vm_service_pb2 import GetVmRequest
from vcenter.v1.vm_service_pb2_grpc import VmServiceStub

from vcenter_gateway_client import Credentials, VCenterError, aio, connect

from .conftest import Call, FakeGateway

SECRET = "s3cr3t-of-nobody"
SECRETS = (SECRET, "dXNlcjpzM2NyM3Qtb2Ytbm9ib2R5")
ALL = [Credentials.basic("user", SECRET), Credentials.session(SECRET), Credentials.bearer(SECRET)]
NAMES = ["basic", "session", "bearer"]


def assert_hidden(text: str) -> None:
    """Neither the secret nor its encoded form is in a text."""
    assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize("credentials", ALL, ids=NAMES)
@pytest.mark.parametrize("show", [repr, str, pprint.pformat, "{}".format, "{!r:>5}".format])
def test_credentials_do_not_print_what_is_secret(credentials: Credentials, show: Any) -> None:
    """However they are turned into text."""
    assert_hidden(show(credentials))
    assert_hidden(show([credentials]))


@pytest.mark.parametrize("credentials", ALL, ids=NAMES)
def test_a_channel_does_not_print_them(credentials: Credentials) -> None:
    """Nor the objects that it is made of."""
    with connect("127.0.0.1:1", credentials=credentials) as channel:
        assert_hidden(repr(channel) + pprint.pformat(vars(channel)))


@pytest.mark.parametrize("credentials", ALL, ids=NAMES)
def test_errors_do_not_print_them(gateway: FakeGateway, call: Call, credentials: Credentials) -> None:
    """Neither gRPC's own nor ours."""
    gateway.fail(grpc.StatusCode.UNAUTHENTICATED, "refused")
    with pytest.raises(VCenterError) as caught:
        call(gateway.target, VmServiceStub, "GetVm", GetVmRequest(), credentials=credentials)
    error = caught.value
    assert_hidden(f"{error!r} {error} {error.__cause__!r} {error.__cause__}")


@pytest.mark.parametrize("make", [connect, aio.connect], ids=["blocking", "aio"])
@pytest.mark.parametrize("credentials", ALL, ids=NAMES)
def test_the_refusal_does_not_print_them(make: Any, credentials: Credentials) -> None:
    """The error names the target alone."""
    with pytest.raises(ValueError, match="plain text") as caught:
        make("gateway.example.com:50051", credentials=credentials)
    assert_hidden(repr(caught.value))


@pytest.mark.parametrize("session_id", ["", f"{SECRET} ", f"{SECRET}\n", f"{SECRET}ä"])
def test_what_cannot_be_a_session_id_is_refused(session_id: str) -> None:
    """It has to go into a header field as it is, and the refusal does not print it."""
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        Credentials.session(session_id)
    assert_hidden(repr(caught.value))


@pytest.mark.parametrize("token", ["", " ", f"{SECRET} {SECRET}", f"{SECRET}\n{SECRET}", f"{SECRET}ä"])
def test_what_cannot_be_a_token_is_refused(gateway: FakeGateway, call: Call, token: str) -> None:
    """At once, or with the call when it comes from a function, and the refusal does not print it."""
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        Credentials.bearer(token)
    assert_hidden(repr(caught.value))
    with pytest.raises(grpc.RpcError, match="printable ASCII") as refused:
        call(gateway.target, VmServiceStub, "GetVm", GetVmRequest(), credentials=Credentials.bearer(lambda: token))
    assert_hidden(repr(refused.value))
    assert gateway.received == []


@pytest.mark.parametrize("user", ["", "a:b"])
def test_a_user_name_that_basic_cannot_express_is_refused(user: str) -> None:
    """All up to the first colon would be taken for the name."""
    with pytest.raises(ValueError, match="colon") as caught:
        Credentials.basic(user, SECRET)
    assert_hidden(repr(caught.value))


def test_credentials_are_values() -> None:
    """Two of the same identity are equal."""
    assert Credentials.basic("user", SECRET) == ALL[0] != Credentials.basic("user", "other")
