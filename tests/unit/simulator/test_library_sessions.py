"""Local libraries, and the sessions in which the files of their items are uploaded and downloaded."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.ovf import DESCRIPTOR
from tests.unit.simulator.harness import READONLY, Answer, Api

LIBRARIES, ITEMS = "/api/content/local-library", "/api/content/library/item"
UPLOADS, DOWNLOADS = f"{ITEMS}/update-session", f"{ITEMS}/download-session"
TEMPLATES, MIRROR = "b3c6d9a1-52f4-4c9e-8d07-1f2a3b4c5d6e", "e0a4f7c2-93b1-4d58-a6e7-2c81d05f9b34"
OVF_ITEM, ISO_ITEM = "0b8f6a52-7d31-4e9c-8a64-f15e20c9d7b3", "41d8b6f0-c2e5-4739-8b1d-95f7a03e6c28"
VM_TEMPLATE_ITEM = "7c95d3e8-1f60-4b2a-9e47-d80a6c3b5f12"
BACKINGS = [{"type": "DATASTORE", "datastore_id": "datastore-11"}]


def made(answer: Answer) -> str:
    """The identifier of what is created."""
    assert answer.status == 201, answer.json
    return str(answer.json)


def refused(answer: Answer) -> tuple[int, str, str]:
    """Status, type and first message of an error."""
    return answer.status, answer.error_type, answer.message_ids[0].rpartition(".")[2]


def new_item(api: Api, kind: str = "iso", library: str = TEMPLATES) -> str:
    return made(api("POST", ITEMS, {"name": "new", "type": kind, "library_id": library}))


def new_session(api: Api, item: str, sessions: str = UPLOADS) -> str:
    return made(api("POST", sessions, {"library_item_id": item}))


def add(api: Api, session: str, name: str, **more: Any) -> Any:
    answer = api("POST", f"{UPLOADS}/{session}/file", {"name": name, "source_type": "PUSH", **more})
    assert answer.status == 201, answer.json
    return answer.json


def transfer(api: Api, method: str, url: str, content: bytes = b"") -> Answer:
    """A request to a URL that a session has given; it needs no session of the API."""
    return api.request(method, urlsplit(url).path, content)


def upload(api: Api, item: str, **files: bytes) -> str:
    """Uploads files, whose names have an underscore for the dot, and completes the session."""
    session = new_session(api, item)
    for name, content in files.items():
        url = add(api, session, name.replace("_", "."))["upload_endpoint"]["uri"]
        assert transfer(api, "PUT", url, content).status == 200
    assert api("POST", f"{UPLOADS}/{session}?action=complete").status == 204
    return session


def state(api: Api, session: str) -> Any:
    return api("GET", f"{UPLOADS}/{session}").json


def test_the_catalogues_have_nothing_in_common() -> None:
    """A service that the gateway gets is taken out of the catalogue of what the simulator alone has."""
    gateway, simulator = (
        json.loads(resources.files("gateway.simulator").joinpath(name).read_bytes())
        for name in ("vcenter-api.json", "vcenter-api-content.json")
    )
    assert not {item["id"] for item in gateway["services"]} & {item["id"] for item in simulator["services"]}
    for kind in ("structs", "enums"):
        assert not gateway[kind].keys() & simulator[kind].keys()


def test_the_life_of_a_library(api: Api) -> None:
    """It is created on a datastore, published, changed and deleted; those that are subscribed are not local."""
    spec = {"name": "mine", "storage_backings": BACKINGS, "publish_info": {"published": True}}
    library = made(api("POST", LIBRARIES, spec))
    assert api("GET", LIBRARIES).json == [TEMPLATES, library]
    assert api("POST", f"{LIBRARIES}/{library}?action=publish", {}).status == 204
    change = {"name": "ours", "version": "1", "publish_info": {"published": False, "authentication_method": "BASIC"}}
    assert api("PATCH", f"{LIBRARIES}/{library}", change).status == 204
    model = api("GET", f"{LIBRARIES}/{library}").json
    assert (model["name"], model["type"], model["storage_backings"]) == ("ours", "LOCAL", BACKINGS)
    assert (model["publish_info"]["published"], model["publish_info"]["authentication_method"]) == (False, "BASIC")
    item = new_item(api, library=library)
    assert api("DELETE", f"{LIBRARIES}/{library}").status == 204
    assert api("GET", f"{ITEMS}/{item}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "", {"storage_backings": BACKINGS}, (400, "INVALID_ARGUMENT", "field_missing")),
        (
            "POST",
            "",
            {"name": "x", "type": "SUBSCRIBED", "storage_backings": BACKINGS},
            (400, "INVALID_ARGUMENT", "invalid_library_type"),
        ),
        ("POST", "", {"name": "x"}, (400, "INVALID_ARGUMENT", "invalid_storage_backing")),
        (
            "POST",
            "",
            {"name": "x", "storage_backings": [{"type": "DATASTORE", "datastore_id": "datastore-99"}]},
            (400, "INVALID_ARGUMENT", "invalid_storage_backing"),
        ),
        (
            "POST",
            "",
            {"name": "x", "storage_backings": BACKINGS * 2},
            (400, "UNSUPPORTED", "several_storage_backings"),
        ),
        (
            "POST",
            "",
            {"name": "x", "storage_backings": BACKINGS, "security_policy_id": "none"},
            (400, "INVALID_ARGUMENT", "security_policy_not_found"),
        ),
        ("GET", "/none", None, (404, "NOT_FOUND", "library_not_found")),
        ("GET", f"/{MIRROR}", None, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        ("PATCH", f"/{MIRROR}", {"name": "x"}, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        ("DELETE", f"/{MIRROR}", None, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        ("PATCH", f"/{TEMPLATES}", {"version": "7"}, (409, "CONCURRENT_CHANGE", "library_version_mismatch")),
        ("POST", f"/{TEMPLATES}?action=publish", {}, (400, "NOT_ALLOWED_IN_CURRENT_STATE", "library_not_published")),
        (
            "POST",
            f"/{TEMPLATES}?action=publish",
            {"subscriptions": [{"subscription": "none"}]},
            (400, "INVALID_ARGUMENT", "subscription_not_found"),
        ),
    ],
)
def test_what_a_library_refuses(api: Api, method: str, path: str, body: Any, expected: tuple[int, str, str]) -> None:
    """With the errors that are documented."""
    assert refused(api(method, f"{LIBRARIES}{path}", body)) == expected


def test_an_upload_and_a_download(api: Api) -> None:
    """What was uploaded is the item's content once the session is completed, and comes back as it was."""
    item = new_item(api)
    used = api.inventory.places.datastores["datastore-11"].used
    session = new_session(api, item)
    file = add(api, session, "a b.iso", size=5)
    assert (file["status"], file["bytes_transferred"]) == ("WAITING_FOR_TRANSFER", 0)
    assert transfer(api, "PUT", file["upload_endpoint"]["uri"], b"hello").status == 200
    assert api("GET", f"{UPLOADS}/{session}/file/a%20b.iso").json["status"] == "READY"
    assert api("GET", f"{ITEMS}/{item}/file").json == []
    assert api("POST", f"{UPLOADS}/{session}/file?action=validate").json["has_errors"] is False
    assert api("POST", f"{UPLOADS}/{session}?action=complete").status == 204
    assert state(api, session)["state"] == "DONE"
    (stored,) = api("GET", f"{ITEMS}/{item}/file").json
    assert (stored["size"], stored["checksum_info"]["checksum"]) == (5, hashlib.sha256(b"hello").hexdigest())
    assert api("GET", f"{ITEMS}/{item}").json["content_version"] == "2"
    assert api.inventory.places.datastores["datastore-11"].used == used + 5
    download = new_session(api, item, DOWNLOADS)
    (listed,) = api("GET", f"{DOWNLOADS}/{download}/file").json
    assert (listed["status"], listed["size"]) == ("UNPREPARED", 5)
    prepared = api("POST", f"{DOWNLOADS}/{download}/file?action=prepare", {"file_name": "a b.iso"}).json
    assert api("GET", f"{DOWNLOADS}/{download}/file?file_name=a%20b.iso").json == prepared
    assert transfer(api, "GET", prepared["download_endpoint"]["uri"]).response.body == b"hello"
    assert api("DELETE", f"{DOWNLOADS}/{download}").status == 204
    assert transfer(api, "GET", prepared["download_endpoint"]["uri"]).status == 404


def test_a_package_can_be_deployed(api: Api) -> None:
    """The machine is what the uploaded descriptor says."""
    item = new_item(api, "ovf")
    upload(api, item, small_ovf=DESCRIPTOR, disk1_vmdk=b"disk")
    path = f"/api/vcenter/ovf/library-item/{item}"
    target = {"resource_pool_id": "resgroup-9"}
    summary = api("POST", f"{path}?action=filter", {"target": target}).json
    assert (summary["name"], summary["networks"], summary["EULAs"]) == ("small-one", ["nat"], ["Ask first."])
    assert summary["additional_params"][0]["properties"][0]["id"] == "guestinfo.hostname"
    spec = {"deployment_spec": {"accept_all_EULA": True, "network_mappings": {"nat": "network-14"}}, "target": target}
    machine = api.inventory.machines[api("POST", f"{path}?action=deploy", spec).json["resource_id"]["id"]]
    assert (machine.name, machine.guest_os, machine.cpu.count) == ("small-one", "CENTOS_7_64", 2)
    assert (machine.memory.size_mib, [disk.capacity for disk in machine.disks.values()]) == (512, [8 << 30])


def test_a_new_upload_replaces_files(api: Api) -> None:
    """Others stay, but for those that were removed in the session."""
    item = new_item(api)
    upload(api, item, a_iso=b"a", b_iso=b"b", c_iso=b"c")
    session = new_session(api, item)
    transfer(api, "PUT", add(api, session, "a.iso")["upload_endpoint"]["uri"], b"new")
    assert api("DELETE", f"{UPLOADS}/{session}/file/b.iso").status == 204
    listed = {file["name"]: file["source_type"] for file in api("GET", f"{UPLOADS}/{session}/file").json}
    assert listed == {"a.iso": "PUSH", "c.iso": "NONE"}
    assert api("POST", f"{UPLOADS}/{session}?action=complete").status == 204
    files = {file["name"]: (file["size"], file["version"]) for file in api("GET", f"{ITEMS}/{item}/file").json}
    assert files == {"a.iso": (3, "2"), "c.iso": (1, "1")}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"size": 4}, "file_size_mismatch"),
        ({"size": 6}, "file_size_mismatch"),
        ({"checksum_info": {"algorithm": "SHA256", "checksum": "00"}}, "file_checksum_mismatch"),
    ],
    ids=["smaller", "larger", "checksum"],
)
def test_a_file_that_is_not_what_was_announced(api: Api, more: Any, message: str) -> None:
    """The session cannot be completed until it is uploaded anew."""
    session = new_session(api, new_item(api))
    url = add(api, session, "a.iso", **more)["upload_endpoint"]["uri"]
    transfer(api, "PUT", url, b"hello")
    (invalid,) = api("POST", f"{UPLOADS}/{session}/file?action=validate").json["invalid_files"]
    assert invalid["error_message"]["id"].endswith(message)
    complete = api("POST", f"{UPLOADS}/{session}?action=complete")
    assert refused(complete) == (400, "NOT_ALLOWED_IN_CURRENT_STATE", "files_missing")
    add(api, session, "a.iso")
    assert refused(api("POST", f"{UPLOADS}/{session}?action=complete"))[2] == "files_missing", "nothing is uploaded yet"


@pytest.mark.parametrize(
    ("algorithm", "checksum"),
    [
        ({}, hashlib.sha1(b"hello", usedforsecurity=False).hexdigest()),
        ({"algorithm": "MD5"}, hashlib.md5(b"hello", usedforsecurity=False).hexdigest().upper()),
        ({"algorithm": "SHA512"}, hashlib.sha512(b"hello").hexdigest()),
    ],
    ids=["SHA1 unless told otherwise", "MD5", "SHA512"],
)
def test_checksums(api: Api, algorithm: dict[str, str], checksum: str) -> None:
    """In upper or lower case."""
    session = new_session(api, new_item(api))
    file = add(api, session, "a.iso", checksum_info={**algorithm, "checksum": checksum})
    transfer(api, "PUT", file["upload_endpoint"]["uri"], b"hello")
    assert api("GET", f"{UPLOADS}/{session}/file/a.iso").json["status"] == "READY"


def test_a_package_that_is_not_complete(api: Api) -> None:
    """The files that its descriptor refers to are missing; it can be completed all the same."""
    session = new_session(api, new_item(api, "ovf"))
    transfer(api, "PUT", add(api, session, "small.ovf")["upload_endpoint"]["uri"], DESCRIPTOR)
    found = api("POST", f"{UPLOADS}/{session}/file?action=validate").json
    assert (found["has_errors"], found["missing_files"]) == (True, ["disk1.vmdk"])


@pytest.mark.parametrize(
    "content",
    [
        b"no XML",
        b"<Envelope/>",
        DESCRIPTOR.replace(b"byte * 2^30", b"barrels"),
        DESCRIPTOR.replace(b'"8"', b'"many"'),
        DESCRIPTOR.replace(b"<rasd:VirtualQuantity>512</rasd:VirtualQuantity>", b""),
    ],
    ids=["no XML", "no machine", "unit", "capacity", "memory"],
)
def test_a_descriptor_that_cannot_be_read(api: Api, content: bytes) -> None:
    """The session ends in an error, and the item stays as it was."""
    item = new_item(api, "ovf")
    session = new_session(api, item)
    transfer(api, "PUT", add(api, session, "small.ovf")["upload_endpoint"]["uri"], content)
    assert api("POST", f"{UPLOADS}/{session}/file?action=validate").json["invalid_files"][0]["name"] == "small.ovf"
    assert api("POST", f"{UPLOADS}/{session}?action=complete").status == 204
    ended = state(api, session)
    assert (ended["state"], ended["error_message"]["id"]) == ("ERROR", "com.vmware.vdcs.cls-main.update_failed")
    assert api("GET", f"{ITEMS}/{item}/file").json == []


def test_a_datastore_without_room(api: Api) -> None:
    """The session ends in an error; the last byte that is free can be used."""
    item = new_item(api)
    datastore = api.inventory.places.datastores["datastore-11"]
    datastore.used = datastore.capacity - 4
    session = upload(api, item, a_iso=b"hello")
    assert "free space" in state(api, session)["error_message"]["default_message"]
    assert state(api, upload(api, item, a_iso=b"four"))["state"] == "DONE"
    assert datastore.free == 0


@pytest.mark.parametrize(
    ("item", "more", "expected"),
    [
        (None, {}, (400, "INVALID_ARGUMENT", "field_missing")),
        ("none", {}, (404, "NOT_FOUND", "library_item_not_found")),
        (ISO_ITEM, {}, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        (VM_TEMPLATE_ITEM, {}, (400, "INVALID_ARGUMENT", "item_type_unsupported")),
        (OVF_ITEM, {"library_item_content_version": "9"}, (400, "INVALID_ARGUMENT", "content_version_mismatch")),
    ],
)
def test_what_cannot_be_uploaded_to(
    api: Api, item: str | None, more: dict[str, str], expected: tuple[int, str, str]
) -> None:
    """With the errors that are documented."""
    assert refused(api("POST", UPLOADS, {"library_item_id": item, **more})) == expected


def test_one_session_at_a_time(api: Api) -> None:
    """An item is updated in one session, until that has ended or expired."""
    first = new_session(api, OVF_ITEM)
    assert refused(api("POST", UPLOADS, {"library_item_id": OVF_ITEM})) == (500, "RESOURCE_BUSY", "item_in_session")
    assert api("POST", f"{UPLOADS}/{first}?action=cancel").status == 204
    second = new_session(api, OVF_ITEM)
    api.clock.advance(300)
    assert api("GET", f"{UPLOADS}/{second}").status == 404
    new_session(api, OVF_ITEM)


def test_sessions_expire(api: Api) -> None:
    """Five minutes after the last sign of life, and with them their URLs."""
    session = new_session(api, new_item(api))
    url = add(api, session, "a.iso")["upload_endpoint"]["uri"]
    api.clock.advance(299)
    assert api("POST", f"{UPLOADS}/{session}?action=keep-alive", {"client_progress": 40}).status == 204
    assert state(api, session)["client_progress"] == 40
    api.clock.advance(299)
    assert transfer(api, "PUT", url, b"").status == 200
    api.clock.advance(300)
    assert transfer(api, "PUT", url, b"").status == 404
    assert refused(api("GET", f"{UPLOADS}/{session}")) == (404, "NOT_FOUND", "session_not_found")


@pytest.mark.parametrize("sessions", [UPLOADS, DOWNLOADS], ids=["upload", "download"])
@pytest.mark.parametrize(
    ("action", "body", "ended"),
    [("cancel", None, "CANCELED"), ("fail", {"client_error_message": "the disk broke"}, "ERROR")],
)
def test_sessions_that_end(api: Api, sessions: str, action: str, body: Any, ended: str) -> None:
    """They are in no state for anything but being looked at and deleted."""
    session = new_session(api, OVF_ITEM, sessions)
    assert api("POST", f"{sessions}/{session}?action={action}", body).status == 204
    model = api("GET", f"{sessions}/{session}").json
    assert (model["state"], "error_message" in model) == (ended, ended == "ERROR")
    for again, text in (("cancel", None), ("fail", {"client_error_message": ""}), ("keep-alive", {})):
        answer = api("POST", f"{sessions}/{session}?action={again}", text)
        assert refused(answer) == (400, "NOT_ALLOWED_IN_CURRENT_STATE", "session_not_active")
    assert api("GET", f"{sessions}?library_item_id={OVF_ITEM}").json == [session]
    assert api("DELETE", f"{sessions}/{session}").status == 204
    assert api("GET", sessions).json == []


def test_an_active_upload_cannot_be_deleted(api: Api) -> None:
    """It has to be ended first; a download can be."""
    session = new_session(api, OVF_ITEM)
    assert refused(api("DELETE", f"{UPLOADS}/{session}"))[1:] == ("NOT_ALLOWED_IN_CURRENT_STATE", "session_active")


def test_sessions_of_others_are_not_listed(api: Api) -> None:
    """Nor can anybody upload who may only read."""
    new_session(api, OVF_ITEM)
    api.login(READONLY)
    assert api("GET", UPLOADS).json == []
    assert api("POST", UPLOADS, {"library_item_id": OVF_ITEM}).status == 403
    assert api("GET", f"{DOWNLOADS}?library_item_id=none").status == 404


@pytest.mark.parametrize(
    ("name", "source"), [("", "PUSH"), ("../a", "PUSH"), ("a", "NONE")], ids=["no name", "path", "no source"]
)
def test_files_that_cannot_be_added(api: Api, name: str, source: str) -> None:
    """They are invalid arguments."""
    session = new_session(api, OVF_ITEM)
    answer = api("POST", f"{UPLOADS}/{session}/file", {"name": name, "source_type": source})
    assert refused(answer) == (400, "INVALID_ARGUMENT", "invalid_file")


def test_the_simulator_fetches_nothing(api: Api) -> None:
    """A file that it should fetch has an error that says so."""
    session = new_session(api, OVF_ITEM)
    endpoint = {"uri": "https://files.example.com/a.iso"}
    spec = {"name": "a.iso", "source_type": "PULL", "source_endpoint": endpoint}
    file = api("POST", f"{UPLOADS}/{session}/file", spec).json
    assert (file["status"], "does not fetch" in file["error_message"]["default_message"]) == ("ERROR", True)


def test_files_that_were_made_up_have_no_content(api: Api) -> None:
    """The error says so."""
    session = new_session(api, ISO_ITEM, DOWNLOADS)
    name = "debian-12.5.0-amd64-netinst.iso"
    file = api("POST", f"{DOWNLOADS}/{session}/file?action=prepare", {"file_name": name}).json
    assert (file["status"], "download_endpoint" in file) == ("ERROR", False)
    assert "uploaded" in file["error_message"]["default_message"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{UPLOADS}/SESSION/file/none", None),
        ("DELETE", f"{UPLOADS}/SESSION/file/none", None),
        ("GET", f"{DOWNLOADS}/SESSION/file?file_name=none", None),
        ("POST", f"{DOWNLOADS}/SESSION/file?action=prepare", {"file_name": "none"}),
    ],
)
def test_files_that_are_not_there(api: Api, method: str, path: str, body: Any) -> None:
    """An invalid argument in a session that is there; else there is no session."""
    session = new_session(api, OVF_ITEM, path.partition("/SESSION")[0])
    answer = api(method, path.replace("SESSION", session), body)
    assert (answer.status, answer.error_type) == (400, "INVALID_ARGUMENT")
    assert refused(api(method, path, body)) == (404, "NOT_FOUND", "session_not_found")


def test_what_a_url_refuses(api: Api) -> None:
    """Another method, and a token that was never given."""
    session = new_session(api, OVF_ITEM)
    url = add(api, session, "a.iso")["upload_endpoint"]["uri"]
    assert transfer(api, "GET", url).status == 405
    assert transfer(api, "PUT", "https://vcenter/cls/data/none/a.iso").status == 404
    assert api("POST", f"{UPLOADS}/{session}?action=cancel").status == 204
    assert transfer(api, "PUT", url, b"late").status == 404


def test_tokens_make_creations_repeatable(api: Api) -> None:
    """As with the other operations of libraries."""
    token = {"client-token": "6c1d3c52-0f5c-4c0a-9a0f-4e4e5c0a7a11", "content-type": "application/json"}
    headers = {"vmware-api-session-id": api.session, **token}
    body = b'{"library_item_id": "%s"}' % OVF_ITEM.encode()
    answers = [api.request("POST", UPLOADS, body, headers=headers).json for _ in range(2)]
    assert answers[0] == answers[1]
