"""Planted secrets: what callers send, and what vCenter returns, appears in no log, audit record, error or trace."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import grpc
import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf import json_format
from jwt.algorithms import ECAlgorithm

from gateway.calls import Basic
from gateway.contract import Rest, load_contract
from gateway.simulator import DEFAULT_USERS, Fault, ManualClock, Simulator, SimulatorOptions
from gateway.simulator.inventory import Inventory
from gateway.transcoding import compile_bindings
from tests.integration import cases
from tests.integration.certificates import Authority
from tests.integration.collector import Collector
from tests.integration.harness import READ, READ_REQUEST, START, START_ID, START_REQUEST, failure
from tests.integration.processes import Running, running

FAMILIES = [
    import_module(f"tests.integration.{path.stem}") for path in sorted(Path(cases.__file__).parent.glob("*_cases.py"))
]
CASES: list[cases.Success | cases.ErrorCase] = [
    case for family in FAMILIES for case in (*family.SUCCESSES, *family.ERRORS)
]
CONTRACT = load_contract()
BINDINGS = compile_bindings(CONTRACT)
GATEWAY = "vcenter.gateway.v1.GatewayService/GetGateway"

_SETTINGS = "vcenter.gateway.v1.VmSettingsService"

# With characters that encodings change.
VCENTER = "planted/vCenter+pass wörd?1"
WRONG_VCENTER = "planted/wrong+vCenter&2"
GUEST = "planted/guest+pass=3"
WRONG_GUEST = "planted/wrong+guest<4>"
PRODUCT_KEY = "PLANT-EDKEY-PLANT-EDKEY-PLANT"
TOKEN = "planted-token-0f8e4c5d7a9b41c2a3e6d8f7b5c4a392"
WRONG_TOKEN = "planted-wrong-token-77d1"
WRONG_SESSION = "planted-session-id-5b1f77e2"
MALFORMED = "planted_malformed!6"
EXTRA_CONFIG = "planted/extra+config=5"
STATE = "planted-state-of-a-trace-9c2e"
COLLECTOR_KEY = "planted-key-of-the-collector-31aa"
USER = cases.ADMINISTRATOR
ISSUER, AUDIENCE = "https://issuer.example", "gateway"
SESSION_HEADER = "vmware-api-session-id"
TRACE = (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("tracestate", f"a={STATE}"))


# The gateway's own rpcs whose requests and responses contain secrets.
OWN: Mapping[str, cases.Json] = {
    f"{_SETTINGS}/UpdateExtraConfig": {"vm": "vm-1001", "values": {"guestinfo.password": EXTRA_CONFIG}},
    f"{_SETTINGS}/GetExtraConfig": {"vm": "vm-1001"},
    f"{_SETTINGS}/SetCloudInit": {"vm": "vm-1001", "user_data": base64.b64encode(EXTRA_CONFIG.encode()).decode()},
}


def forms(secret: str) -> Iterator[bytes]:
    """A secret in plain form and in possible encodings: for URLs, in JSON, in hexadecimal, and in base64 at any
    offset."""
    data = secret.encode()
    yield data
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    yield data.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data)
        # Without the characters that depend on the neighboring bytes.
        inner = encoded[-(-offset * 8 // 6) : len(encoded) - 4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def found_in(data: bytes, secrets: Iterable[str]) -> list[tuple[str, bytes]]:
    """Every secret in the data, with its form."""
    return [(secret, form) for secret in secrets for form in forms(secret) if form in data]


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(GUEST.encode(), id="as-it-is"),
        pytest.param(quote(GUEST, safe="").encode(), id="url"),
        pytest.param(base64.b64encode(f"a:{GUEST}".encode()), id="base64-0"),
        pytest.param(base64.b64encode(f"ab:{GUEST}b".encode()), id="base64-1"),
        pytest.param(base64.urlsafe_b64encode(f"abc:{GUEST}bc".encode()), id="base64-2"),
        pytest.param(GUEST.encode().hex().encode(), id="hex"),
    ],
)
def test_the_search_finds_what_is_there(encoded: bytes) -> None:
    """Without this, the tests below would prove nothing."""
    assert found_in(b"..." + encoded + b"...", [GUEST])
    assert not found_in(b"..." + encoded[1:-1] + b"...", [WRONG_GUEST])


@dataclass
class Heard:
    """The errors of callers, and the secrets that they received."""

    errors: list[bytes] = field(default_factory=list)
    codes: dict[str, set[str]] = field(default_factory=dict)
    """By rpc."""
    tickets: set[str] = field(default_factory=set)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """The destination of traces."""
    with Collector() as collector:
        yield collector


class Planting:
    """Makes calls with planted secrets and records the text of all failures."""

    def __init__(self, channel: grpc.aio.Channel, heard: Heard) -> None:
        self._channel, self._heard = channel, heard

    async def call(self, rpc: str, request: Any, *metadata: tuple[str, str]) -> None:
        """Makes one call, whatever its outcome."""
        binding = BINDINGS[rpc]
        message = json_format.ParseDict(_planted(request), binding.request_class(), descriptor_pool=CONTRACT.pool)
        stub: Any = self._channel.unary_unary(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=binding.response_class.FromString,
        )
        codes = self._heard.codes.setdefault(rpc, set())
        try:
            response = await stub(message, metadata=(*metadata, *TRACE), timeout=20)
        except grpc.aio.AioRpcError as error:
            codes.add(error.code().name)
            taken_apart = failure(error, CONTRACT)
            told = (error.details(), error.debug_error_string(), taken_apart, taken_apart.details)
            self._heard.errors.append(repr(told).encode())
            trailing: Any = error.trailing_metadata() or ()
            for key, value in trailing:
                self._heard.errors += [key.encode(), value if isinstance(value, bytes) else str(value).encode()]
        else:
            codes.add("OK")
            if rpc.endswith("/CreateTicket"):
                self._heard.tickets.add(response.ticket.ticket)


def _planted(value: Any, name: str = "") -> Any:
    """A request of the cases, with planted secrets instead of its own."""
    if isinstance(value, dict):
        return {key: _planted(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_planted(inner, name) for inner in value]
    if name in ("password", "domain_password") and value:
        return WRONG_GUEST if value == "wrong" else GUEST
    return PRODUCT_KEY if name == "product_key" else value


@contextlib.asynccontextmanager
async def vcenter() -> AsyncIterator[Simulator]:
    """A simulated vCenter with HTTPS whose accounts have planted passwords."""
    users = tuple(replace(user, password=VCENTER) for user in DEFAULT_USERS)
    async with Simulator(SimulatorOptions(tls=True, users=users, clock=ManualClock())) as simulator:
        yield simulator


def begin_anew(simulator: Simulator) -> None:
    """Resets the machines after calls, and plants passwords in their guests, and at hosts."""
    options = simulator.options
    fresh = Inventory(options.vms, options.seed, options.clock(), timedelta(seconds=options.transition))
    vars(simulator.inventory).update(vars(fresh))
    fresh.places.host_password = GUEST
    for machine in fresh.machines.values():
        accounts = machine.guest.accounts
        accounts.update({name: replace(account, password=GUEST) for name, account in accounts.items()})


class Files:
    """The files of a gateway with TLS, and the destination of its traces."""

    def __init__(self, folder: Path, simulator: Simulator, collector: Collector) -> None:
        self.collector = collector
        self.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={COLLECTOR_KEY},{COLLECTOR_KEY}",  # The second one is not a header.
            "NO_PROXY": "127.0.0.1",
        }
        self.authority = Authority()
        pair = self.authority.issue("gateway", names=["127.0.0.1"])
        self.key = pair.key.decode()
        self.audit = folder / "audit.log"
        self._folder = folder
        self.arguments = [
            *("serve", "--listen", "127.0.0.1:0", "--log-level", "debug", "--vcenter", simulator.url),
            *("--vcenter-ca-file", self.write("ca.pem", simulator.certificate_pem or "")),
            *("--tls-cert-file", self.write("tls.crt", pair.certificate.decode())),
            *("--tls-key-file", self.write("tls.key", self.key)),
            *("--log-audit-file", str(self.audit), "--tracing"),
        ]

    def serving(self) -> contextlib.AbstractAsyncContextManager[Running]:
        """A process that serves with these files."""
        return running(self._folder, *self.arguments, variables=self.variables)

    def write(self, name: str, content: str) -> str:
        path = self._folder / name
        path.write_text(content, encoding="utf-8")
        return str(path)


@contextlib.asynccontextmanager
async def planting(process: Running, files: Files, heard: Heard) -> AsyncIterator[Planting]:
    """Calls to a process, over TLS."""
    address = (await process.wait_for(r"serves .* on (127\.0\.0\.1:\d+)\."))[1]
    credentials = grpc.ssl_channel_credentials(files.authority.certificate)
    async with grpc.aio.secure_channel(address, credentials) as channel:
        yield Planting(channel, heard)


def nothing_leaked(process: Running, files: Files, heard: Heard, simulator: Simulator, *more: str) -> None:
    """Asserts that no secret is in any output, the audit log, the traces, or what callers were told, and that the
    traces do not even say who called and about which machine."""
    sessions = {call.headers.get(SESSION_HEADER, "") for call in simulator.record} - {""}
    assert sessions
    key = [line for line in files.key.splitlines() if "-----" not in line]
    secrets = {VCENTER, WRONG_VCENTER, GUEST, WRONG_GUEST, PRODUCT_KEY, TOKEN, WRONG_TOKEN, WRONG_SESSION, MALFORMED}
    secrets |= {STATE, COLLECTOR_KEY}
    secrets |= {EXTRA_CONFIG, *sessions, *heard.tickets, *key, *more}
    audit = files.audit.read_bytes()
    assert len(process.stderr) > 1000
    assert len(audit) > 1000
    assert heard.errors
    traces = b"\n".join(files.collector.bodies)
    assert {span.kind for span in files.collector.spans} == {"SERVER", "CLIENT"}
    assert found_in(traces, {USER, USER.partition("@")[0]}) == []
    assert re.findall(rb"vm-\d+", traces) == []
    for name, data in (
        ("stdout", process.stdout.encode()),
        ("stderr", process.stderr.encode()),
        ("audit log", audit),
        ("errors", b"\n".join(heard.errors)),
        ("traces", traces),
    ):
        assert found_in(data, secrets) == [], name


async def broken_logins(simulator: Simulator, calls: Planting, *metadata: tuple[str, str]) -> None:
    """Calls whose login, or whose response, fails in every way."""
    for kind in ("reset_before", "reset_after", "cut_body"):
        simulator.sessions.expire_all()
        simulator.faults.add(Fault(kind), operation=None, times=2)
        await calls.call(START, START_REQUEST, *metadata)
        simulator.faults.clear()
    for fault in (
        Fault.unavailable(),
        Fault.error("INTERNAL_SERVER_ERROR"),
        Fault.error("UNAUTHENTICATED"),
        Fault.answer({"value": {"session": 1}}),
        Fault.answer(None),
        Fault.answer("two words"),
    ):
        simulator.faults.add(fault, operation=START_ID)
        await calls.call(START, START_REQUEST, *metadata)
        simulator.sessions.expire_all()
        simulator.faults.add(fault, times=3)
        await calls.call(START, START_REQUEST, *metadata)
        simulator.faults.clear()


async def test_callers_with_vcenter_identities(tmp_path: Path, collector: Collector) -> None:
    """Every case of every rpc, with passwords for vCenter and for guests, session ids, console tickets, customizations,
    and failed logins: none of their secrets appears anywhere, even in the most verbose log."""
    heard = Heard()
    async with vcenter() as simulator:
        files = Files(tmp_path, simulator, collector)
        good = ("authorization", Basic(USER, VCENTER).header)
        async with files.serving() as process, planting(process, files, heard) as calls:
            for case in CASES:
                begin_anew(simulator)
                if case.setup is not None:
                    case.setup(simulator)
                user = case.user if isinstance(case, cases.ErrorCase) else USER
                await calls.call(case.rpc, case.request, ("authorization", Basic(user, VCENTER).header))
                simulator.faults.clear()
            own = simulator.sessions.login(USER, VCENTER).identifier
            for identity in (
                (SESSION_HEADER, own),
                (SESSION_HEADER, WRONG_SESSION),
                (SESSION_HEADER, f"{WRONG_SESSION} {WRONG_SESSION}"),
                ("authorization", Basic(USER, WRONG_VCENTER).header),
                ("authorization", f"Basic {MALFORMED}"),
                ("authorization", MALFORMED),
                ("authorization", f"Bearer {WRONG_TOKEN}"),
            ):
                for rpc, request in ((READ, READ_REQUEST), (START, START_REQUEST), (GATEWAY, {})):
                    await calls.call(rpc, request, identity)
            begin_anew(simulator)
            for rpc, request in OWN.items():
                await calls.call(rpc, request, good)
            await broken_logins(simulator, calls, good)
            assert await process.end(signal.SIGTERM) == 0
        nothing_leaked(process, files, heard, simulator, own)
    mirrored = {name for name, binding in BINDINGS.items() if isinstance(binding.method.backing, Rest)}
    assert set(heard.codes) == {*mirrored, GATEWAY, *OWN}
    assert [rpc for rpc, codes in heard.codes.items() if "OK" not in codes] == []
    assert heard.tickets
    assert {"UNAUTHENTICATED", "UNAVAILABLE", "PERMISSION_DENIED", "INTERNAL"} <= set.union(*heard.codes.values())


def signed(key: Any, **claims: Any) -> str:
    """A JWT that is good unless the claims say otherwise."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "build", "exp": int(time.time()) + 600}
    return jwt.encode({**good, **claims}, key, algorithm="ES256", headers={"kid": "k"})


async def test_callers_of_a_service_account(tmp_path: Path, collector: Collector) -> None:
    """The service account's password, tokens and JWTs, accepted or not, appear nowhere either, nor does a password that
    vCenter no longer accepts."""
    heard, key = Heard(), ec.generate_private_key(ec.SECP256R1())
    jwts = [
        signed(key),
        signed(key, exp=1),
        signed(key, aud="other"),
        signed(key, sub=1),
        signed(ec.generate_private_key(ec.SECP256R1())),
    ]
    async with vcenter() as simulator:
        files = Files(tmp_path, simulator, collector)
        jwk = json.loads(ECAlgorithm.to_jwk(key.public_key()))
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        files.arguments += [
            *("--auth-mode", "service-account", "--auth-user", USER),
            *("--auth-password-file", files.write("password", VCENTER)),
            *("--auth-tokens-file", files.write("tokens.yaml", f"tokens: [{{identity: ci, sha256: '{digest}'}}]")),
            *("--auth-jwks-file", files.write("jwks.json", json.dumps({"keys": [{**jwk, "kid": "k"}]}))),
            *("--auth-jwt-issuer", ISSUER, "--auth-jwt-audience", AUDIENCE),
        ]
        bearers = [("authorization", f"Bearer {token}") for token in (TOKEN, WRONG_TOKEN, *jwts)]
        strangers = [(SESSION_HEADER, WRONG_SESSION), ("authorization", Basic(USER, WRONG_VCENTER).header)]
        async with files.serving() as process, planting(process, files, heard) as calls:
            for identity in (*bearers, *strangers):
                for rpc, request in ((READ, READ_REQUEST), (START, START_REQUEST), (START, {"vm": "vm-0"})):
                    await calls.call(rpc, request, identity)
            await broken_logins(simulator, calls, bearers[0])
            simulator.sessions.set_password(USER, WRONG_VCENTER)
            simulator.sessions.expire_all()
            await calls.call(START, START_REQUEST, bearers[0])
            # A private key instead of the tokens: the file is rejected, and the log says so without its content.
            secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
            files.write("tokens.yaml", secret)
            await _reported(process, calls, bearers[1])
            assert await process.end(signal.SIGTERM) == 0
        parts = [part for token in jwts for part in token.split(".")[1:]]
        lines = [line for line in secret.splitlines() if "-----" not in line]
        nothing_leaked(process, files, heard, simulator, *jwts, *parts, digest, *lines)
    assert heard.codes[START] >= {"OK", "UNAUTHENTICATED", "NOT_FOUND", "UNAVAILABLE"}


async def _reported(process: Running, calls: Planting, identity: tuple[str, str]) -> None:
    end = time.monotonic() + 20
    while "tokens.yaml changed but cannot be used" not in process.stderr:
        assert time.monotonic() < end
        await calls.call(READ, READ_REQUEST, identity)
