"""What the gateway takes from an issuer that it asks for keys: bounded in size, in time and in place."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.access.fetched_keys import FetchedKeys
from gateway.access.issuer_client import IssuerClient, IssuerError, IssuerOptions
from gateway.access.jwks import MAX_KEYS
from gateway.settings import IssuerSettings
from tests.integration.certificates import Authority
from tests.integration.harness import eventually
from tests.integration.oidc_issuer import DISCOVERY, JWKS, OidcIssuer
from tests.integration.processes import run, running
from tests.integration.service_account import write_password
from tests.integration.test_serving import READY, SERVE

MAX_BYTES = 256 * 1024


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[OidcIssuer]:
    async with OidcIssuer(tmp_path / "issuer") as started:
        yield started


def options(issuer: OidcIssuer, **more: Any) -> IssuerOptions:
    settings = IssuerSettings.model_validate(
        {"issuer": issuer.url, "audience": "a", "discovery": True, "ca_file": str(issuer.ca_file)}
    )
    return replace(IssuerOptions.of(settings), **more)


async def problem(issuer: OidcIssuer, **more: Any) -> str:
    """Why the keys cannot be fetched."""
    with pytest.raises(IssuerError) as caught:
        await IssuerClient(options(issuer, **more)).fetch()
    return str(caught.value).replace(issuer.url, "ISSUER")


def answering(body: str | bytes, status: int = 200, **headers: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    content = body.encode() if isinstance(body, str) else body

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=content, status=status, headers=headers)

    return answer


@pytest.mark.parametrize("path", [DISCOVERY, JWKS], ids=["document", "keys"])
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(answering("", 500), "responds with HTTP 500", id="500"),
        pytest.param(answering("", 403), "responds with HTTP 403", id="403"),
        pytest.param(answering("", 204), "responds with HTTP 204", id="204"),
        pytest.param(
            answering("", 302, Location="/elsewhere"),
            "responds with HTTP 302, and redirects are not followed",
            id="302",
        ),
        pytest.param(answering("", 301, Location="http://127.0.0.1:1/"), "redirects are not followed", id="301"),
        pytest.param(answering("x" * (MAX_BYTES + 1)), "is larger than 262144 bytes", id="large"),
    ],
)
async def test_answers_that_are_none(
    issuer: OidcIssuer, path: str, answer: Callable[[web.Request], Awaitable[web.Response]], why: str
) -> None:
    """Only an answer with 200 counts, of a bounded size, from where it was asked for."""
    issuer.instead[path] = answer
    assert why in await problem(issuer)
    assert {asked for asked, _ in issuer.requests} <= {DISCOVERY, JWKS}


@pytest.mark.parametrize(
    "content", ["", "<html>", "[]", '"text"', "[" * 100_000, "\x00", "null"], ids=lambda content: repr(content[:6])
)
async def test_garbage(issuer: OidcIssuer, content: str) -> None:
    """What is no document and no JWKS is refused."""
    issuer.instead[JWKS] = answering(content)
    assert "expected a JWKS" in await problem(issuer)
    issuer.instead[DISCOVERY] = answering(content)
    assert "the discovery document is not a JSON object" in await problem(issuer)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        pytest.param(
            {"issuer": "https://other.example"}, "belongs to another issuer: 'https://other.example'", id="other"
        ),
        pytest.param({"issuer": None}, "belongs to another issuer: None", id="none"),
        pytest.param({"issuer": ["ISSUER"]}, "belongs to another issuer", id="list"),
        pytest.param({"jwks_uri": None}, "has no jwks_uri", id="no-address"),
        pytest.param({"jwks_uri": 5}, "has no jwks_uri", id="number"),
        pytest.param({"jwks_uri": "/keys"}, "it is not a URL", id="relative"),
        pytest.param({"jwks_uri": "http://issuer.example/keys"}, "over https only", id="plain"),
        pytest.param({"jwks_uri": "http://127.0.0.1:1/keys"}, "it is not https", id="plain-on-loopback"),
        pytest.param({"jwks_uri": "file:///etc/passwd"}, "it is not a URL", id="file"),
        pytest.param({"jwks_uri": "https://u:p@127.0.0.1/keys"}, "must not contain a user name", id="password"),
        pytest.param({"jwks_uri": "https://127.0.0.1/keys#x"}, "must not have a fragment", id="fragment"),
        pytest.param({"jwks_uri": "https://127.0.0.1:1/\r\nX: y"}, "it is not a URL", id="line-break"),
        pytest.param({"jwks_uri": "https://127.0.0.1:99999/"}, "it is not a URL", id="port"),
        pytest.param({"jwks_uri": "https://[::1/"}, "it is not a URL", id="bracket"),
    ],
)
async def test_documents_that_are_refused(issuer: OidcIssuer, document: dict[str, Any], why: str) -> None:
    """The document must be that of the configured issuer, and lead to keys over HTTPS."""
    issuer.document = document
    assert why in await problem(issuer)
    assert issuer.count() == 0


@pytest.mark.parametrize("end", ["/", "?x=1"])
async def test_the_issuer_in_the_document_is_compared_exactly(issuer: OidcIssuer, end: str) -> None:
    """Not even a slash may differ."""
    issuer.document = {"issuer": issuer.url + end}
    assert "belongs to another issuer" in await problem(issuer)


async def test_sizes(issuer: OidcIssuer) -> None:
    """As many bytes and keys as are allowed are taken, and not one more."""
    [entry] = issuer.published

    def sized(extra: int) -> bytes:
        content = json.dumps({"keys": [entry], "pad": ""})
        return content.replace('"pad": ""', f'"pad": "{"x" * (MAX_BYTES + extra - len(content))}"').encode()

    for extra, why in ((-1, ""), (0, ""), (1, "is larger than")):
        issuer.instead[JWKS] = answering(sized(extra))
        if why:
            assert why in await problem(issuer)
        else:
            assert set((await IssuerClient(options(issuer)).fetch()).keys) == {"first"}
    del issuer.instead[JWKS]
    for count, why in ((MAX_KEYS, ""), (MAX_KEYS + 1, f"has more than {MAX_KEYS} keys")):
        issuer.published = [{**entry, "kid": str(number)} for number in range(count)]
        if why:
            assert why in await problem(issuer)
        else:
            assert len((await IssuerClient(options(issuer)).fetch()).keys) == count


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
async def test_an_answer_that_drips(issuer: OidcIssuer, path: str) -> None:
    """However an issuer spreads its answer, everything together has its time and no more."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    issuer.instead[path] = drip
    assert await problem(issuer, timeout=0.5) == "no complete response within 0.5 seconds"


async def test_head_that_drips_and_no_http(tmp_path: Path, issuer: OidcIssuer) -> None:
    """The same of its head; and a server that speaks something else is none."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        with_room = 0
        while with_room < 100_000:
            writer.write(f"X-{with_room}: y\r\n".encode())
            with_room += 1
            await writer.drain()

    async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    for serve, found in ((endless, ("not HTTP", "within 1 seconds")), (no_http, ("not HTTP",))):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            why = await problem(issuer, discovery_url=f"http://127.0.0.1:{port}/", timeout=1.0)
            assert any(text in why for text in found), why


async def test_places_that_cannot_be_reached(tmp_path: Path, issuer: OidcIssuer) -> None:
    """Each reason is told apart, and none of them has a stack of technology in it."""
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("Another CA").certificate)
    assert await problem(issuer, ca_file=str(other)) == (
        "the certificate of 127.0.0.1 was rejected: unable to get local issuer certificate"
    )
    by_name = issuer.url.replace("127.0.0.1", "localhost")
    assert await problem(issuer, discovery_url=by_name + DISCOVERY) == (
        "the certificate of localhost was rejected: Hostname mismatch, certificate is not valid for 'localhost'."
    )
    unknown = await problem(issuer, discovery_url="https://issuer.invalid/")
    assert unknown == "the host name issuer.invalid cannot be resolved"
    plain = issuer.url.replace("https", "http")
    assert await problem(issuer, discovery_url=plain + DISCOVERY) != ""
    await issuer.stop()
    assert await problem(issuer) == "127.0.0.1 cannot be reached: Connection refused"


async def test_the_token_for_the_requests(tmp_path: Path, issuer: OidcIssuer) -> None:
    """It goes to the host of the document alone, and a renewed one is used."""
    token = tmp_path / "token"
    token.write_text("one\n")
    authority = Authority()
    async with OidcIssuer(tmp_path / "first", authority) as first, OidcIssuer(tmp_path / "second", authority) as second:
        client = IssuerClient(options(first, token_file=str(token)))
        await client.fetch()
        assert [headers.get("authorization") for _, headers in first.requests] == ["Bearer one"] * 2
        first.document = {"jwks_uri": second.url + JWKS}
        await client.fetch()
        assert [path for path, _ in second.requests] == [JWKS]
        assert "authorization" not in second.requests[0][1]

        token.write_text("two\n")
        sent: set[str | None] = set()

        async def renewed() -> bool:
            await client.fetch()
            sent.add(first.requests[-1][1].get("authorization"))
            return "Bearer two" in sent

        async with asyncio.timeout(20):
            while not await renewed():
                pass
    assert sent <= {"Bearer one", "Bearer two"}


async def test_through_a_proxy(tmp_path: Path, issuer: OidcIssuer) -> None:
    """A proxy makes a tunnel and reads nothing of what goes through it; one that refuses is told from the issuer."""
    token = tmp_path / "token"
    token.write_text("hunter2")
    heads: list[bytes] = []
    serving: set[asyncio.Task[None] | None] = set()
    answers = [b"HTTP/1.1 200 OK\r\n\r\n"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(answers[-1])
        if b" 200 " in answers[-1]:
            host, port = head.split()[1].decode().split(":")
            there, back = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_copied(reader, back), _copied(there, writer))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        proxy = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found = await IssuerClient(options(issuer, proxy=proxy, token_file=str(token))).fetch()
        assert set(found.keys) == {"first"}
        assert issuer.requests[-1][1]["authorization"] == "Bearer hunter2"
        answers.append(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        assert await problem(issuer, proxy=proxy) == "the proxy responds with HTTP 403"
        await asyncio.wait([task for task in serving if task], timeout=10)
    authority = issuer.url.removeprefix("https://").encode()
    assert {head.split(b"\r\n")[0] for head in heads} == {b"CONNECT " + authority + b" HTTP/1.1"}
    assert b"hunter2" not in b"".join(heads)


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a\nb", b"\xff", b"x" * 16385], ids=["empty", "blank", "two", "raw", "long"]
)
def test_no_token(tmp_path: Path, content: bytes) -> None:
    """A file without a token is a wrong setting, and its content is told to nobody."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it contains no bearer token") as caught:
        IssuerClient(IssuerOptions("i", "i", jwks_url="https://issuer.example/", token_file=str(path)))
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize("variables", [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}], ids=["none", "one"])
def test_kubernetes_outside_a_cluster(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """The preset for a pod says what is missing."""
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="is for a gateway in a pod"):
        IssuerOptions.of(IssuerSettings(kubernetes=True))


def test_kubernetes_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preset is what Kubernetes gives each pod; an address of IPv6 is put in brackets."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = IssuerOptions.of(IssuerSettings(kubernetes=True))
    assert (found.name, found.issuer) == ("kubernetes", None)
    assert found.discovery_url == "https://[fd00::1]:443/.well-known/openid-configuration"
    assert found.jwks_url == "https://[fd00::1]:443/openid/v1/jwks"
    assert found.ca_file == "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    assert found.token_file == "/var/run/secrets/kubernetes.io/serviceaccount/token"


async def test_delays(issuer: OidcIssuer) -> None:
    """After failures the issuer is asked again soon, then once a minute, however long it is away."""
    keys = FetchedKeys(IssuerClient(options(issuer)), 300)
    for failures, least, most in ((0, 270, 300), (1, 1, 2), (2, 2, 4), (6, 30, 60), (5000, 30, 60)):
        keys._failures = failures
        assert all(least <= keys._delay() <= most for _ in range(100))


def write_settings(tmp_path: Path, issuer: OidcIssuer, **more: Any) -> Path:
    """A configuration file of a gateway whose callers have tokens of the issuer."""
    entry = {"issuer": issuer.url, "audience": "a", "discovery": True, "ca_file": str(issuer.ca_file)}
    auth = {"mode": "service-account", "user": "a@b", "password_file": str(write_password(tmp_path))}
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"auth": {**auth, "jwt": {"issuers": [entry]}}, **more}))
    return path


async def test_workers(tmp_path: Path, issuer: OidcIssuer) -> None:
    """Each worker fetches the keys by itself, once."""
    path = write_settings(tmp_path, issuer, simulator={"enabled": True})
    async with running(tmp_path, *SERVE, "--config", str(path), "--workers", "2") as process:
        await process.wait_for(READY)
        await eventually(lambda: issuer.count() == 2, "both workers have keys")
        assert await process.end(signal.SIGTERM) == 0
    lines = [line for line in process.logs() if line["event"] == "the keys of an issuer of JWTs were fetched"]
    assert [(line["issuer"], line["keys"], line["key_ids"]) for line in lines] == [(issuer.url, 1, "'first'")] * 2


async def test_an_operator_sees_that_an_issuer_is_away(tmp_path: Path, issuer: OidcIssuer) -> None:
    """The status page says so, the log says why; SIGHUP fetches the keys when the issuer is back."""
    path = write_settings(tmp_path, issuer, simulator={"enabled": True}, admin={"listen": "127.0.0.1:0"})
    warning = "The keys of JWT issuers cannot be fetched"
    await issuer.stop()
    async with running(tmp_path, *SERVE, "--config", str(path)) as process, aiohttp.ClientSession() as session:
        address = (await process.wait_for(r"admin port (http://[0-9.:]+)"))[1]
        await process.wait_for(READY)
        assert warning in await (await session.get(address)).text()
        [line] = [line for line in process.logs() if "problem" in line]
        assert line["problem"] == "127.0.0.1 cannot be reached: Connection refused"
        await issuer.start()
        process.process.send_signal(signal.SIGHUP)
        await process.wait_for("the keys of an issuer of JWTs were fetched")
        assert warning not in await (await session.get(address)).text()
        assert await process.end(signal.SIGTERM) == 0


async def test_check(tmp_path: Path, issuer: OidcIssuer) -> None:
    """`check` asks each issuer, and goes on to vCenter whatever it says."""
    path = write_settings(tmp_path, issuer, vcenter={"url": "http://127.0.0.1:1"})
    good = await run("check", "--config", str(path))
    assert f"OK issuer {issuer.url} publishes 1 keys for signatures: 'first'" in good.words
    issuer.published = []
    empty = await run("check", "--config", str(path))
    assert f"WARNING issuer {issuer.url} publishes no key for signatures" in empty.words
    await issuer.stop()
    bad = await run("check", "--config", str(path), "--json")
    steps = {step["step"]: step for step in json.loads(bad.stdout)["steps"]}
    assert steps["issuer"]["state"] == "FAILED"
    assert steps["issuer"]["text"] == (
        f"the keys of {issuer.url} cannot be fetched: 127.0.0.1 cannot be reached: Connection refused"
    )
    assert steps["DNS"]["state"] == "OK"
    assert bad.code == 3
