"""Answers of the VIM API become values of Python; what is no answer is refused, at little cost."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.errors import GatewayError, Reason
from gateway.vim import Data, ObjectContent, ObjectUpdate, Ref
from gateway.vim.reader import MAX_ELEMENTS, NotReadableError, Reader, TooManyElementsError
from gateway.vim.schema import load_schema
from tests.soap import envelope, fault, response

SCHEMA = load_schema()
READER = Reader(SCHEMA)


def read(method: str, body: bytes) -> Any:
    answer = READER.read(SCHEMA.method(method), body)
    assert answer.fault is None
    return answer.value


def value_of(stated: str) -> Any:
    """A value as a property has it."""
    changes = f"<objects><obj type='Task'>task-1</obj><propSet><name>info.result</name>{stated}</propSet></objects>"
    [content] = read("RetrievePropertiesEx", response("RetrievePropertiesEx", changes))["objects"]
    return content.values.get("info.result")


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        ('<val xsi:type="xsd:string">web-01 &amp; &lt;co&gt;</val>', "web-01 & <co>"),
        ('<val xsi:type="xsd:string"/>', ""),
        ('<val xsi:type="xsd:boolean">true</val>', True),
        ('<val xsi:type="xsd:boolean">0</val>', False),
        ('<val xsi:type="xsd:int">-4096</val>', -4096),
        ('<val xsi:type="xsd:long">9007199254740993</val>', 9007199254740993),
        ('<val xsi:type="xsd:short">7</val>', 7),
        ('<val xsi:type="xsd:double">1.5</val>', 1.5),
        ('<val xsi:type="xsd:base64Binary">AAEC</val>', b"\x00\x01\x02"),
        ('<val xsi:type="xsd:anyURI">https://host/</val>', "https://host/"),
        ('<val xsi:type="VirtualMachinePowerState">poweredOn</val>', "poweredOn"),
        ('<val type="HostSystem" xsi:type="ManagedObjectReference">host-21</val>', Ref("HostSystem", "host-21")),
        ('<val xsi:type="ArrayOfString"><string>a</string><string>b</string></val>', ["a", "b"]),
        ('<val xsi:type="ArrayOfInt"><int>1</int></val>', [1]),
        ('<val xsi:type="ArrayOfString"/>', []),
        (
            '<val xsi:type="ArrayOfManagedObjectReference">'
            '<ManagedObjectReference type="Network">network-7</ManagedObjectReference></val>',
            [Ref("Network", "network-7")],
        ),
        (
            '<val xsi:type="ArrayOfCustomFieldValue"><CustomFieldValue xsi:type="CustomFieldStringValue">'
            "<key>7</key><value>team-a</value></CustomFieldValue></val>",
            [Data("CustomFieldStringValue", key=7, value="team-a")],
        ),
    ],
)
def test_values_that_state_their_type(stated: str, value: Any) -> None:
    """A value of any type is one of Python's, by the type that it states."""
    found = value_of(stated)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01T10:00:00.120000Z", datetime(2026, 3, 1, 10, 0, 0, 120000, UTC)),
        ("2026-03-01T10:00:00.123456789Z", datetime(2026, 3, 1, 10, 0, 0, 123456, UTC)),
        ("2026-03-01T10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_times(text: str, time: datetime) -> None:
    """A time has a zone, and as much of its fraction as Python can keep."""
    assert value_of(f'<val xsi:type="xsd:dateTime">{text}</val>') == time


def test_members_have_the_types_of_the_schema() -> None:
    """Nothing in a structure states its type: numbers, lists of one and what is nested are known from the schema."""
    tree = (
        "<rootSnapshotList><snapshot type='VirtualMachineSnapshot'>snapshot-9</snapshot>"
        "<vm type='VirtualMachine'>vm-1</vm><name>a%2fb</name><description/><id>3</id>"
        "<createTime>2026-03-01T10:00:00Z</createTime>"
        "<state>poweredOff</state><quiesced>false</quiesced></rootSnapshotList>"
    )
    value = value_of(f'<val xsi:type="VirtualMachineSnapshotInfo">{tree}</val>')
    [snapshot] = value["rootSnapshotList"]
    assert snapshot == Data(
        "VirtualMachineSnapshotTree",
        snapshot=Ref("VirtualMachineSnapshot", "snapshot-9"),
        vm=Ref("VirtualMachine", "vm-1"),
        name="a/b",
        description="",
        id=3,
        createTime=datetime(2026, 3, 1, 10, tzinfo=UTC),
        state="poweredOff",
        quiesced=False,
    )


def test_derived_types_have_their_members() -> None:
    """A structure is of the type that it states, which may be derived from the one that was asked for."""
    device = "<VirtualDevice xsi:type='VirtualDisk'><key>2000</key><capacityInKB>1024</capacityInKB></VirtualDevice>"
    value = value_of(f'<val xsi:type="ArrayOfVirtualDevice">{device}</val>')
    assert value == [Data("VirtualDisk", key=2000, capacityInKB=1024)]


def test_what_is_not_known() -> None:
    """A member that came after the schema is left out; a structure of an unknown type is read as the declared one."""
    members = "<key>1</key><invented><deep>x</deep></invented>"
    value = value_of(
        f"<val xsi:type='ArrayOfVirtualDevice'><VirtualDevice xsi:type='New'>{members}</VirtualDevice></val>"
    )
    assert value == [Data("VirtualDevice", key=1)]


def test_prefixes_do_not_matter() -> None:
    """Another way to write the same names, that of Go's encoder, means the same."""
    prefix = 'xmlns:_XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" _XMLSchema-instance:type'
    assert value_of(f'<val {prefix}="xsd:int">5</val>') == 5


def test_properties_of_objects() -> None:
    """Properties come by path; those that cannot be read have their fault."""
    objects = (
        "<objects><obj type='VirtualMachine'>vm-1</obj>"
        "<propSet><name>name</name><val xsi:type='xsd:string'>100%25</val></propSet>"
        "<missingSet><path>config.uuid</path><fault>"
        "<fault xsi:type='NoPermission'><privilegeId>System.Read</privilegeId></fault>"
        "<localizedMessage>No.</localizedMessage></fault></missingSet></objects>"
    )
    [content] = read("RetrievePropertiesEx", response("RetrievePropertiesEx", objects))["objects"]
    assert isinstance(content, ObjectContent)
    assert (content.obj, content.values) == (Ref("VirtualMachine", "vm-1"), {"name": "100%"})
    missing = content.missing["config.uuid"]
    assert (missing.type, missing.message, missing.data) == (
        "NoPermission",
        "No.",
        Data("NoPermission", privilegeId="System.Read"),
    )


def test_a_property_that_is_unset() -> None:
    """It is absent, also where an answer names it."""
    objects = "<objects><obj type='VirtualMachine'>vm-1</obj><propSet><name>snapshot</name></propSet></objects>"
    [content] = read("RetrievePropertiesEx", response("RetrievePropertiesEx", objects))["objects"]
    assert content.values == {}


def test_updates() -> None:
    """An update has the new values; a property that became unset has none."""
    change = (
        "<version>18</version><filterSet><filter type='PropertyFilter'>f</filter><objectSet><kind>modify</kind>"
        "<obj type='VirtualMachine'>vm-1</obj>"
        "<changeSet><name>runtime.powerState</name><op>assign</op>"
        "<val xsi:type='VirtualMachinePowerState'>poweredOff</val></changeSet>"
        "<changeSet><name>guest.ipAddress</name><op>assign</op></changeSet></objectSet>"
        "<objectSet><kind>leave</kind><obj type='VirtualMachine'>vm-2</obj></objectSet></filterSet>"
    )
    updates = read("WaitForUpdatesEx", response("WaitForUpdatesEx", change))
    assert updates["filterSet"][0]["objectSet"] == [
        ObjectUpdate(
            "modify", Ref("VirtualMachine", "vm-1"), {"runtime.powerState": "poweredOff", "guest.ipAddress": None}, {}
        ),
        ObjectUpdate("leave", Ref("VirtualMachine", "vm-2"), {}, {}),
    ]


@pytest.mark.parametrize(
    ("method", "results", "value"),
    [
        ("Logout", (), None),
        ("WaitForUpdatesEx", (), None),
        ("QueryEvents", (), []),
        ("FindByUuid", (), None),
        ("FindByUuid", (' type="VirtualMachine">vm-1',), Ref("VirtualMachine", "vm-1")),
    ],
)
def test_results(method: str, results: tuple[str, ...], value: Any) -> None:
    """A method has no result, one, or a list; which, and whether it may be missing, is in the schema."""
    assert read(method, response(method, *results)) == value


def test_a_result_that_must_be_there() -> None:
    """A method that promises a result and answers nothing has failed."""
    with pytest.raises(NotReadableError, match="has no result"):
        read("CreateContainerView", response("CreateContainerView"))


def test_faults() -> None:
    """A fault in the place of a result has its type, its text and its members."""
    members = "<requestedState>poweredOn</requestedState><existingState>poweredOff</existingState>"
    found = READER.read(SCHEMA.method("PowerOnVM_Task"), fault("InvalidPowerState", "No.", members)).fault
    assert found is not None
    assert (found.type, found.message, found.data["existingState"]) == ("InvalidPowerState", "No.", "poweredOff")


def test_a_fault_without_detail() -> None:
    """A request that vCenter could not even read is answered without one."""
    body = envelope("<soapenv:Fault><faultcode>ClientFaultCode</faultcode><faultstring>?</faultstring></soapenv:Fault>")
    found = READER.fault(body)
    assert found is not None
    assert (found.type, found.message) == ("InvalidRequest", "?")


def test_a_fault_that_is_not_known() -> None:
    """A fault that came after the schema keeps its name; one whose name is none does not."""
    found, odd = (
        READER.fault(fault("Invented", "New.")),
        READER.fault(fault("a b", "Odd.").replace(b"a bFault", b"xFault")),
    )
    assert found is not None
    assert odd is not None
    assert (found.type, odd.type) == ("Invented", "MethodFault")


def test_the_fault_of_a_task() -> None:
    """What a task ended in has its text beside it."""
    info = (
        '<val xsi:type="TaskInfo"><key>task-1</key><task type="Task">task-1</task><state>error</state><error>'
        '<fault xsi:type="TaskInProgress"><task type="Task">task-0</task></fault>'
        "<localizedMessage>Busy.</localizedMessage></error></val>"
    )
    error = value_of(info)["error"]
    assert (error.type, error.message, error.data["task"]) == ("TaskInProgress", "Busy.", Ref("Task", "task-0"))


ANSWER = response("RetrievePropertiesEx", "<token>1</token>")
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"null",
        b"<html><body>Sign in</body></html>",
        ANSWER[: len(ANSWER) // 2],
        ANSWER + ANSWER,
        b"<?xml version='1.0'?>" + BOMB + ANSWER.partition(b"?>")[2],
        BOMB + ANSWER.partition(b"?>")[2],
        b"<!-- -->" + BOMB + ANSWER.partition(b"?>")[2],
        ANSWER.replace(b"<token>1", b"<token>&a;"),
        ANSWER.decode().encode("utf-16"),
        ANSWER.replace(b"RetrievePropertiesExResponse", b"LogoutResponse"),
        ANSWER.replace(b"http://schemas.xmlsoap.org/soap/envelope/", b"urn:other"),
        b"<" * 1000,
        envelope(""),
        response("RetrievePropertiesEx", "<objects><propSet><name>name</name></propSet></objects>"),
        response("RetrievePropertiesEx", "<objects><obj type='T'>1</obj><propSet/></objects>"),
    ],
    ids=[
        "empty",
        "blank",
        "json",
        "a page",
        "cut",
        "twice",
        "bomb",
        "bomb without declaration",
        "bomb behind a comment",
        "undefined entity",
        "utf-16",
        "another method",
        "another namespace",
        "brackets",
        "nothing",
        "no object",
        "no name",
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    """It is refused whatever it is, and nothing of it is in the error."""
    with pytest.raises(NotReadableError) as caught:
        read("RetrievePropertiesEx", body)
    assert len(str(caught.value)) < 100


def test_the_encoding_is_not_the_answers_to_choose() -> None:
    """Answers are UTF-8, whatever they say: in another encoding, what is checked before would not be what is read."""
    body = response("RetrievePropertiesEx", "<token>ü</token>").replace(b"UTF-8", b"ISO-8859-1")
    assert read("RetrievePropertiesEx", body)["token"] == "ü"


def test_an_external_entity_is_not_fetched() -> None:
    """Nothing that an answer names is read from elsewhere."""
    body = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + ANSWER.partition(b"?>")[2].replace(
        b">1<", b">&a;<"
    )
    with pytest.raises(NotReadableError):
        read("RetrievePropertiesEx", body)


@pytest.mark.parametrize(
    "stated",
    [
        '<val xsi:type="xsd:int">many</val>',
        '<val xsi:type="xsd:int"/>',
        '<val xsi:type="xsd:boolean">yes</val>',
        '<val xsi:type="xsd:dateTime">yesterday</val>',
        '<val xsi:type="xsd:base64Binary">*</val>',
        '<val xsi:type="xsd:double">1,5</val>',
        f'<val xsi:type="xsd:int">{"9" * 5000}</val>',
    ],
)
def test_values_that_are_not_of_their_type(stated: str) -> None:
    """A value that is not of the type that it states makes an answer unreadable; it is not taken for something else."""
    with pytest.raises(NotReadableError, match="wrong type"):
        value_of(stated)


def test_what_is_nested_deeply() -> None:
    """Structures are nested as deep as vCenter has them; beyond that they are refused."""

    def chain(depth: int) -> str:
        inner = "<childSnapshotList><name>s</name>" * depth + "</childSnapshotList>" * depth
        return f'<val xsi:type="VirtualMachineSnapshotTree">{inner}</val>'

    assert value_of(chain(100))["childSnapshotList"]
    for depth in (200, 100_000):
        with pytest.raises(NotReadableError, match="deeply"):
            value_of(chain(depth))


def test_too_many_elements() -> None:
    """An answer that is made of tags is refused before a tree is made of it."""
    body = response("RetrievePropertiesEx", "<a/>" * MAX_ELEMENTS)
    started = time.process_time()
    with pytest.raises(TooManyElementsError):
        read("RetrievePropertiesEx", body)
    assert time.process_time() - started < 1


def test_a_huge_attribute() -> None:
    """An attribute of any length is a text like any other, and is not remembered."""
    huge = "x" * 1_000_000
    reader = Reader(SCHEMA)
    for stated in (huge, f"{huge}:string"):
        body = response("QueryOptions", f' xsi:type="OptionValue"><value xsi:type="{stated}">text</value>')
        assert reader.read(SCHEMA.method("QueryOptions"), body).value == [Data("OptionValue", value="text")]
    assert huge not in str(reader.__dict__)


def test_characters_that_are_not_xml() -> None:
    """One control character in a machine's note does not make a whole list unreadable: it is replaced."""
    body = response("RetrievePropertiesEx", "<token>a\x0bb</token>").replace(b"<token>", b"<token>\xff")
    assert read("RetrievePropertiesEx", body)["token"] == "\ufffda\ufffdb"


def test_the_parser_never_sees_a_document_type() -> None:
    """The parser itself would accept one, so the refusal is ours."""
    with pytest.raises(NotReadableError, match="before its first element"):
        read("RetrievePropertiesEx", b"<!DOCTYPE x>" + ANSWER.partition(b"?>")[2])


def test_a_member_that_is_missing() -> None:
    """A structure without a member that its meaning depends on is an unusable response, not a defect of the gateway."""
    updates = read("WaitForUpdatesEx", response("WaitForUpdatesEx", "<truncated>false</truncated>"))
    with pytest.raises(GatewayError, match="UpdateSet has no version") as raised:
        updates["version"]
    assert raised.value.failure.reason == Reason.VCENTER_RESPONSE_INVALID
    assert updates.get("version") is None
