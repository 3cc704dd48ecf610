"""Content libraries: the libraries, their items, the files of these, and where they are stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.libraries import ISO_ITEM, MIRROR, OVF_ITEM, TEMPLATES, VM_TEMPLATE_ITEM
from gateway.simulator.library import CheckOut, File, Item, Library, Subscriber, Usage
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "NOT_THERE", "SUCCESSES", "checked_out", "item_with", "library_with"]

_LIBRARY = "content.v1.LibraryService"
CONVERT, DELETE, FORCE_DELETE = (f"{_LIBRARY}/{name}Library" for name in ("Convert", "Delete", "ForceDelete"))
ENTER, EXIT = f"{_LIBRARY}/EnterLibraryMaintenance", f"{_LIBRARY}/ExitLibraryMaintenance"
FIND, LIST = f"{_LIBRARY}/FindLibraries", f"{_LIBRARY}/ListLibraries"
GET, MIGRATE, UPDATE = (f"{_LIBRARY}/{name}Library" for name in ("Get", "Migrate", "Update"))
_ITEM = "content.library.v1.ItemService"
COPY_ITEM, CREATE_ITEM, DELETE_ITEM, GET_ITEM, PUBLISH_ITEM, UPDATE_ITEM = (
    f"{_ITEM}/{name}Item" for name in ("Copy", "Create", "Delete", "Get", "Publish", "Update")
)
FIND_ITEMS, LIST_ITEMS = f"{_ITEM}/FindItems", f"{_ITEM}/ListItems"
_FILE, _STORAGE = "content.library.item.v1.FileService", "content.library.item.v1.StorageService"
GET_FILE, LIST_FILES = f"{_FILE}/GetItemFile", f"{_FILE}/ListItemFiles"
GET_STORAGE, LIST_STORAGE = f"{_STORAGE}/GetItemStorage", f"{_STORAGE}/ListItemStorage"

MESSAGES = "com.vmware.vdcs.cls-main"
NOT_THERE = "00000000-0000-4000-8000-000000000000"
TOKEN = "5e2c81d7-40b3-4a6f-9d18-c7b0a2f3e64d"
SUBSCRIPTION = "9a0d4c7e-5b31-4f86-92e7-3d6c18f0a5b4"
STARTED = "2026-01-15T12:00:00Z"
USED = {NOT_THERE: Usage("urn:vmomi:vm:vm-1001", datetime(2026, 1, 15, 12, tzinfo=UTC))}
ISO = "debian-12.5.0-amd64-netinst.iso"
ISO_SIZE = 629 << 20
TO_PUBLISHED = {"conversion_type": "LIBRARY_CONVERSION_SPEC_CONVERSION_TYPE_TO_PUBLISHED_LIBRARY"}


def library(simulator: Simulator, identifier: str) -> Library:
    return simulator.inventory.libraries.library(identifier)


def item(simulator: Simulator, identifier: str) -> Item:
    return simulator.inventory.libraries.item(identifier)


def library_with(identifier: str = TEMPLATES, **values: Any) -> Setup:
    """A library with other attributes."""

    def setup(simulator: Simulator) -> None:
        for name, value in values.items():
            setattr(library(simulator, identifier), name, value)

    return setup


def item_with(identifier: str, **values: Any) -> Setup:
    """An item with other attributes."""

    def setup(simulator: Simulator) -> None:
        for name, value in values.items():
            setattr(item(simulator, identifier), name, value)

    return setup


def checked_out(vm: str = "vm-1002") -> Setup:
    """A machine that is checked out of the template since the start."""

    def setup(simulator: Simulator) -> None:
        check_out = CheckOut(vm, "VSPHERE.LOCAL\\administrator", simulator.options.clock())
        simulator.inventory.libraries.begin_check_out(item(simulator, VM_TEMPLATE_ITEM), check_out)

    return setup


def library_is(identifier: str, **expected: Any) -> Any:
    """The answer is empty, and the library has these attributes."""

    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        assert {name: getattr(library(simulator, identifier), name) for name in expected} == expected

    return check


def item_is(identifier: str, **expected: Any) -> Any:
    """The answer is empty, and the item has these attributes."""

    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        assert {name: getattr(item(simulator, identifier), name) for name in expected} == expected

    return check


def library_is_gone(response: Json, simulator: Simulator) -> None:
    assert response == {}
    assert TEMPLATES not in simulator.inventory.libraries.libraries
    assert OVF_ITEM not in simulator.inventory.libraries.items


def item_is_gone(response: Json, simulator: Simulator) -> None:
    assert response == {}
    assert OVF_ITEM not in simulator.inventory.libraries.items


def is_new_item(response: Json, simulator: Simulator) -> None:
    new = item(simulator, response["item"])
    assert (new.name, new.library, new.type, new.description) == ("scripts", TEMPLATES, "script", "Shell scripts")


def is_copy(response: Json, simulator: Simulator) -> None:
    new = item(simulator, response["item"])
    assert (new.name, new.library, new.source) == ("photon-5-copy", TEMPLATES, OVF_ITEM)


def is_remembered(response: Json, simulator: Simulator) -> None:
    assert list(simulator.inventory.client_tokens.values()) == [response["item"]]


def backing(datastore: str) -> Json:
    return {"type": "LIBRARY_STORAGE_BACKING_TYPE_DATASTORE", "datastore_id": datastore}


def migrate(*backings: Json, library_id: str = MIRROR) -> Json:
    return {"library_id": library_id, "spec": {"storage_backings": list(backings)}}


def create(**spec: Any) -> Json:
    return {"spec": {"library_id": TEMPLATES, "name": "scripts", **spec}}


def copy(**spec: Any) -> Json:
    return {"source_library_item_id": OVF_ITEM, "spec": {"library_id": TEMPLATES, "name": "photon-5-copy", **spec}}


TEMPLATES_MODEL = {
    "id": TEMPLATES,
    "name": "templates",
    "description": "",
    "type": "LIBRARY_MODEL_LIBRARY_TYPE_LOCAL",
    "creation_time": STARTED,
    "last_modified_time": STARTED,
    "version": "1",
    "server_guid": "5d2c7a4e-91f0-4b86-a3c5-1e6f0d8b42a7",
    "storage_backings": [backing("datastore-11")],
    "optimization_info": {"optimize_remote_publishing": False},
    "publish_info": {
        "authentication_method": "LIBRARY_PUBLISH_INFO_AUTHENTICATION_METHOD_NONE",
        "published": False,
        "publish_url": f"https://vcenter.vsphere.local/cls/vcsp/lib/{TEMPLATES}/lib.json",
        "persist_json_enabled": False,
    },
    "state_info": {"state": "LIBRARY_STATE_INFO_STATE_ACTIVE"},
    "configuration_info": {"apply_library_usage_to_items": False},
}


def is_subscribed(response: Json, simulator: Simulator) -> None:
    model = response["library"]
    assert model["type"] == "LIBRARY_MODEL_LIBRARY_TYPE_SUBSCRIBED"
    assert model["last_sync_time"] == STARTED
    assert model["state_info"]["message"] == "Disks are replaced."
    assert model["security_policy_id"] == "6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23"
    assert model["subscription_info"] == {
        "authentication_method": "LIBRARY_SUBSCRIPTION_INFO_AUTHENTICATION_METHOD_NONE",
        "automatic_sync_enabled": True,
        "on_demand": False,
        "subscription_url": "https://publisher.example.com/cls/vcsp/lib/2f64c8a0/lib.json",
    }
    assert "publish_info" not in model


LIBRARY_SUCCESSES = (
    Success(id="both kinds", rpc=LIST, request={}, response={"libraries": [TEMPLATES, MIRROR]}),
    Success(id="a local one", rpc=GET, request={"library_id": TEMPLATES}, response={"library": TEMPLATES_MODEL}),
    Success(
        id="a subscribed one in maintenance",
        rpc=GET,
        request={"library_id": MIRROR},
        setup=library_with(
            MIRROR,
            state="MAINTENANCE",
            state_message="Disks are replaced.",
            security_policy="6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23",
        ),
        check=is_subscribed,
    ),
    Success(id="by name", rpc=FIND, request={"spec": {"name": "Templates"}}, response={"libraries": [TEMPLATES]}),
    Success(
        id="by kind and storage",
        rpc=FIND,
        request={
            "spec": {
                "type": "LIBRARY_MODEL_LIBRARY_TYPE_SUBSCRIBED",
                "storage_backing": backing("datastore-12"),
            }
        },
        response={"libraries": [MIRROR]},
    ),
    Success(id="none", rpc=FIND, request={"spec": {"name": "temp"}}, response={}),
    Success(
        id="name and description",
        rpc=UPDATE,
        request={"library_id": TEMPLATES, "spec": {"name": "golden", "description": "x", "version": "1"}},
        check=library_is(TEMPLATES, name="golden", description="x", version=2),
    ),
    Success(
        id="a security policy, and the protection of items",
        rpc=UPDATE,
        request={
            "library_id": TEMPLATES,
            "spec": {
                "security_policy_id": "6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23",
                "configuration_info": {"apply_library_usage_to_items": True},
            },
        },
        check=library_is(TEMPLATES, security_policy="6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23", usage_protects_items=True),
    ),
    Success(
        id="into maintenance",
        rpc=ENTER,
        request={"library_id": TEMPLATES},
        check=library_is(TEMPLATES, state="MAINTENANCE"),
    ),
    Success(
        id="out of maintenance",
        rpc=EXIT,
        request={"library_id": TEMPLATES},
        setup=library_with(state="MAINTENANCE"),
        check=library_is(TEMPLATES, state="ACTIVE"),
    ),
    Success(
        id="to another datastore",
        rpc=MIGRATE,
        request=migrate(backing("datastore-11")),
        check=library_is(MIRROR, state="MAINTENANCE", migrating=True),
    ),
    Success(
        id="to a published library",
        rpc=CONVERT,
        request={"library_id": MIRROR, "spec": TO_PUBLISHED},
        check=library_is(MIRROR, type="LOCAL", published=True),
    ),
    Success(id="unused", rpc=DELETE, request={"library_id": TEMPLATES}, check=library_is_gone),
    Success(
        id="used",
        rpc=FORCE_DELETE,
        request={"library_id": TEMPLATES},
        setup=library_with(usages=USED),
        check=library_is_gone,
    ),
)


def file_info(name: str, size: int, item_id: str, library_id: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1",
        "cached": True,
        "size": str(size),
        "checksum_info": {"algorithm": "FILE_CHECKSUM_ALGORITHM_SHA256", "checksum": File(name, size).checksum},
        "file_download_endpoint": f"https://vcenter.vsphere.local/cls/static/{library_id}/{item_id}/{name}?version=1",
    }


ISO_FILE = file_info(ISO, ISO_SIZE, ISO_ITEM, MIRROR)
ISO_STORAGE = {
    **ISO_FILE,
    "storage_backing": backing("datastore-12"),
    "storage_uris": [f"ds:///vmfs/volumes/65a4c1d2-0000000c-7f3e-00505600000c/contentlib-{MIRROR}/{ISO_ITEM}/{ISO}"],
}
OVF_MODEL = {
    "id": OVF_ITEM,
    "library_id": TEMPLATES,
    "name": "photon-5",
    "description": "Photon OS 5 with its tools",
    "type": "ovf",
    "creation_time": STARTED,
    "last_modified_time": STARTED,
    "content_version": "1",
    "metadata_version": "1",
    "version": "1",
    "cached": True,
    "size": str((712 << 20) + 11_418 + 213),
    "security_compliance": True,
    "certificate_verification_info": {"status": "ITEM_CERT_VERIFICATION_STATUS_NOT_AVAILABLE"},
}

ITEM_SUCCESSES = (
    Success(id="an OVF template", rpc=GET_ITEM, request={"library_item_id": OVF_ITEM}, response={"item": OVF_MODEL}),
    Success(
        id="of a library",
        rpc=LIST_ITEMS,
        request={"library_id": TEMPLATES},
        response={"items": [OVF_ITEM, VM_TEMPLATE_ITEM]},
    ),
    Success(
        id="by name and library",
        rpc=FIND_ITEMS,
        request={"spec": {"name": "PHOTON-5", "library_id": TEMPLATES, "cached": True, "type": "ovf"}},
        response={"items": [OVF_ITEM]},
    ),
    Success(
        id="by source",
        rpc=FIND_ITEMS,
        request={"spec": {"source_id": "c5e8a3d7-60f9-4b14-8d2c-e7b1f05a9364"}},
        response={"items": [ISO_ITEM]},
    ),
    Success(id="none", rpc=FIND_ITEMS, request={"spec": {"name": "photon"}}, response={}),
    Success(
        id="without files",
        rpc=CREATE_ITEM,
        request=create(type="script", description="Shell scripts"),
        check=is_new_item,
    ),
    Success(id="with a token", rpc=CREATE_ITEM, request={**create(), "client_token": TOKEN}, check=is_remembered),
    Success(id="within the library", rpc=COPY_ITEM, request=copy(), check=is_copy),
    Success(id="with a token", rpc=COPY_ITEM, request={**copy(), "client_token": TOKEN}, check=is_remembered),
    Success(
        id="all that can change",
        rpc=UPDATE_ITEM,
        request={
            "library_item_id": OVF_ITEM,
            "spec": {"name": "photon", "description": "x", "type": "ova", "version": "1"},
        },
        check=item_is(OVF_ITEM, name="photon", description="x", type="ova", version=2),
    ),
    Success(id="of a local library", rpc=DELETE_ITEM, request={"library_item_id": OVF_ITEM}, check=item_is_gone),
    Success(
        id="to all subscriptions",
        rpc=PUBLISH_ITEM,
        request={"library_item_id": OVF_ITEM, "force_sync_content": True},
        setup=library_with(published=True),
        response={},
    ),
    Success(
        id="to one subscription",
        rpc=PUBLISH_ITEM,
        request={
            "library_item_id": OVF_ITEM,
            "force_sync_content": False,
            "subscriptions": [{"subscription": SUBSCRIPTION}],
        },
        setup=library_with(published=True, subscribers={SUBSCRIPTION: Subscriber(NOT_THERE, "elsewhere")}),
        response={},
    ),
    Success(id="of an image", rpc=LIST_FILES, request={"library_item_id": ISO_ITEM}, response={"files": [ISO_FILE]}),
    Success(
        id="by name", rpc=GET_FILE, request={"library_item_id": ISO_ITEM, "name": ISO}, response={"file": ISO_FILE}
    ),
    Success(
        id="of an image",
        rpc=LIST_STORAGE,
        request={"library_item_id": ISO_ITEM},
        response={"storage": [ISO_STORAGE]},
    ),
    Success(
        id="by name",
        rpc=GET_STORAGE,
        request={"library_item_id": ISO_ITEM, "file_name": ISO},
        response={"storage": [ISO_STORAGE]},
    ),
)
SUCCESSES = (*LIBRARY_SUCCESSES, *ITEM_SUCCESSES)


def refused(rpc: str, error: str, message: str, request: Json, setup: Setup | None = None, **more: Any) -> ErrorCase:
    """A refusal with one message of the content library."""
    return ErrorCase(rpc=rpc, error=error, request=request, messages=(f"{MESSAGES}.{message}",), setup=setup, **more)


NOT_ALLOWED, INVALID, WRONG_KIND = "NOT_ALLOWED_IN_CURRENT_STATE", "INVALID_ARGUMENT", "INVALID_ELEMENT_TYPE"

NOT_FOUND_CASES = (
    *(
        refused(rpc, "NOT_FOUND", "library_not_found", {**request, "library_id": NOT_THERE})
        for rpc, request in (
            (CONVERT, {"spec": TO_PUBLISHED}),
            (DELETE, {}),
            (FORCE_DELETE, {}),
            (ENTER, {}),
            (EXIT, {}),
            (GET, {}),
            (MIGRATE, migrate(backing("datastore-11"))),
            (UPDATE, {"spec": {"name": "x"}}),
            (LIST_ITEMS, {}),
        )
    ),
    *(
        refused(rpc, "NOT_FOUND", "library_item_not_found", {**request, "library_item_id": NOT_THERE})
        for rpc, request in (
            (DELETE_ITEM, {}),
            (GET_ITEM, {}),
            (PUBLISH_ITEM, {"force_sync_content": False}),
            (UPDATE_ITEM, {"spec": {}}),
            (GET_FILE, {"name": ISO}),
            (LIST_FILES, {}),
            (GET_STORAGE, {"file_name": ISO}),
            (LIST_STORAGE, {}),
        )
    ),
    refused(
        COPY_ITEM, "NOT_FOUND", "library_item_not_found", {**copy(), "source_library_item_id": NOT_THERE}, id="item"
    ),
    refused(COPY_ITEM, "NOT_FOUND", "library_not_found", copy(library_id=NOT_THERE), id="library"),
    refused(CREATE_ITEM, "NOT_FOUND", "library_not_found", create(library_id=NOT_THERE)),
    refused(
        GET_FILE, "NOT_FOUND", "library_item_file_not_found", {"library_item_id": ISO_ITEM, "name": "x"}, id="file"
    ),
    refused(
        GET_STORAGE,
        "NOT_FOUND",
        "library_item_file_not_found",
        {"library_item_id": ISO_ITEM, "file_name": "x"},
        id="file",
    ),
)

LIBRARY_ERRORS = (
    refused(FIND, INVALID, "empty_find_spec", {"spec": {}}),
    refused(UPDATE, INVALID, "name_empty", {"library_id": TEMPLATES, "spec": {"name": " "}}, id="empty name"),
    refused(UPDATE, INVALID, "name_too_long", {"library_id": TEMPLATES, "spec": {"name": "x" * 81}}, id="long name"),
    refused(
        UPDATE,
        INVALID,
        "description_too_long",
        {"library_id": TEMPLATES, "spec": {"description": "x" * 2001}},
        id="long description",
    ),
    refused(
        UPDATE, INVALID, "library_version_mismatch", {"library_id": TEMPLATES, "spec": {"version": "9"}}, id="version"
    ),
    refused(
        UPDATE,
        INVALID,
        "security_policy_not_found",
        {"library_id": TEMPLATES, "spec": {"security_policy_id": NOT_THERE}},
        id="policy",
    ),
    refused(ENTER, NOT_ALLOWED, "library_in_maintenance", {"library_id": TEMPLATES}, library_with(state="MAINTENANCE")),
    refused(EXIT, NOT_ALLOWED, "library_not_in_maintenance", {"library_id": TEMPLATES}, id="active"),
    refused(
        EXIT,
        NOT_ALLOWED,
        "library_not_in_maintenance",
        {"library_id": TEMPLATES},
        library_with(state="MAINTENANCE", migrating=True),
        id="migrating",
    ),
    refused(MIGRATE, INVALID, "invalid_storage_backing", migrate(backing("datastore-9")), id="no such datastore"),
    refused(MIGRATE, INVALID, "invalid_storage_backing", migrate(*[backing("datastore-11")] * 2), id="two datastores"),
    refused(MIGRATE, "ALREADY_IN_DESIRED_STATE", "library_on_storage", migrate(backing("datastore-12"))),
    refused(
        MIGRATE,
        "UNSUPPORTED",
        "storage_type_unsupported",
        migrate({"type": "LIBRARY_STORAGE_BACKING_TYPE_OTHER", "storage_uri": "nfs://files.example.com/x"}),
        id="to a file system",
    ),
    refused(
        MIGRATE,
        "UNSUPPORTED",
        "storage_type_unsupported",
        migrate(backing("datastore-11")),
        library_with(MIRROR, storage_type="OTHER"),
        id="from a file system",
    ),
    refused(
        MIGRATE,
        NOT_ALLOWED,
        "library_in_maintenance",
        migrate(backing("datastore-11")),
        library_with(MIRROR, state="MAINTENANCE"),
        id="in maintenance",
    ),
    refused(
        MIGRATE,
        NOT_ALLOWED,
        "library_has_vm_templates",
        migrate(backing("datastore-12"), library_id=TEMPLATES),
        id="virtual machine templates",
    ),
    refused(
        MIGRATE,
        "ERROR",
        "storage_full",
        migrate(backing("datastore-11")),
        lambda simulator: setattr(simulator.inventory.places.datastores["datastore-11"], "capacity", 0),
    ),
    refused(CONVERT, WRONG_KIND, "invalid_library_type", {"library_id": TEMPLATES, "spec": TO_PUBLISHED}),
    refused(
        CONVERT,
        INVALID,
        "library_not_subscribed",
        {"library_id": MIRROR, "spec": TO_PUBLISHED},
        library_with(MIRROR, subscription=None),
    ),
    refused(
        CONVERT,
        NOT_ALLOWED,
        "library_not_synchronized",
        {"library_id": MIRROR, "spec": TO_PUBLISHED},
        lambda simulator: setattr(item(simulator, ISO_ITEM).files[ISO], "cached", False),
    ),
    refused(DELETE, NOT_ALLOWED, "library_in_use", {"library_id": TEMPLATES}, library_with(usages=USED)),
    ErrorCase(
        rpc=FORCE_DELETE,
        error=NOT_ALLOWED,
        request={"library_id": TEMPLATES},
        messages=("com.vmware.vdcs.vmtx-main.item_checked_out",),
        setup=checked_out(),
    ),
    refused(
        FORCE_DELETE,
        NOT_ALLOWED,
        "library_migrating",
        {"library_id": TEMPLATES},
        library_with(migrating=True),
        id="migrating",
    ),
)

DELETED, IN_MAINTENANCE = library_with(contents_deleted=True), library_with(state="MAINTENANCE")
ITEM_ERRORS = (
    refused(FIND_ITEMS, INVALID, "empty_find_spec", {"spec": {}}),
    refused(CREATE_ITEM, INVALID, "name_empty", create(name=""), id="empty name"),
    refused(CREATE_ITEM, INVALID, "name_too_long", create(name="x" * 81), id="long name"),
    refused(CREATE_ITEM, INVALID, "description_too_long", create(description="x" * 2001), id="long description"),
    refused(CREATE_ITEM, INVALID, "field_missing", {"spec": {"name": "x"}}, id="no library"),
    refused(CREATE_ITEM, INVALID, "invalid_client_token", {**create(), "client_token": "x"}, id="token"),
    refused(CREATE_ITEM, WRONG_KIND, "invalid_library_type", create(library_id=MIRROR)),
    refused(CREATE_ITEM, NOT_ALLOWED, "library_contents_deleted", create(), DELETED, id="deleted"),
    refused(CREATE_ITEM, NOT_ALLOWED, "library_in_maintenance", create(), IN_MAINTENANCE, id="in maintenance"),
    refused(
        CREATE_ITEM,
        "ALREADY_EXISTS",
        "duplicate_library_item_name_unsupported_in_library",
        create(name="Photon-5"),
    ),
    refused(COPY_ITEM, INVALID, "field_missing", copy(name=None), id="no name"),
    refused(
        COPY_ITEM,
        INVALID,
        "duplicate_library_item_name_unsupported_in_library",
        copy(name="photon-5"),
        id="taken name",
    ),
    refused(COPY_ITEM, INVALID, "invalid_client_token", {**copy(), "client_token": "x"}, id="token"),
    refused(COPY_ITEM, WRONG_KIND, "invalid_library_type", copy(library_id=MIRROR)),
    refused(COPY_ITEM, NOT_ALLOWED, "library_contents_deleted", copy(), DELETED, id="deleted"),
    refused(
        COPY_ITEM,
        "RESOURCE_INACCESSIBLE",
        "storage_inaccessible",
        copy(),
        lambda simulator: setattr(simulator.inventory.places.datastores["datastore-11"], "accessible", False),
    ),
    refused(DELETE_ITEM, WRONG_KIND, "invalid_library_type", {"library_item_id": ISO_ITEM}),
    refused(
        DELETE_ITEM, NOT_ALLOWED, "library_in_maintenance", {"library_item_id": OVF_ITEM}, IN_MAINTENANCE, id="library"
    ),
    refused(
        DELETE_ITEM,
        NOT_ALLOWED,
        "library_in_use",
        {"library_item_id": OVF_ITEM},
        library_with(usages=USED, usage_protects_items=True),
        id="used",
    ),
    ErrorCase(
        rpc=DELETE_ITEM,
        error=NOT_ALLOWED,
        request={"library_item_id": VM_TEMPLATE_ITEM},
        messages=("com.vmware.vdcs.vmtx-main.item_checked_out",),
        setup=checked_out(),
    ),
    refused(
        PUBLISH_ITEM, WRONG_KIND, "invalid_library_type", {"library_item_id": ISO_ITEM, "force_sync_content": False}
    ),
    refused(
        PUBLISH_ITEM, NOT_ALLOWED, "library_not_published", {"library_item_id": OVF_ITEM, "force_sync_content": False}
    ),
    refused(
        PUBLISH_ITEM,
        INVALID,
        "subscription_not_found",
        {
            "library_item_id": OVF_ITEM,
            "force_sync_content": False,
            "subscriptions": [{"subscription": SUBSCRIPTION}],
        },
        library_with(published=True),
    ),
    refused(UPDATE_ITEM, WRONG_KIND, "invalid_library_type", {"library_item_id": ISO_ITEM, "spec": {"name": "x"}}),
    refused(UPDATE_ITEM, INVALID, "name_empty", {"library_item_id": OVF_ITEM, "spec": {"name": ""}}, id="empty name"),
    refused(
        UPDATE_ITEM,
        INVALID,
        "library_item_version_mismatch",
        {"library_item_id": OVF_ITEM, "spec": {"version": "2"}},
        id="version",
    ),
    refused(
        UPDATE_ITEM,
        "ALREADY_EXISTS",
        "duplicate_library_item_name_unsupported_in_library",
        {"library_item_id": OVF_ITEM, "spec": {"name": "golden-image"}},
    ),
    refused(
        UPDATE_ITEM,
        NOT_ALLOWED,
        "library_contents_deleted",
        {"library_item_id": OVF_ITEM, "spec": {"name": "x"}},
        library_with(persist_json=True, contents_deleted=True),
    ),
    *(
        refused(
            rpc,
            "UNSUPPORTED",
            "file_name_unsupported",
            {"library_item_id": OVF_ITEM, **request},
            item_with(OVF_ITEM, files={"100%.txt": File("100%.txt", 1)}),
        )
        for rpc, request in ((GET_FILE, {"name": "100%.txt"}), (LIST_FILES, {}))
    ),
)
ERRORS = (*NOT_FOUND_CASES, *LIBRARY_ERRORS, *ITEM_ERRORS)
