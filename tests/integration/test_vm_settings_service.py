"""`VmSettingsService` against servers of the VIM API: what arrives at the machine, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.vcenter import VCenterOptions
from tests.integration.harness import Client, Failure, eventually, running_gateway
from tests.integration.live_gateway import LiveGateway, running_live_gateway
from tests.integration.raw_vcenter import Answer, http
from tests.integration.soap_vcenter import SoapVCenter, soap, soap_vcenter
from tests.integration.vim_servers import SERVERS, VimServer
from tests.soap import fault, response

SERVICE = "vcenter.gateway.v1.VmSettingsService"


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[VimServer]:
    """Each server in turn."""
    async with SERVERS[request.param]() as running:
        yield running


@pytest.fixture
async def live(server: VimServer) -> AsyncIterator[LiveGateway]:
    """A gateway in front of the server."""
    async with running_live_gateway(server) as running:
        yield running


@pytest.fixture(params=[name for name in SERVERS if name != "vcsim"])
async def exact(request: pytest.FixtureRequest) -> AsyncIterator[LiveGateway]:
    """The same in front of servers that are particular: vcsim takes any change version, and names all errors alike."""
    async with SERVERS[request.param]() as server, running_live_gateway(server) as running:
        yield running


async def settings(live: LiveGateway, rpc: str, **fields: Any) -> dict[str, Any]:
    return await live.call(f"VmSettingsService/{rpc}", {"vm": live.vm, **fields})


async def extra_config(live: LiveGateway, *keys: str) -> dict[str, str]:
    answer = await settings(live, "GetExtraConfig", keys=list(keys))
    values: dict[str, str] = answer.get("values", {})
    return values


async def test_a_new_name(live: LiveGateway) -> None:
    """A machine is renamed; the name arrives as it was given, signs that vCenter escapes included."""
    await settings(live, "RenameVm", name="web 50%/a")
    assert await live.read(live.vm, "name") in ("web 50%/a", "web 50%25%2fa")


async def test_a_name_that_another_machine_has(exact: LiveGateway) -> None:
    """The task's own error is the call's. A name is taken within a folder."""
    taken = await exact.read(exact.other_vm, "name")
    folder = (await exact.read(exact.other_vm, "parent")).value
    if folder != (await exact.read(exact.vm, "parent")).value:
        answer = await settings(exact, "MoveVm", folder=folder)
        assert (await exact.ended(answer["task"]))["state"] == "success"
    failure = await exact.failure("VmSettingsService/RenameVm", {"vm": exact.vm, "name": taken})
    assert (failure.code, failure.reason) == ("ALREADY_EXISTS", "ALREADY_EXISTS")
    assert failure.metadata["vi_fault"] == "DuplicateName"


async def test_notes(live: LiveGateway) -> None:
    """Notes arrive as they were written."""
    await settings(live, "UpdateAnnotation", annotation="first line\nsecond & last")
    assert await live.read(live.vm, "config.annotation") == "first line\nsecond & last"


async def test_notes_are_removed(exact: LiveGateway) -> None:
    """Empty notes remove those that there are."""
    for text in ("first", ""):
        await settings(exact, "UpdateAnnotation", annotation=text)
    assert not await exact.read(exact.vm, "config.annotation")


async def test_extra_configuration(live: LiveGateway) -> None:
    """Keys are set, read and removed; others stay as they are."""
    await settings(live, "UpdateExtraConfig", values={"guestinfo.role": "web", "guestinfo.zone": "a"})
    await settings(live, "UpdateExtraConfig", values={"guestinfo.zone": "b"}, removed_keys=["guestinfo.role"])
    assert await extra_config(live, "guestinfo.role", "guestinfo.zone") == {"guestinfo.zone": "b"}
    everything = await extra_config(live)
    assert everything["guestinfo.zone"] == "b"


@pytest.mark.parametrize("rpc", ["UpdateAnnotation", "UpdateExtraConfig", "SetCloudInit"])
async def test_a_lost_update(exact: LiveGateway, rpc: str) -> None:
    """A change that is meant for an older version of the configuration is refused, and changes nothing."""
    version = (await settings(exact, "GetExtraConfig"))["change_version"]
    changes = {
        "UpdateAnnotation": {"annotation": "late"},
        "UpdateExtraConfig": {"values": {"guestinfo.late": "1"}},
        "SetCloudInit": {"user_data": base64.b64encode(b"late").decode()},
    }
    await settings(exact, "UpdateAnnotation", annotation="first", change_version=version)
    request = {"vm": exact.vm, "change_version": version, **changes[rpc]}
    failure = await exact.failure(f"VmSettingsService/{rpc}", request)
    assert (failure.code, failure.reason) == ("ABORTED", "CONCURRENT_CHANGE")
    assert await exact.read(exact.vm, "config.annotation") == "first"


LARGE = b"#cloud-config\n" + b"x" * (32 * 1024 - 14)


@pytest.mark.parametrize(
    ("data", "more", "encoding"),
    [
        pytest.param(b"#cloud-config\n", {}, "base64", id="small"),
        pytest.param(LARGE, {}, "base64", id="at-the-limit"),
        pytest.param(LARGE + b"x", {}, "gzip+base64", id="above-the-limit"),
        pytest.param(b"#cloud-config\n", {"compress": True}, "gzip+base64", id="compressed"),
        pytest.param(LARGE + b"x", {"compress": False}, "base64", id="not-compressed"),
    ],
)
async def test_cloud_init(live: LiveGateway, data: bytes, more: Any, encoding: str) -> None:
    """Data for cloud-init is encoded as it expects it, with the encoding beside it."""
    await settings(live, "SetCloudInit", user_data=base64.b64encode(data).decode(), **more)
    values = await extra_config(live, "guestinfo.userdata", "guestinfo.userdata.encoding")
    found = base64.b64decode(values["guestinfo.userdata"])
    assert values["guestinfo.userdata.encoding"] == encoding
    assert (gzip.decompress(found) if encoding.startswith("gzip") else found) == data


async def test_cloud_init_is_removed(live: LiveGateway) -> None:
    """Empty data is removed; data that is not set stays."""
    text = base64.b64encode(b"instance-id: i-1").decode()
    await settings(live, "SetCloudInit", metadata=text, vendor_data=text)
    await settings(live, "SetCloudInit", vendor_data="")
    keys = [f"guestinfo.{name}{suffix}" for name in ("metadata", "vendordata") for suffix in ("", ".encoding")]
    assert await extra_config(live, *keys) == {"guestinfo.metadata": text, "guestinfo.metadata.encoding": "base64"}


async def test_custom_attributes(live: LiveGateway) -> None:
    """An attribute is defined, has values at machines, and takes them along when it goes."""
    made = (await live.call("VmSettingsService/CreateCustomAttribute", {"name": "owner"}))["attribute"]
    assert (made["name"], made["vms_only"]) == ("owner", True)
    listed = (await live.call("VmSettingsService/ListCustomAttributes"))["attributes"]
    assert made in listed
    await settings(live, "SetCustomAttributes", values={"owner": "team-a"})
    assert [value["value"] for value in await live.read(live.vm, "customValue")] == ["team-a"]
    await live.call("VmSettingsService/DeleteCustomAttribute", {"name": "owner"})
    assert made not in (await live.call("VmSettingsService/ListCustomAttributes")).get("attributes", [])


async def test_the_same_attribute_twice(live: LiveGateway) -> None:
    """An attribute has a name of its own."""
    await live.call("VmSettingsService/CreateCustomAttribute", {"name": "owner"})
    failure = await live.failure("VmSettingsService/CreateCustomAttribute", {"name": "owner"})
    assert (failure.code, failure.reason) == ("ALREADY_EXISTS", "ALREADY_EXISTS")


@pytest.mark.parametrize("rpc", ["SetCustomAttributes", "DeleteCustomAttribute"])
async def test_an_unknown_attribute(live: LiveGateway, rpc: str) -> None:
    """An attribute that is not defined is not found; nothing is set before that is known."""
    await live.call("VmSettingsService/CreateCustomAttribute", {"name": "owner"})
    request = {"name": "nobody"} if "Delete" in rpc else {"vm": live.vm, "values": {"owner": "a", "nobody": "b"}}
    failure = await live.failure(f"VmSettingsService/{rpc}", request)
    assert (failure.code, failure.reason) == ("NOT_FOUND", "NOT_FOUND")
    assert not await live.read(live.vm, "customValue")


async def test_a_template_and_back(live: LiveGateway) -> None:
    """A machine that is off becomes a template, and a machine again in a resource pool."""
    pool = (await live.read(live.vm, "resourcePool")).value
    failure = await live.failure("VmSettingsService/MarkAsTemplate", {"vm": live.vm})
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "NOT_ALLOWED_IN_CURRENT_STATE")
    client = live.inventory.client
    await live.ended((await client.call(live.inventory.machines[0], "PowerOffVM_Task")).value)
    await settings(live, "MarkAsTemplate")
    assert await live.read(live.vm, "config.template") is True
    await settings(live, "MarkAsVirtualMachine", resource_pool=pool)
    assert await live.read(live.vm, "config.template") is False


async def test_another_folder(live: LiveGateway) -> None:
    """A machine moves into a folder, by a task."""
    parent = await live.read(live.vm, "parent")
    folder = await live.inventory.client.call(parent, "CreateFolder", {"name": "inner"})
    answer = await settings(live, "MoveVm", folder=folder.value)
    assert (await live.ended(answer["task"]))["state"] == "success"
    assert await live.read(live.vm, "parent") == folder


async def test_boot_options(exact: LiveGateway) -> None:
    """Secure boot is switched on and off, while the machine is off and has EFI firmware."""
    failure = await exact.failure("VmSettingsService/UpdateBootOptions", {"vm": exact.vm, "secure_boot": True})
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "NOT_ALLOWED_IN_CURRENT_STATE")
    await exact.ended((await exact.inventory.client.call(exact.inventory.machines[0], "PowerOffVM_Task")).value)
    failure = await exact.failure("VmSettingsService/UpdateBootOptions", {"vm": exact.vm, "secure_boot": True})
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "INVALID_ELEMENT_CONFIGURATION")
    account = exact.server.account
    firmware = {"vm": exact.vm, "spec": {"type": "BOOT_TYPE_EFI"}}
    rpc = "vcenter.vm.hardware.v1.BootService/UpdateBoot"
    await exact.client.call(rpc, firmware, user=account.user, password=account.password)
    for wanted in (True, False):
        await settings(exact, "UpdateBootOptions", secure_boot=wanted)
        assert (await exact.read(exact.vm, "config.bootOptions"))["efiSecureBootEnabled"] is wanted
        answer = await settings(exact, "GetBootOptions")
        assert (answer["secure_boot"], answer["change_version"]) == (wanted, (await version(exact)))


async def version(live: LiveGateway) -> Any:
    return await live.read(live.vm, "config.changeVersion")


@pytest.mark.parametrize(
    ("rpc", "fields", "field"),
    [
        pytest.param("RenameVm", {}, "name", id="no-name"),
        pytest.param("RenameVm", {"name": "n" * 81}, "name", id="long-name"),
        pytest.param("UpdateExtraConfig", {}, "values", id="nothing-to-change"),
        pytest.param("UpdateExtraConfig", {"values": {"": "x"}}, "values", id="empty-key"),
        pytest.param("UpdateExtraConfig", {"removed_keys": [""]}, "removed_keys", id="empty-removed-key"),
        pytest.param("UpdateExtraConfig", {"values": {"a\nb": "x"}}, "values", id="line-in-key"),
        pytest.param(
            "UpdateExtraConfig", {"values": {"a": "1"}, "removed_keys": ["a"]}, "removed_keys", id="set-and-removed"
        ),
        pytest.param("SetCloudInit", {"compress": True}, "user_data", id="no-data"),
        pytest.param("SetCustomAttributes", {}, "values", id="no-values"),
        pytest.param("MarkAsVirtualMachine", {}, "resource_pool", id="no-pool"),
        pytest.param("UpdateBootOptions", {}, "secure_boot", id="no-option"),
        pytest.param("MoveVm", {}, "folder", id="no-folder"),
        pytest.param("AnswerQuestion", {}, "choice", id="no-answer"),
    ],
)
async def test_mistakes(live: LiveGateway, rpc: str, fields: Any, field: str) -> None:
    """What is wrong in a request is said of the field."""
    failure = await live.failure(f"VmSettingsService/{rpc}", {"vm": live.vm, **fields})
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


@pytest.mark.parametrize(
    ("rpc", "fields"),
    [
        ("RenameVm", {"name": "n"}),
        ("GetExtraConfig", {}),
        ("MarkAsTemplate", {}),
        ("AnswerQuestion", {"choice": "1"}),
    ],
)
async def test_no_such_machine(live: LiveGateway, rpc: str, fields: Any) -> None:
    """A machine that does not exist is not found."""
    failure = await live.failure(f"VmSettingsService/{rpc}", {"vm": "vm-99999", **fields})
    assert (failure.code, failure.reason) == ("NOT_FOUND", "NOT_FOUND")


# What no simulator has: a vCenter of which the test writes each answer.

QUESTION = (
    "<objects><obj type='VirtualMachine'>vm-1</obj><propSet><name>runtime.question</name>"
    "<val xsi:type='VirtualMachineQuestionInfo'><id>7</id><text>Copied or moved?</text><choice>"
    "<choiceInfo xsi:type='ElementDescription'><label>I moved it</label><summary>m</summary><key>1</key></choiceInfo>"
    "<choiceInfo xsi:type='ElementDescription'><label>I copied it</label><summary>c</summary><key>2</key></choiceInfo>"
    "<defaultIndex>1</defaultIndex></choice></val></propSet></objects>"
)


def properties(*found: str) -> Answer:
    """The answer to a read of properties; None of them where nothing is pending."""
    return soap(response("RetrievePropertiesEx", *found))


def value(kind: str, identifier: str, **properties_: str) -> str:
    """Properties of an object, as they stand in the answer to a read."""
    sets = "".join(
        f"<propSet><name>{name.replace('__', '.')}</name>{text}</propSet>" for name, text in properties_.items()
    )
    return f"<objects><obj type='{kind}'>{identifier}</obj>{sets}</objects>"


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[SoapVCenter, Client]]:
    """A gateway in front of a vCenter whose answers the test writes."""
    async with soap_vcenter() as vcenter, running_gateway(VCenterOptions(vcenter.url)) as client:
        yield vcenter, client


async def test_a_question_is_answered() -> None:
    """The pending question is answered with one of its choices, and told."""
    async with scripted() as (vcenter, client):
        vcenter.answer("RetrievePropertiesEx", properties(QUESTION))
        vcenter.answer("AnswerVM", soap(response("AnswerVM")))
        answer = await client.call(f"{SERVICE}/AnswerQuestion", {"vm": "vm-1", "choice": "2"})
        [said] = vcenter.only("AnswerVM")
    assert answer["question"] == {
        "id": "7",
        "text": "Copied or moved?",
        "choices": [{"key": "1", "label": "I moved it"}, {"key": "2", "label": "I copied it"}],
        "default_choice": "2",
    }
    assert b"<questionId>7</questionId><answerChoice>2</answerChoice>" in said.body


@pytest.mark.parametrize(
    ("found", "request_", "code"),
    [
        pytest.param(QUESTION, {"choice": "3"}, "INVALID_ARGUMENT", id="no-such-answer"),
        pytest.param(QUESTION, {"choice": "1", "question": "6"}, "NOT_FOUND", id="another-question"),
        pytest.param(
            "<objects><obj type='VirtualMachine'>vm-1</obj></objects>", {"choice": "1"}, "NOT_FOUND", id="none"
        ),
    ],
)
async def test_a_question_is_not_answered(found: str, request_: Any, code: str) -> None:
    """What does not fit the pending question never reaches vCenter."""
    async with scripted() as (vcenter, client):
        vcenter.answer("RetrievePropertiesEx", properties(found))
        with pytest.raises(Failure) as caught:
            await client.call(f"{SERVICE}/AnswerQuestion", {"vm": "vm-1", **request_})
        assert vcenter.only("AnswerVM") == []
    assert caught.value.code == code


PNG = b"\x89PNG\r\n\x1a\n and the rest"
FILE = "[store 1] web/web-1.png"
AT = "GET /folder/web/web-1.png?dcPath=dcs%2FDC0&dsName=store%201"


def task(identifier: str, state: str, more: str = "") -> str:
    info = (
        f"<val xsi:type='TaskInfo'><key>{identifier}</key><task type='Task'>{identifier}</task>"
        "<descriptionId>d</descriptionId>"
        f"<state>{state}</state><cancelled>false</cancelled><cancelable>false</cancelable>{more}"
        "<reason xsi:type='TaskReasonSystem'/><queueTime>2026-03-01T10:00:00Z</queueTime><eventChainId>1</eventChainId>"
        "</val>"
    )
    return value("Task", identifier, info=info)


def text(content: str) -> str:
    return f"<val xsi:type='xsd:string'>{content}</val>"


def ref(kind: str, identifier: str) -> str:
    return f"<val xsi:type='ManagedObjectReference' type='{kind}'>{identifier}</val>"


REMOVED = task("task-2", "success")
KEPT = task(
    "task-2",
    "error",
    "<error><fault xsi:type='FileFault'><file>f</file></fault><localizedMessage>locked</localizedMessage></error>",
)


def screen(vcenter: SoapVCenter, picture: Answer, removal: str = REMOVED) -> None:
    """Has a vCenter take pictures."""
    stores = "<val xsi:type='ArrayOfManagedObjectReference'><ManagedObjectReference type='Datastore'>ds-1"
    stores += "</ManagedObjectReference></val>"
    vcenter.answer("CreateScreenshot_Task", soap(response("CreateScreenshot_Task", " type='Task'>task-1")))
    vcenter.answer("DeleteDatastoreFile_Task", soap(response("DeleteDatastoreFile_Task", " type='Task'>task-2")))
    content = (
        "<rootFolder type='Folder'>group-d1</rootFolder><propertyCollector type='PropertyCollector'>propertyCollector"
        "</propertyCollector><about><name>v</name><fullName>v</fullName><vendor>v</vendor><version>8.0.2</version>"
        "<build>1</build><osType>l</osType><productLineId>vpx</productLineId><apiType>VirtualCenter</apiType>"
        "<apiVersion>8.0.2.0</apiVersion></about><fileManager type='FileManager'>FileManager</fileManager>"
    )
    vcenter.answer("RetrieveServiceContent", soap(response("RetrieveServiceContent", content)))
    vcenter.answer(AT, picture)
    vcenter.answer(
        "RetrievePropertiesEx",
        properties(task("task-1", "success", f"<result xsi:type='xsd:string'>{FILE}</result>")),
        properties(value("VirtualMachine", "vm-1", datastore=stores)),
        properties(value("Datastore", "ds-1", name=text("store 1"), parent=ref("Folder", "group-s1"))),
        properties(value("Folder", "group-s1", name=text("datastore"), parent=ref("Datacenter", "dc-1"))),
        properties(value("Datacenter", "dc-1", name=text("DC0"), parent=ref("Folder", "group-1"))),
        properties(value("Folder", "group-1", name=text("dcs"), parent=ref("Folder", "group-d1"))),
        properties(value("Folder", "group-d1", name=text("Datacenters"))),
        properties(removal),
    )


async def test_a_screenshot() -> None:
    """The picture is fetched from the datastore in the session, and the file that vCenter left there is removed."""
    async with scripted() as (vcenter, client):
        screen(vcenter, http("200 OK", PNG, "image/png"))
        answer = await client.call(f"{SERVICE}/TakeScreenshot", {"vm": "vm-1"})
        [fetched], [removal] = vcenter.only(AT), vcenter.only("DeleteDatastoreFile_Task")
    assert answer == {"png": base64.b64encode(PNG).decode()}
    assert b'Cookie: vmware_soap_session="s-1"' in fetched.head
    assert f"<name>{FILE}</name>".encode() in removal.body
    assert b'<datacenter type="Datacenter">dc-1</datacenter>' in removal.body


async def test_a_screenshot_that_cannot_be_removed() -> None:
    """A file that stays on the datastore is told."""
    async with scripted() as (vcenter, client):
        screen(vcenter, http("200 OK", PNG, "image/png"), KEPT)
        answer = await client.call(f"{SERVICE}/TakeScreenshot", {"vm": "vm-1"})
    assert answer == {"png": base64.b64encode(PNG).decode(), "left_over": FILE}


async def test_a_screenshot_that_cannot_be_read() -> None:
    """A picture that cannot be fetched is removed all the same."""
    async with scripted() as (vcenter, client):
        screen(vcenter, http("503 Service Unavailable", b"no", "text/plain"))
        with pytest.raises(Failure) as caught:
            await client.call(f"{SERVICE}/TakeScreenshot", {"vm": "vm-1"})
        assert len(vcenter.only("DeleteDatastoreFile_Task")) == 1
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "HTTP_503")


async def test_a_screenshot_that_nobody_waits_for() -> None:
    """The file is removed although the caller has left meanwhile."""
    fetching, going_on = asyncio.Event(), asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fetching.set()
        await going_on.wait()
        await http("200 OK", PNG, "image/png")(reader, writer)

    async with scripted() as (vcenter, client):
        screen(vcenter, slowly)
        call = asyncio.ensure_future(client.call(f"{SERVICE}/TakeScreenshot", {"vm": "vm-1"}))
        await fetching.wait()
        call.cancel()
        await asyncio.wait([call])
        going_on.set()
        await eventually(lambda: len(vcenter.only("DeleteDatastoreFile_Task")) == 1, "the file is removed")


async def test_secrets_are_not_told(log: io.StringIO) -> None:
    """Values of the extra configuration are in no log and no error."""
    secret = "s3cret-value"
    async with scripted() as (vcenter, client):
        told = fault("InvalidArgument", "A specified parameter was not correct", "<invalidProperty>e</invalidProperty>")
        vcenter.answer("ReconfigVM_Task", soap(told))
        with pytest.raises(Failure) as caught:
            await client.call(f"{SERVICE}/UpdateExtraConfig", {"vm": "vm-1", "values": {"guestinfo.password": secret}})
    assert secret not in log.getvalue() + repr(caught.value)
