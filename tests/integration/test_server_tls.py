"""TLS towards the callers: certificates, client certificates, and their renewal under load."""

from __future__ import annotations

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.calls import Basic
from gateway.server.tls import ServerTls
from gateway.settings import Settings
from gateway.simulator import Simulator
from tests.integration.certificates import Authority, Pair
from tests.integration.harness import READ, READ_REQUEST, Client, Failure, running_guarded_gateway

SPIFFE = "spiffe://example.org/ns/build/sa/ci"


class Files:
    """The gateway's certificate, key and authority of clients, as files that can be renewed."""

    def __init__(self, folder: Path, pair: Pair, clients: Authority | None = None) -> None:
        self.certificate, self.key, self.clients = folder / "tls.crt", folder / "tls.key", folder / "ca.crt"
        self.renew(pair)
        if clients is not None:
            self.clients.write_bytes(clients.certificate)

    def renew(self, pair: Pair) -> None:
        for path, content in ((self.certificate, pair.certificate), (self.key, pair.key)):
            new = path.with_suffix(".new")
            new.write_bytes(content)
            new.replace(path)

    def settings(self, **auth: Any) -> Settings:
        tls = {"cert_file": str(self.certificate), "key_file": str(self.key)}
        if self.clients.exists():
            tls["client_ca_file"] = str(self.clients)
        return Settings.model_validate({"simulator": {"enabled": True}, "tls": tls, "auth": auth})


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server_pair(authority: Authority) -> Pair:
    return authority.issue("gateway", names=["localhost", "127.0.0.1"])


@asynccontextmanager
async def connected(settings: Settings, credentials: grpc.ChannelCredentials | None) -> AsyncIterator[Client]:
    async with Simulator() as simulator:
        account = Basic(simulator.user, simulator.password)
        async with running_guarded_gateway(settings, simulator.url, account, credentials) as client:
            yield client


async def refusal(call: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await call
    return caught.value


async def test_trusted(tmp_path: Path, authority: Authority, server_pair: Pair) -> None:
    """A client that trusts the authority is served."""
    credentials = grpc.ssl_channel_credentials(authority.certificate)
    async with connected(Files(tmp_path, server_pair).settings(), credentials) as client:
        assert await client.call(READ, READ_REQUEST)


@pytest.mark.parametrize("wrong", ["authority", "plain text"])
async def test_untrusted(tmp_path: Path, server_pair: Pair, wrong: str) -> None:
    """A client that trusts somebody else gets no connection, nor does one without TLS."""
    credentials = grpc.ssl_channel_credentials(Authority().certificate) if wrong == "authority" else None
    async with connected(Files(tmp_path, server_pair).settings(), credentials) as client:
        assert (await refusal(client.call(READ, READ_REQUEST, timeout=5))).code == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
    ids=["1.1", "1.2", "1.3"],
)
async def test_versions(
    tmp_path: Path, authority: Authority, server_pair: Pair, version: ssl.TLSVersion, accepted: bool
) -> None:
    """TLS 1.2 is the least."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That 1.1 is old is the point.
        context.minimum_version = context.maximum_version = version
    async with connected(Files(tmp_path, server_pair).settings(), None) as client:
        host, port = client.address.split(":")
        try:
            _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        except (ssl.SSLError, ConnectionError):
            assert not accepted
        else:
            assert accepted
            assert writer.get_extra_info("ssl_object").version() == f"TLSv1.{2 if '1_2' in version.name else 3}"
            writer.close()


@pytest.mark.parametrize(
    ("issue", "code"),
    [
        pytest.param({"uris": [SPIFFE]}, "OK", id="listed-uri"),
        pytest.param({"names": ["build.example.org"]}, "OK", id="listed-name"),
        pytest.param({"uris": ["spiffe://example.org/ns/other/sa/ci"]}, "UNAUTHENTICATED", id="unlisted"),
        pytest.param(None, "UNAVAILABLE", id="no-certificate"),
    ],
)
async def test_client_certificates(
    tmp_path: Path, authority: Authority, server_pair: Pair, issue: Any, code: str
) -> None:
    """Callers on the list are served with the service account; others are refused, and those without a certificate
    get no connection."""
    clients = Authority("Client CA")
    pair = clients.issue("client", **issue) if issue else None
    credentials = grpc.ssl_channel_credentials(
        authority.certificate, pair.key if pair else None, pair.certificate if pair else None
    )
    settings = Files(tmp_path, server_pair, clients).settings(
        mode="service-account", certificates="spiffe://example.org/ns/build/*, build.example.org"
    )
    async with connected(settings, credentials) as client:
        if code == "OK":
            assert await client.call(READ, READ_REQUEST, user=None)
        else:
            assert (await refusal(client.call(READ, READ_REQUEST, user=None, timeout=5))).code == code


ALLOWED = "spiffe://example.org/ns/build/*, ci, *.ops.example.org, email:*@ops.example.org"


@pytest.mark.parametrize(
    ("common_name", "issue", "identity"),
    [
        pytest.param("ci", {}, "cert:ci", id="common-name"),
        pytest.param("x", {"uris": [SPIFFE]}, f"cert:{SPIFFE}", id="uri"),
        pytest.param("x", {"names": ["a.ops.example.org"]}, "cert:a.ops.example.org", id="dns"),
        pytest.param("x", {"emails": ["a@ops.example.org"]}, "cert:a@ops.example.org", id="email"),
        pytest.param("ci\0.evil.example", {}, None, id="nul-in-the-common-name"),
        pytest.param("x", {"names": ["a.ops.example.org\0.evil.example"]}, None, id="nul-in-a-dns-name"),
        pytest.param("x", {"uris": [f"{SPIFFE}\0evil"]}, None, id="nul-in-a-uri"),
        pytest.param("x\nci", {}, None, id="line-break"),
        pytest.param("ci", {"names": ["innocent.example.com"]}, None, id="common-name-beside-a-dns-name"),
        pytest.param("x", {"emails": ["eve@x.ops.example.org"]}, None, id="email-as-a-dns-name"),
        pytest.param(SPIFFE, {}, None, id="common-name-that-spells-a-uri"),
        pytest.param("x", {"names": [SPIFFE]}, None, id="dns-name-that-spells-a-uri"),
    ],
)
async def test_names_in_client_certificates(
    tmp_path: Path, authority: Authority, server_pair: Pair, common_name: str, issue: Any, identity: str | None
) -> None:
    """Over a real connection, names of a certificate count as what they are, to their ends."""
    clients = Authority("Client CA")
    pair = clients.issue(common_name, **issue)
    credentials = grpc.ssl_channel_credentials(authority.certificate, pair.key, pair.certificate)
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: []")
    settings = Files(tmp_path, server_pair, clients).settings(
        mode="service-account", certificates=ALLOWED, policy_file=str(policy)
    )
    async with connected(settings, credentials) as client:
        failure = await refusal(client.call(READ, READ_REQUEST, user=None))
    if identity is None:
        assert failure.reason == "CALLER_REJECTED"
    else:
        assert f"does not allow {identity} to call" in failure.message  # Who it is, in the policy's words.


async def test_an_authority_is_withdrawn_during_a_renewal(
    tmp_path: Path, authority: Authority, server_pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """An authority of callers is withdrawn although the gateway's own certificate waits for its key."""
    clients = Authority("Client CA")
    pair = clients.issue("ci")
    credentials = grpc.ssl_channel_credentials(authority.certificate, pair.key, pair.certificate)
    files = Files(tmp_path, server_pair, clients)
    async with connected(files.settings(mode="service-account", certificates="ci"), credentials) as client:
        assert await client.call(READ, READ_REQUEST, user=None)
        files.certificate.write_bytes(authority.issue("gateway", names=["127.0.0.1"]).certificate)
        files.clients.write_bytes(Authority("New client CA").certificate)
        async with asyncio.timeout(20):
            # The two files are looked at one after the other.
            while await _gets_a_connection(client, credentials) or "do not match yet" not in caplog.text:
                pass


async def _gets_a_connection(client: Client, credentials: grpc.ChannelCredentials) -> bool:
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(client.address, credentials, options) as channel:
        try:
            return bool(await client.on(channel).call(READ, READ_REQUEST, user=None))
        except Failure as failure:
            return failure.code != "UNAVAILABLE"


async def test_foreign_client_certificate(tmp_path: Path, authority: Authority, server_pair: Pair) -> None:
    """A certificate of another authority gets no connection, whatever name it has."""
    pair = Authority().issue("client", uris=[SPIFFE])
    credentials = grpc.ssl_channel_credentials(authority.certificate, pair.key, pair.certificate)
    settings = Files(tmp_path, server_pair, Authority()).settings(mode="service-account", certificates=SPIFFE)
    async with connected(settings, credentials) as client:
        assert (await refusal(client.call(READ, READ_REQUEST, user=None, timeout=5))).code == "UNAVAILABLE"


async def test_renewal_under_load(tmp_path: Path, authority: Authority, server_pair: Pair) -> None:
    """Renewed certificates are used for new connections within seconds, and no call fails meanwhile."""
    files = Files(tmp_path, server_pair)
    credentials = grpc.ssl_channel_credentials(authority.certificate)
    async with connected(files.settings(), credentials) as client:
        stopping = asyncio.Event()
        answered = 0

        async def keep_calling() -> None:
            nonlocal answered
            while not stopping.is_set():
                # A channel of its own each time: each call makes a connection.
                options = (("grpc.use_local_subchannel_pool", 1),)
                async with grpc.aio.secure_channel(client.address, credentials, options) as channel:
                    await client.on(channel).call(READ, READ_REQUEST)
                answered += 1

        callers = [asyncio.create_task(keep_calling()) for _ in range(4)]
        shown = []
        for _ in range(2):
            shown.append(await asyncio.to_thread(ssl.get_server_certificate, _address(client)))
            files.renew(authority.issue("gateway", names=["localhost", "127.0.0.1"]))
            before = shown[-1]
            last = ""

            def is_new(before: str = before) -> bool:
                nonlocal last
                last = ssl.get_server_certificate(_address(client))
                return last != before

            async with asyncio.timeout(10):
                while not await asyncio.to_thread(is_new):
                    pass
        stopping.set()
        await asyncio.gather(*callers)
        assert len({*shown, last}) == 3
        assert answered > 20


def _address(client: Client) -> tuple[str, int]:
    host, port = client.address.split(":")
    return host, int(port)


async def test_half_renewed_files(tmp_path: Path, authority: Authority, server_pair: Pair) -> None:
    """While only one of the two files is new, or a file is broken, the old pair stays in use."""
    files = Files(tmp_path, server_pair)
    credentials = grpc.ssl_channel_credentials(authority.certificate)
    async with connected(files.settings(), credentials) as client:
        old = await asyncio.to_thread(ssl.get_server_certificate, _address(client))
        new = authority.issue("gateway", names=["127.0.0.1"])
        files.certificate.write_bytes(new.certificate)
        # The files are looked at once a second: long enough for them to be looked at.
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert await asyncio.to_thread(ssl.get_server_certificate, _address(client)) == old
        files.key.write_bytes(new.key)

        def shown() -> bool:
            return ssl.get_server_certificate(_address(client)) != old

        async with asyncio.timeout(10):
            while not await asyncio.to_thread(shown):
                pass


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        pytest.param(b"x", None, "contains no certificate", id="no-certificate"),
        pytest.param(None, b"x", "contains no private key", id="no-key"),
        pytest.param(None, Authority().issue("x").key, "does not match the certificate", id="other-key"),
    ],
)
def test_unusable_files(
    tmp_path: Path, server_pair: Pair, certificate: bytes | None, key: bytes | None, problem: str
) -> None:
    """Files that cannot be used stop the start."""
    files = Files(tmp_path, Pair(certificate or server_pair.certificate, key or server_pair.key))
    with pytest.raises(ValueError, match=problem):
        ServerTls(str(files.certificate), str(files.key))
