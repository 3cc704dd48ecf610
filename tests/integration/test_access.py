"""Who is let in: callers who prove who they are, the policy, and the audit log, over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import stat
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway import files
from gateway.access import Admission, AuditFile, AuditLog, parse_policy, passthrough
from gateway.access import audit as audit_module
from gateway.admin.families import PREFIX
from gateway.admin.metrics import Metrics
from gateway.calls import Basic
from gateway.events import Events, FileChanged, combined
from gateway.server.guards import make_guards
from gateway.simulator import DEFAULT_USERS, Fault
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Failure,
    System,
    eventually,
    running_system,
)
from tests.integration.service_account import TOKEN, guarded, service_settings, write_password

LIST = "vcenter.v1.VmService/ListVms"
POLICY = b"""
rules:
  - {identities: [ci], rpcs: ["*/Get*", "*/StartVm"], machines: [vm-1001, vm-1002]}
  - {identities: [ci], rpcs: ["*/ListVms"], machines: [vm-1001, vm-1002]}
  - {identities: [ci], rpcs: ["*/ListVms"], resources: {Folder: [group-v1001], HostSystem: [host-1001]}}
  - {identities: [ci], rpcs: ["*/UpdatePolicy"], resources: {com.vmware.vcenter.StoragePolicy: ["policy-*"]}}
  - {identities: ["administrator@*"], rpcs: ["*"]}
"""
UPDATE_STORAGE = "vcenter.vm.storage.v1.PolicyService/UpdatePolicy"


async def as_ci(system: System, rpc: str, request: Any, token: str = TOKEN) -> Any:
    return await system.client.call(rpc, request, user=None, metadata=(("authorization", f"Bearer {token}"),))


async def refusal(call: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await call
    return caught.value


async def test_service_account(tmp_path: Path) -> None:
    """Whoever has a token is served with the service account's one session, which they never see."""
    async with guarded(service_settings(tmp_path)) as system:
        assert (await as_ci(system, LIST, {}))["vms"]
        assert await as_ci(system, START, START_REQUEST) == {}
        assert system.simulator.sessions.counts()["logins"] == 1


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param((), "CREDENTIALS_MISSING", id="nothing"),
        pytest.param((("authorization", "Bearer x"),), "CALLER_REJECTED", id="wrong-token"),
        pytest.param((("authorization", Basic(ADMINISTRATOR, PASSWORD).header),), "CREDENTIALS_MISSING", id="password"),
        pytest.param((("vmware-api-session-id", "0" * 32),), "CREDENTIALS_MISSING", id="session"),
    ],
)
async def test_strangers(tmp_path: Path, metadata: Any, reason: str) -> None:
    """A caller who cannot prove who they are is refused, and vCenter hears nothing of it."""
    async with guarded(service_settings(tmp_path)) as system:
        failure = await refusal(system.client.call(LIST, {}, user=None, metadata=metadata))
        assert (failure.code, failure.reason) == ("UNAUTHENTICATED", reason)
        assert len(system.simulator.record) == 0


async def test_password_file_that_changes(tmp_path: Path) -> None:
    """When vCenter's password was changed, the new one in the file is used at once, cool-down or not."""
    settings = service_settings(tmp_path)
    write_password(tmp_path, "wrong")
    guards = make_guards(settings)
    async with running_system(admission=guards.admission) as system:
        for _ in range(2):
            failure = await refusal(as_ci(system, READ, READ_REQUEST))
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "SERVICE_ACCOUNT_REJECTED")
            assert failure.trailing["grpc-retry-pushback-ms"] == "-1"
            assert failure.message.startswith("not your fault: the gateway's service account cannot log in")
        assert system.simulator.sessions.counts()["rejected_logins"] == 1
        write_password(tmp_path)

        # The file is looked at once a second.
        async with asyncio.timeout(10):
            await _served_sometime(system)
        assert system.simulator.sessions.counts()["rejected_logins"] == 1


async def _served_sometime(system: System) -> None:
    while True:
        try:
            await as_ci(system, READ, READ_REQUEST)
        except Failure:
            continue
        return


def home_policy(policy: str) -> Any:
    """A request whose body names a storage policy."""
    kind = "POLICY_VM_HOME_POLICY_TYPE_USE_SPECIFIED_POLICY"
    return {"vm": "vm-1001", "spec": {"vm_home": {"type": kind, "policy": policy}}}


def disk_policy(disk: str, policy: str) -> Any:
    """A request whose body has a disk as the key of a map, and a storage policy in its value."""
    kind = "POLICY_DISK_POLICY_TYPE_USE_SPECIFIED_POLICY"
    return {"vm": "vm-1001", "spec": {"disks": {disk: {"type": kind, "policy": policy}}}}


@pytest.mark.parametrize(
    ("rpc", "request_json", "denied"),
    [
        pytest.param(READ, {"vm": "vm-1001"}, None, id="allowed"),
        pytest.param(READ, {"vm": "vm-1003"}, " on VirtualMachine vm-1003", id="other-machine"),
        pytest.param(LIST, {}, " without naming a VirtualMachine", id="no-machine"),
        pytest.param(LIST, {"vms": ["vm-1001", "vm-1002"]}, None, id="list"),
        pytest.param(LIST, {"vms": ["vm-1001", "vm-1003"]}, " on VirtualMachine vm-1003", id="other-machine-in-a-list"),
        pytest.param(LIST, {"folders": ["group-v1001"], "hosts": ["host-1001"]}, None, id="other-types"),
        pytest.param(LIST, {"folders": ["group-v1001"]}, " without naming a VirtualMachine", id="one-of-two-types"),
        pytest.param(UPDATE_STORAGE, home_policy("policy-1"), None, id="body"),
        pytest.param(
            UPDATE_STORAGE, home_policy("x"), " on com.vmware.vcenter.StoragePolicy x", id="other-in-the-body"
        ),
        pytest.param(
            UPDATE_STORAGE, disk_policy("2000", "x"), " on com.vmware.vcenter.StoragePolicy x", id="other-in-a-map"
        ),
        pytest.param("vcenter.vm.v1.PowerService/StopVm", {"vm": "vm-1001"}, "", id="other-rpc"),
    ],
)
async def test_policy(tmp_path: Path, rpc: str, request_json: Any, denied: str | None) -> None:
    """The policy decides before vCenter is called, and names what it does not allow."""
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(POLICY)
    async with guarded(service_settings(tmp_path, policy_file=str(policy))) as system:
        if denied is None:
            with contextlib.suppress(Failure):  # The simulator may not have what is named.
                await as_ci(system, rpc, request_json)
            assert len(system.simulator.record) > 0
            return
        failure = await refusal(as_ci(system, rpc, request_json))
        assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "POLICY_DENIED")
        assert failure.message == f"the gateway's policy does not allow token:ci to call {rpc}{denied}"
        assert len(system.simulator.record) == 0


class _Changes(Events):
    """Keeps what became of files that changed."""

    def __init__(self) -> None:
        self.told: list[FileChanged] = []

    def file_changed(self, changed: FileChanged) -> None:
        asyncio.get_running_loop()  # Subscribers are told in the event loop, whichever thread has noticed.
        self.told.append(changed)


async def test_files_that_change(tmp_path: Path) -> None:
    """Each change of a file is told, with what is wrong where it cannot be used, until the gateway has stopped."""
    policy, registry, changes = tmp_path / "policy.yaml", CollectorRegistry(), _Changes()
    policy.write_bytes(POLICY)
    settings = service_settings(tmp_path, policy_file=str(policy))
    async with guarded(settings, events=combined(changes, Metrics(registry))):
        policy.write_bytes(b"rules: 5")
        await eventually(lambda: len(changes.told) == 1, "the refused content", 20)
        policy.write_bytes(b"rules: []")
        await eventually(lambda: len(changes.told) == 2, "the new content", 20)
    assert [(told.path, bool(told.problem)) for told in changes.told] == [(str(policy), True), (str(policy), False)]
    for result in ("refused", "used"):
        assert registry.get_sample_value(f"{PREFIX}file_changes_total", {"result": result}) == 1
    assert not files._listeners


@pytest.mark.parametrize(
    ("identities", "allowed"),
    [("ci", True), ("token:ci", True), ("token:*", True), ("jwt:ci", False), ("cert:*", False), ("vcenter:*", False)],
)
async def test_policy_of_a_kind(tmp_path: Path, identities: str, allowed: bool) -> None:
    """A policy may ask for identities that were proved in one way."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(json.dumps({"rules": [{"identities": [identities], "rpcs": ["*"]}]}))
    async with guarded(service_settings(tmp_path, policy_file=str(policy))) as system:
        if allowed:
            await as_ci(system, READ, READ_REQUEST)
            return
        failure = await refusal(as_ci(system, READ, READ_REQUEST))
        assert failure.reason == "POLICY_DENIED"
        assert "token:ci" in failure.message


async def test_the_last_token_is_revoked(tmp_path: Path) -> None:
    """An empty list of tokens is a list: nobody is let in any more."""
    async with guarded(service_settings(tmp_path)) as system:
        assert await as_ci(system, READ, READ_REQUEST)
        (tmp_path / "tokens.yaml").write_text("tokens: []")
        async with asyncio.timeout(10):
            while await _is_let_in(system):
                pass


async def _is_let_in(system: System) -> bool:
    try:
        return bool(await as_ci(system, READ, READ_REQUEST))
    except Failure as failure:
        return failure.reason != "CALLER_REJECTED"


async def test_policy_that_changes(tmp_path: Path) -> None:
    """A new policy decides within a second; one that cannot be read leaves the old one in force."""
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(POLICY)
    async with guarded(service_settings(tmp_path, policy_file=str(policy))) as system:
        assert await as_ci(system, READ, READ_REQUEST)
        policy.write_text("rules: []")
        async with asyncio.timeout(10):
            while await _is_allowed(system):
                pass
        policy.write_text("rules: [")
        end = asyncio.get_running_loop().time() + 1.5
        while asyncio.get_running_loop().time() < end:
            assert not await _is_allowed(system)


async def _is_allowed(system: System) -> bool:
    try:
        return bool(await as_ci(system, READ, READ_REQUEST))
    except Failure as failure:
        return failure.reason != "POLICY_DENIED"


async def test_policy_of_users() -> None:
    """Callers who bring a vCenter password are known to the policy by their user name, and vCenter checks that."""
    policy = parse_policy(POLICY)
    async with running_system(admission=Admission(passthrough(), lambda: policy)) as system:
        await system.client.call(LIST, {})
        failure = await refusal(system.client.call(LIST, {}, user="readonly@vsphere.local"))
        assert failure.reason == "POLICY_DENIED"
        failure = await refusal(system.client.call(LIST, {}, password="wrong"))
        assert failure.reason == "CREDENTIALS_REJECTED"
        assert failure.message.startswith("vCenter rejected the user name or the password")


async def test_audit(tmp_path: Path) -> None:
    """Each call that changes something has a line that says who did what to which machine; reads have none."""
    path = tmp_path / "audit.log"
    async with running_system(audit=AuditLog(AuditFile(str(path)).write)) as system:
        await system.client.call(READ, READ_REQUEST)
        await system.client.call(START, START_REQUEST, metadata=(("x-request-id", "call-1"),))
        await refusal(system.client.call(START, {"vm": "x" * 1000}, user="noaccess@vsphere.local"))
        await refusal(system.client.call(START, START_REQUEST, user=None))
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(entry["event"], entry["identity"], entry.get("code"), entry.get("reason")) for entry in entries] == [
        ("change_started", f"vcenter:{ADMINISTRATOR}", None, None),
        ("change_ended", f"vcenter:{ADMINISTRATOR}", "OK", ""),
        ("change_started", "vcenter:noaccess@vsphere.local", None, None),
        ("change_ended", "vcenter:noaccess@vsphere.local", "PERMISSION_DENIED", "UNAUTHORIZED"),
        ("change_refused", "", "UNAUTHENTICATED", "CREDENTIALS_MISSING"),
    ]
    started, ended = entries[:2]
    assert started["change_id"] == ended["change_id"]
    assert (ended["rpc"], ended["target"], ended["request_id"]) == (START, START_REQUEST, "call-1")
    assert ended["may_have_executed"] is False
    assert entries[2]["target"] == {"vm": f"{'x' * 200}… sha256:{hashlib.sha256(b'x' * 1000).hexdigest()[:16]}"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_change_whose_end_nobody_knows() -> None:
    """The record of a change says so where the caller left, or vCenter's answer was lost."""
    records: list[Mapping[str, object]] = []
    async with running_system(audit=AuditLog(records.append)) as system:
        system.simulator.faults.add(Fault.latency(5), operation=START_ID)
        failure = await refusal(system.client.call(START, START_REQUEST, timeout=0.5))
        assert failure.code == "DEADLINE_EXCEEDED"
        await eventually(lambda: len(records) == 2, "the record of the end")
    assert [(record["event"], record.get("may_have_executed")) for record in records] == [
        ("change_started", None),
        ("change_ended", True),
    ]


@pytest.mark.parametrize("must_record", [False, True])
async def test_audit_log_that_cannot_be_written(caplog: pytest.LogCaptureFixture, must_record: bool) -> None:
    """A full disk is reported once. It fails no call, unless changes must be recorded: then these are refused."""
    audit = AuditLog(AuditFile("/dev/full").write, must_record=must_record)
    async with running_system(audit=audit) as system:
        if must_record:
            failure = await refusal(system.client.call(START, START_REQUEST))
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "AUDIT_UNAVAILABLE")
            assert not system.simulator.record.of(START_ID)
        else:
            await system.client.call(START, START_REQUEST)
        await system.client.call(READ, READ_REQUEST)
    assert [record.getMessage() for record in caplog.records if "audit" in record.getMessage()] == [
        "the audit log /dev/full cannot be written: No space left on device"
    ]


@pytest.mark.parametrize("must_record", [False, True])
async def test_audit_log_on_a_disk_that_hangs(monkeypatch: pytest.MonkeyPatch, must_record: bool) -> None:
    """Reads go on. A change waits for its record for a moment, and then goes on or, where it must be recorded, fails;
    when the disk is back, all records are written."""
    monkeypatch.setattr(audit_module, "RECORD_SECONDS", 0.2)
    records: list[tuple[object, object]] = []
    hanging: list[Future[bool]] = []

    def write(fields: Mapping[str, object]) -> Future[bool]:
        records.append((fields["event"], fields.get("code")))
        hanging.append(Future())
        return hanging[-1]

    audit = AuditLog(write, must_record=must_record)
    async with running_system(audit=audit) as system:
        await system.client.call(READ, READ_REQUEST)
        if must_record:
            failure = await refusal(system.client.call(START, START_REQUEST))
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "AUDIT_UNAVAILABLE")
            assert "too long" in failure.message
        else:
            await system.client.call(START, START_REQUEST)
        assert len(system.simulator.record.of(START_ID)) == (0 if must_record else 1)
        # The first record may be written yet, so the second one is of the same change.
        assert records == [("change_started", None), ("change_ended", "UNAVAILABLE" if must_record else "OK")]
        hanging[0].set_result(True)
        hanging[1].set_result(False)
        assert audit.lost == 1

        monkeypatch.setattr(audit_module, "RECORD_SECONDS", 60)
        before = len(system.simulator.record.of(START_ID))
        calling = asyncio.ensure_future(system.client.call(START, START_REQUEST))
        await eventually(lambda: len(records) == 3, "the record of the start")
        assert len(system.simulator.record.of(START_ID)) == before, "it waits for the record"
        hanging[2].set_result(True)
        await asyncio.wait([calling])
        assert len(system.simulator.record.of(START_ID)) == before + 1
        assert (calling.exception() is None) is must_record, "the machine is on already where the first change was made"


async def test_no_password_reaches_the_audit_log() -> None:
    """Of a request only the identifiers of its path are told."""
    records: list[Mapping[str, object]] = []
    credentials = {"type": "CREDENTIALS_TYPE_USERNAME_PASSWORD", "user_name": "root", "password": "hunter2"}
    request = {"vm": "vm-1001", "credentials": {**credentials, "interactive_session": False}, "spec": {"path": "/x"}}
    async with running_system(audit=AuditLog(records.append)) as system:
        await refusal(system.client.call("vcenter.vm.guest.v1.ProcessesService/CreateProcess", request))
    assert [record["target"] for record in records] == [{"vm": "vm-1001"}] * 2
    assert "hunter2" not in repr(records)
    assert DEFAULT_USERS[0].password not in repr(records)
