"""Calls become SOAP: as pyVmomi, another client, writes them, and within what XML allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from pyVmomi import SoapAdapter, VmomiSupport, vim, vmodl

from gateway.vim import Data, Ref
from gateway.vim.filters import in_view, of_objects
from gateway.vim.schema import load_schema
from gateway.vim.writer import NotWritableError, write_call

SCHEMA = load_schema()
VM = Ref("VirtualMachine", "vm-1")
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def written(method: str, this: Ref = VM, **arguments: Any) -> bytes:
    return write_call(SCHEMA, SCHEMA.method(method), this, arguments)


def parsed(body: bytes) -> Element:
    return fromstring(body)  # noqa: S314 - our own


def elements(body: bytes) -> Any:
    """What a request says, whatever its prefixes are."""

    def of(element: Element) -> Any:
        # pyVmomi also states the release, which vCenter learns from the head of the request.
        stated = {name: value for name, value in element.attrib.items() if name != "versionId"}
        attributes = {name: value.rpartition(":")[2] for name, value in stated.items()}
        return element.tag, attributes, (element.text or "").strip(), [of(child) for child in element]

    return of(parsed(body)[-1][0])


def by_pyvmomi(this: Any, method: str, *arguments: Any) -> bytes:
    """The same call as pyVmomi writes it."""
    stub = SoapAdapter.SoapStubAdapter("localhost", version="vim.version.v8_0_1_0")
    found = this._GetMethodInfo(method)
    body: Any = stub.SerializeRequest(this, found, arguments)
    return bytes(body)


_PC = vmodl.query.PropertyCollector
_MACHINE = vim.VirtualMachine("vm-1", None)
_COLLECTOR = _PC("propertyCollector", None)
_TRAVERSAL = _PC.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
_FILTER = _PC.FilterSpec(
    propSet=[_PC.PropertySpec(type=vim.VirtualMachine, all=False, pathSet=["name", "config.uuid"])],
    objectSet=[_PC.ObjectSpec(obj=vim.view.ContainerView("view-1", None), skip=True, selectSet=[_TRAVERSAL])],
    reportMissingObjectsInResults=False,
)
_EVENTS = vim.event.EventFilterSpec(
    entity=vim.event.EventFilterSpec.ByEntity(entity=_MACHINE, recursion="self"),
    time=vim.event.EventFilterSpec.ByTime(beginTime=datetime(2026, 3, 1, 10, tzinfo=UTC)),
    eventTypeId=["VmPoweredOnEvent"],
    maxCount=100,
)
_DISK = vim.vm.device.VirtualDeviceSpec(
    operation="add", device=vim.vm.device.VirtualDisk(key=-1, capacityInKB=1048576, controllerKey=1000, unitNumber=1)
)
_AUTH = vim.vm.guest.NamePasswordAuthentication(interactiveSession=False, username="root", password="x<y")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            written(
                "CreateFilter",
                Ref("PropertyCollector", "propertyCollector"),
                spec=in_view(Ref("ContainerView", "view-1"), "VirtualMachine", ["name", "config.uuid"]),
                partialUpdates=False,
            ),
            by_pyvmomi(_COLLECTOR, "CreateFilter", _FILTER, False),
        ),
        (
            written("CreateSnapshot_Task", name="s1", description="d", memory=False, quiesce=True),
            by_pyvmomi(_MACHINE, "CreateSnapshot", "s1", "d", False, True),
        ),
        (
            written(
                "QueryEvents",
                Ref("EventManager", "EventManager"),
                filter={
                    "maxCount": 100,
                    "eventTypeId": ["VmPoweredOnEvent"],
                    "time": {"beginTime": datetime(2026, 3, 1, 10, tzinfo=UTC)},
                    "entity": {"recursion": "self", "entity": VM},
                },
            ),
            by_pyvmomi(vim.event.EventManager("EventManager", None), "QueryEvent", _EVENTS),
        ),
        (
            written(
                "ReconfigVM_Task",
                spec={
                    "annotation": "a & b",
                    "deviceChange": [
                        {
                            "operation": "add",
                            "device": Data(
                                "VirtualDisk", capacityInKB=1048576, key=-1, controllerKey=1000, unitNumber=1
                            ),
                        }
                    ],
                    "extraConfig": [{"key": "guestinfo.x", "value": "1"}],
                },
            ),
            by_pyvmomi(
                _MACHINE,
                "Reconfigure",
                vim.vm.ConfigSpec(
                    annotation="a & b",
                    deviceChange=[_DISK],
                    extraConfig=[vim.option.OptionValue(key="guestinfo.x", value="1")],
                ),
            ),
        ),
        (
            written(
                "ListProcessesInGuest",
                Ref("GuestProcessManager", "guestOperationsProcessManager"),
                vm=VM,
                auth=Data("NamePasswordAuthentication", username="root", password="x<y", interactiveSession=False),
                pids=[1, 2],
            ),
            by_pyvmomi(
                vim.vm.guest.ProcessManager("guestOperationsProcessManager", None),
                "ListProcesses",
                _MACHINE,
                _AUTH,
                [1, 2],
            ),
        ),
        (
            written("SetField", Ref("CustomFieldsManager", "CustomFieldsManager"), entity=VM, key=7, value="team-a"),
            by_pyvmomi(vim.CustomFieldsManager("CustomFieldsManager", None), "SetField", _MACHINE, 7, "team-a"),
        ),
    ],
    ids=["filter", "snapshot", "events", "reconfigure", "guest", "custom field"],
)
def test_calls_are_those_of_pyvmomi(ours: bytes, theirs: bytes) -> None:
    """Elements, their order, and the types that they state are those that another client writes."""
    assert elements(ours) == elements(theirs)


@pytest.mark.parametrize(
    ("value", "stated"),
    [
        ("1", '<value xsi:type="xsd:string">1</value>'),
        (True, '<value xsi:type="xsd:boolean">true</value>'),
        (1, '<value xsi:type="xsd:int">1</value>'),
        (2**40, '<value xsi:type="xsd:long">1099511627776</value>'),
        (0.5, '<value xsi:type="xsd:double">0.5</value>'),
        (b"\x00", '<value xsi:type="xsd:base64Binary">AA==</value>'),
        (VM, '<value xsi:type="ManagedObjectReference" type="VirtualMachine">vm-1</value>'),
        (["a"], '<value xsi:type="ArrayOfString"><string>a</string></value>'),
        ([1], '<value xsi:type="ArrayOfInt"><int>1</int></value>'),
        (
            Data("OptionValue", key="k", value=1),
            '<value xsi:type="OptionValue"><key>k</key><value xsi:type="xsd:int">1',
        ),
    ],
)
def test_values_of_any_type_state_theirs(value: Any, stated: str) -> None:
    """Where any type may stand, a value states its own."""
    spec = {"extraConfig": [{"key": "guestinfo.x", "value": value}]}
    assert stated in written("ReconfigVM_Task", spec=spec).decode()


def test_what_is_unset() -> None:
    """None and an empty list are left out."""
    body = written("ModifyListView", Ref("ListView", "view-1"), add=[], remove=None)
    assert elements(body)[3] == [("{urn:vim25}_this", {"type": "ListView"}, "view-1", [])]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a & b < c > d ]]> \"'", "a & b < c > d ]]> \"'"),
        ("two\r\nlines\ttab", "two\r\nlines\ttab"),
        ("Grüße 日本語 🙂", "Grüße 日本語 🙂"),
        ("</description><memory>true</memory>", "</description><memory>true</memory>"),
    ],
)
def test_texts_arrive(text: str, sent: str) -> None:
    """Whatever a text has in it, it arrives as it is, and as nothing but a text."""
    body = written("CreateSnapshot_Task", name="s", description=text, memory=False, quiesce=False)
    found = parsed(body).findtext(".//{urn:vim25}description")
    assert found == sent


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[2J", "\ud800", "\ufffe"])
def test_texts_that_xml_does_not_allow(text: str) -> None:
    """They are refused, and the error has no part of them."""
    with pytest.raises(NotWritableError) as caught:
        written("CreateSnapshot_Task", name="secret" + text, memory=False, quiesce=False)
    assert "secret" not in str(caught.value)


def test_names_are_escaped() -> None:
    """A per cent sign in a name is written as vCenter requires it; in other texts it is left alone."""
    body = written("CreateSnapshot_Task", name="50%25", description="50%25", memory=False, quiesce=False)
    root = parsed(body)
    assert root.findtext(".//{urn:vim25}name") == "50%2525"
    assert root.findtext(".//{urn:vim25}description") == "50%25"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("SetField", {"entity": VM, "key": "7", "value": "x"}),
        ("SetField", {"entity": VM, "key": True, "value": "x"}),
        ("SetField", {"entity": "vm-1", "key": 7, "value": "x"}),
        ("SetField", {"entity": VM, "key": 7, "value": 8}),
        ("SetField", {"entity": VM, "key": 7, "value": "x", "other": 1}),
        ("CreateSnapshot_Task", {"name": "s", "memory": "false"}),
        ("ReconfigVM_Task", {"spec": Data("OptionValue", key="k", value="v")}),
        ("ReconfigVM_Task", {"spec": Data("Invented")}),
        ("ReconfigVM_Task", {"spec": "text"}),
        ("ReconfigVM_Task", {"spec": {"invented": 1}}),
        ("ReconfigVM_Task", {"spec": {"extraConfig": [{"key": "k", "value": object()}]}}),
        ("QueryEvents", {"filter": {"time": {"beginTime": datetime(2026, 3, 1, 10)}}}),
    ],
)
def test_values_of_another_kind(method: str, arguments: Mapping[str, Any]) -> None:
    """A value that does not fit its parameter is a mistake of the program, which is not sent to vCenter."""
    with pytest.raises(TypeError):
        written(method, **arguments)


def test_no_password_is_shown() -> None:
    """A structure shows which members it has, and not what they hold."""
    assert "hunter2" not in repr(Data("NamePasswordAuthentication", username="root", password="hunter2"))


def test_every_method_of_the_api_is_in_the_schema() -> None:
    """Nothing that pyVmomi can call is missing, and each method has its parameters in their order."""
    theirs = {
        (name, tuple(parameter[0] for parameter in parameters))
        for definition in VmomiSupport._managedDefMap.values()
        for _, name, version, parameters, *_ in definition[5] or ()
        if re.match(r"vim\.version\.|vmodl\.", version)
    }
    ours = {(name, tuple(each.name for each in SCHEMA.method(name).parameters)) for name, _ in theirs}
    assert ours == theirs
    assert len(ours) > 1000


def test_filters_of_known_objects() -> None:
    """Each object stands by itself, and one that is gone does not make the others fail."""
    spec = of_objects([VM, Ref("VirtualMachine", "vm-2")], ["name"])
    assert spec["reportMissingObjectsInResults"] is True
    assert [each["obj"].value for each in spec["objectSet"]] == ["vm-1", "vm-2"]
