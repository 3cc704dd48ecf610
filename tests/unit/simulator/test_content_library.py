"""Content libraries over several calls: items, copies, versions of properties, tokens, maintenance, migration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.simulator import ManualClock
from gateway.simulator.libraries import ISO_ITEM, MIRROR, OVF_ITEM, TEMPLATES, VM_TEMPLATE_ITEM
from gateway.simulator.library import File
from gateway.simulator.releases import RELEASES
from tests.unit.simulator.harness import Answer, Api

LIBRARY, ITEM = "/api/content/library", "/api/content/library/item"
TOKEN = "5e2c81d7-40b3-4a6f-9d18-c7b0a2f3e64d"


def library(api: Api, identifier: str) -> Any:
    return api("GET", f"{LIBRARY}/{identifier}").json


def item(api: Api, identifier: str) -> Any:
    return api("GET", f"{ITEM}/{identifier}").json


def items(api: Api, identifier: str) -> Any:
    return api("GET", f"{ITEM}?library_id={identifier}").json


def create(api: Api, name: str, *, token: str = "", target: str = ITEM, **spec: Any) -> Answer:
    """Creates an item, with a token as releases since 9.0 expect it."""
    headers = {"vmware-api-session-id": api.session, "content-type": "application/json"}
    if token:
        headers["client-token"] = token
    body = json.dumps({"library_id": TEMPLATES, "name": name, **spec}).encode()
    return api.request("POST", target, body, headers=headers)


def copy(api: Api, source: str, name: str, to: str = TEMPLATES, **spec: Any) -> Answer:
    return api("POST", f"{ITEM}/{source}?action=copy", {"library_id": to, "name": name, **spec})


def used(api: Api, datastore: str) -> int:
    return api.inventory.places.datastores[datastore].used


def test_what_is_there_at_the_start(api: Api) -> None:
    """A local library with both kinds of templates, and a subscribed one with an image."""
    assert api("GET", LIBRARY).json == [TEMPLATES, MIRROR]
    assert items(api, TEMPLATES) == [OVF_ITEM, VM_TEMPLATE_ITEM]
    assert items(api, MIRROR) == [ISO_ITEM]
    assert {item(api, key)["type"] for key in (OVF_ITEM, VM_TEMPLATE_ITEM, ISO_ITEM)} == {"ovf", "vm-template", "iso"}


def test_an_inventory_without_a_template_has_no_virtual_machine_template(clock: ManualClock) -> None:
    """The library is there all the same."""
    api = Api(clock, vms=3)
    api.login()
    assert items(api, TEMPLATES) == [OVF_ITEM]


def test_two_inventories_have_the_same_identifiers(clock: ManualClock) -> None:
    """New ones included."""
    identifiers = []
    for _ in range(2):
        api = Api(clock)
        api.login()
        identifiers.append([create(api, name).json for name in ("a", "b")])
    assert identifiers[0] == identifiers[1]
    assert identifiers[0][0] != identifiers[0][1]


def test_a_library_is_found_by_all_of_its_properties(api: Api) -> None:
    """Names in upper or lower case; all properties have to match."""

    def found(**spec: Any) -> Any:
        return api("POST", f"{LIBRARY}?action=find", spec).json

    assert found(name="TEMPLATES") == [TEMPLATES]
    assert found(type="SUBSCRIBED") == [MIRROR]
    assert found(storage_backing={"type": "DATASTORE", "datastore_id": "datastore-12"}) == [MIRROR]
    assert found(name="templates", type="SUBSCRIBED") == []
    assert found(name="templ") == []


def test_an_item_is_found_by_all_of_its_properties(api: Api) -> None:
    """Names and types in upper or lower case; all properties have to match."""

    def found(**spec: Any) -> Any:
        return api("POST", f"{ITEM}?action=find", spec).json

    assert found(type="OVF") == [OVF_ITEM]
    assert found(name="Photon-5", library_id=TEMPLATES, cached=True) == [OVF_ITEM]
    assert found(name="photon-5", library_id=MIRROR) == []
    assert found(source_id=item(api, ISO_ITEM)["source_id"]) == [ISO_ITEM]
    assert found(cached=False) == []


def test_changes_count_and_guard_against_each_other(api: Api, clock: ManualClock) -> None:
    """A change with the version that was read succeeds once."""
    clock.advance(60)
    before = item(api, OVF_ITEM)
    change = {"description": "changed", "version": before["version"]}
    assert api("PATCH", f"{ITEM}/{OVF_ITEM}", change).status == 204
    after = item(api, OVF_ITEM)
    assert int(after["version"]) == int(before["version"]) + 1
    assert after["last_modified_time"] > before["last_modified_time"]
    assert (after["description"], after["name"], after["content_version"]) == ("changed", "photon-5", "1")
    assert api("PATCH", f"{ITEM}/{OVF_ITEM}", change).error_type == "INVALID_ARGUMENT"


def test_changes_of_a_library_count_too(api: Api) -> None:
    """And nothing changes when one of them is not valid."""
    version = library(api, TEMPLATES)["version"]
    change = {"name": "golden", "description": "", "version": version}
    assert api("PATCH", f"{LIBRARY}/{TEMPLATES}", change).status == 204
    assert api("PATCH", f"{LIBRARY}/{TEMPLATES}", {**change, "name": "again"}).error_type == "INVALID_ARGUMENT"
    assert api("PATCH", f"{LIBRARY}/{TEMPLATES}", {"name": "x", "security_policy_id": "no"}).status == 400
    assert library(api, TEMPLATES)["name"] == "golden"


def test_a_security_policy_comes_and_goes(api: Api) -> None:
    """Unsetting wins over setting."""
    policy = {"security_policy_id": "6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23"}
    assert "security_policy_id" not in library(api, TEMPLATES)
    api("PATCH", f"{LIBRARY}/{TEMPLATES}", policy)
    api("PATCH", f"{LIBRARY}/{TEMPLATES}", {"description": "it stays"})
    assert library(api, TEMPLATES)["security_policy_id"] == policy["security_policy_id"]
    api("PATCH", f"{LIBRARY}/{TEMPLATES}", {**policy, "unset_security_policy_id": True})
    assert "security_policy_id" not in library(api, TEMPLATES)


def test_a_new_item_is_empty(api: Api) -> None:
    """It has no files, no size, and versions that begin with 1."""
    new = create(api, "scripts", type="script").json
    expected = {"name": "scripts", "type": "script", "description": "", "size": 0, "cached": True}
    assert expected.items() <= item(api, new).items()
    assert {item(api, new)[name] for name in ("version", "content_version", "metadata_version")} == {"1"}
    assert api("GET", f"{ITEM}/{new}/file").json == api("GET", f"{ITEM}/{new}/storage").json == []


def test_a_name_is_free_again_after_its_item(api: Api) -> None:
    """Names are unique within a library, in upper or lower case."""
    first = create(api, "scripts").json
    assert create(api, "Scripts").error_type == "ALREADY_EXISTS"
    assert api("DELETE", f"{ITEM}/{first}").status == 204
    assert api("DELETE", f"{ITEM}/{first}").error_type == "NOT_FOUND"
    assert create(api, "Scripts").status == 201


def test_the_same_token_again_gives_the_first_result(api: Api) -> None:
    """Another token, and none, are other calls."""
    first = create(api, "scripts", token=TOKEN)
    again = create(api, "scripts", token=TOKEN.upper())
    assert (first.status, again.status) == (201, 201)
    assert first.json == again.json
    assert create(api, "scripts", token=TOKEN[::-1].replace("-", "")).error_type == "ALREADY_EXISTS"
    assert create(api, "scripts").error_type == "ALREADY_EXISTS"


@pytest.mark.parametrize("release", ["7.0.3", "8.0.2"])
def test_older_releases_expect_the_token_in_the_query(clock: ManualClock, release: str) -> None:
    """There, a header field means nothing; newer releases do not know the parameter."""
    api = Api(clock, release=RELEASES[release])
    api.login()
    target = f"{ITEM}?client_token={TOKEN}"
    first = create(api, "scripts", target=target)
    assert create(api, "scripts", target=target).json == first.json
    assert create(api, "scripts", token=TOKEN).error_type == "ALREADY_EXISTS"
    newest = Api(clock)
    newest.login()
    assert create(newest, "scripts", target=target).error_type == "INVALID_ARGUMENT"


def test_a_call_that_failed_is_not_remembered(api: Api) -> None:
    """With the same token it can succeed later; for another operation the token is another one."""
    assert create(api, "photon-5", token=TOKEN).error_type == "ALREADY_EXISTS"
    first = create(api, "photon-6", token=TOKEN)
    assert first.status == 201
    target = f"{ITEM}/{OVF_ITEM}?action=copy"
    copied = create(api, "photon-7", token=TOKEN, target=target)
    assert copied.status == 200
    assert copied.json != first.json
    assert create(api, "photon-7", token=TOKEN, target=target).json == copied.json


def test_a_copy_gets_its_files_later(api: Api, clock: ManualClock) -> None:
    """They take up space, and belong to the copy alone; it says what it was copied from."""
    before = used(api, "datastore-11")
    new = copy(api, OVF_ITEM, "photon-5-copy").json
    assert (item(api, new)["size"], item(api, new)["content_version"]) == (0, "1")
    clock.advance(600)
    assert (item(api, new)["size"], item(api, new)["content_version"]) == (item(api, OVF_ITEM)["size"], "2")
    assert item(api, new)["source_id"] == OVF_ITEM
    assert used(api, "datastore-11") == before + item(api, OVF_ITEM)["size"]
    assert api("DELETE", f"{ITEM}/{new}").status == 204
    assert used(api, "datastore-11") == before
    assert [file["name"] for file in api("GET", f"{ITEM}/{OVF_ITEM}/file").json] != []


def test_a_copy_without_room_goes_again(api: Api, clock: ManualClock) -> None:
    """The call has succeeded by then."""
    datastore = api.inventory.places.datastores["datastore-11"]
    new = copy(api, OVF_ITEM, "photon-5-copy").json
    datastore.capacity = datastore.used
    clock.advance(600)
    assert api("GET", f"{ITEM}/{new}").error_type == "NOT_FOUND"
    assert datastore.used == datastore.capacity


def test_a_copy_that_was_deleted_meanwhile_stays_away(api: Api, clock: ManualClock) -> None:
    """Nothing is copied any more."""
    before = used(api, "datastore-11")
    new = copy(api, OVF_ITEM, "photon-5-copy").json
    assert api("DELETE", f"{ITEM}/{new}").status == 204
    clock.advance(600)
    assert api("GET", f"{ITEM}/{new}").error_type == "NOT_FOUND"
    assert used(api, "datastore-11") == before


def test_a_virtual_machine_template_is_copied_with_its_machine(api: Api, clock: ManualClock) -> None:
    """The copy has a machine of its own, which goes with it."""
    new = copy(api, VM_TEMPLATE_ITEM, "golden-copy").json
    clock.advance(600)
    template = api("GET", f"/api/vcenter/vm-template/library-items/{new}").json["vm_template"]
    assert template != "vm-1021"
    assert api.inventory.machines[template].template
    assert api("DELETE", f"{ITEM}/{new}").status == 204
    assert template not in api.inventory.machines
    assert "vm-1021" in api.inventory.machines


def test_files_and_their_places_tell_the_same(api: Api) -> None:
    """The storage adds the backing and a URI."""
    files = api("GET", f"{ITEM}/{OVF_ITEM}/file").json
    places = api("GET", f"{ITEM}/{OVF_ITEM}/storage").json
    assert [file["name"] for file in files] == ["photon-5.ovf", "photon-5.mf", "photon-5-disk1.vmdk"]
    assert [{**place, **file} for place, file in zip(places, files, strict=True)] == places
    assert {place["storage_backing"]["datastore_id"] for place in places} == {"datastore-11"}
    assert places[0]["storage_uris"][0].startswith("ds:///vmfs/volumes/")
    assert places[0]["storage_uris"][0].endswith(f"/contentlib-{TEMPLATES}/{OVF_ITEM}/photon-5.ovf")


def test_one_file_is_found_by_its_name(api: Api) -> None:
    """The place of one file is a list all the same; a name that no file has is NOT_FOUND."""
    name = "photon-5.mf"
    assert api("GET", f"{ITEM}/{OVF_ITEM}/file?name={name}").json["name"] == name
    assert [place["name"] for place in api("GET", f"{ITEM}/{OVF_ITEM}/storage?file_name={name}").json] == [name]
    for query in ("file?name=x", "storage?file_name=x", "file?name="):
        assert api("GET", f"{ITEM}/{OVF_ITEM}/{query}").error_type == "NOT_FOUND"


def test_a_virtual_machine_template_cannot_be_downloaded(api: Api) -> None:
    """Its file is where its machine is."""
    (file,) = api("GET", f"{ITEM}/{VM_TEMPLATE_ITEM}/storage").json
    assert "file_download_endpoint" not in file
    assert file["storage_backing"]["datastore_id"] == "datastore-11"
    directory = api.inventory.machines["vm-1021"].name
    assert file["storage_uris"][0].endswith(f"/{directory}/golden-image.vmtx")


def test_what_is_not_cached_has_no_size(api: Api) -> None:
    """Such an item is found as not cached, and its library cannot be converted."""
    for file in api.inventory.libraries.items[ISO_ITEM].files.values():
        file.cached = False
    assert (item(api, ISO_ITEM)["cached"], item(api, ISO_ITEM)["size"]) == (False, 0)
    assert api("POST", f"{ITEM}?action=find", {"cached": False}).json == [ISO_ITEM]
    (place,) = api("GET", f"{ITEM}/{ISO_ITEM}/storage").json
    assert (place["size"], place["storage_uris"]) == (0, [])
    assert "file_download_endpoint" not in place
    answer = api("POST", f"{LIBRARY}/{MIRROR}?action=convert", {"conversion_type": "TO_PUBLISHED_LIBRARY"})
    assert answer.error_type == "NOT_ALLOWED_IN_CURRENT_STATE"


def test_an_image_can_be_put_into_a_drive(api: Api) -> None:
    """A CD-ROM drive finds the file under its path on the datastore, as long as the item is there."""
    backing = {
        "type": "ISO_FILE",
        "iso_file": f"[datastore2] contentlib-{MIRROR}/{ISO_ITEM}/debian-12.5.0-amd64-netinst.iso",
    }
    drive = "/api/vcenter/vm/vm-1001/hardware/cdrom/16000"
    assert api("PATCH", drive, {"backing": backing}).status == 204
    assert api("POST", f"{drive}?action=connect").status == 204
    assert api("POST", f"{drive}?action=disconnect").status == 204
    assert api("DELETE", f"{LIBRARY}/{MIRROR}").status == 204
    assert api("POST", f"{drive}?action=connect").status != 204


def test_a_subscribed_library_cannot_be_changed_until_it_is_converted(api: Api) -> None:
    """Afterwards it is a published local library with the same items."""
    change = {"description": "changed"}
    assert api("PATCH", f"{ITEM}/{ISO_ITEM}", change).error_type == "INVALID_ELEMENT_TYPE"
    conversion = {"conversion_type": "TO_PUBLISHED_LIBRARY"}
    assert api("POST", f"{LIBRARY}/{MIRROR}?action=convert", conversion).status == 204
    assert api("PATCH", f"{ITEM}/{ISO_ITEM}", change).status == 204
    converted = library(api, MIRROR)
    assert (converted["type"], converted["publish_info"]["published"]) == ("LOCAL", True)
    assert {"subscription_info", "last_sync_time"}.isdisjoint(converted)
    assert api("POST", f"{ITEM}/{ISO_ITEM}?action=publish", {"force_sync_content": False}).status == 204
    assert api("POST", f"{LIBRARY}/{MIRROR}?action=convert", conversion).error_type == "INVALID_ELEMENT_TYPE"


CHANGES = [
    pytest.param("POST", ITEM, {"library_id": TEMPLATES, "name": "x"}, id="create"),
    pytest.param("POST", f"{ITEM}/{ISO_ITEM}?action=copy", {"library_id": TEMPLATES, "name": "x"}, id="copy"),
    pytest.param("PATCH", f"{ITEM}/{OVF_ITEM}", {"name": "x"}, id="update"),
    pytest.param("DELETE", f"{ITEM}/{OVF_ITEM}", None, id="delete"),
]


@pytest.mark.parametrize(("method", "target", "body"), CHANGES)
def test_a_library_in_maintenance_does_not_change(api: Api, method: str, target: str, body: Any) -> None:
    """It does again afterwards; reading is possible all the time."""
    assert api("POST", f"{LIBRARY}/{TEMPLATES}?action=enter-maintenance").status == 204
    assert library(api, TEMPLATES)["state_info"]["state"] == "MAINTENANCE"
    assert api(method, target, body).error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert items(api, TEMPLATES) == [OVF_ITEM, VM_TEMPLATE_ITEM]
    assert api("POST", f"{LIBRARY}/{TEMPLATES}?action=exit-maintenance").status == 204
    assert library(api, TEMPLATES)["state_info"] == {"state": "ACTIVE"}
    assert api(method, target, body).status < 300


def test_a_migration_moves_the_contents(api: Api, clock: ManualClock) -> None:
    """Meanwhile the library is in maintenance, which nobody can end before."""
    size = item(api, ISO_ITEM)["size"]
    before = {name: used(api, name) for name in ("datastore-12", "datastore-15")}
    spec = {"storage_backings": [{"type": "DATASTORE", "datastore_id": "datastore-15"}]}
    assert api("POST", f"{LIBRARY}/{MIRROR}?action=migrate", spec).status == 204
    assert library(api, MIRROR)["state_info"]["state"] == "MAINTENANCE"
    for action, body in (("exit-maintenance", None), ("migrate", spec), ("force-delete", None)):
        answer = api("POST", f"{LIBRARY}/{MIRROR}?action={action}", body)
        assert answer.error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    clock.advance(600)
    assert library(api, MIRROR)["state_info"] == {"state": "ACTIVE"}
    assert library(api, MIRROR)["storage_backings"] == spec["storage_backings"]
    assert used(api, "datastore-12") == before["datastore-12"] - size
    assert used(api, "datastore-15") == before["datastore-15"] + size
    answer = api("POST", f"{LIBRARY}/{MIRROR}?action=migrate", spec)
    assert answer.error_type == "ALREADY_IN_DESIRED_STATE"


def test_a_used_library_is_deleted_by_force_only(api: Api) -> None:
    """With it go its items, its files and its machines."""
    size = item(api, OVF_ITEM)["size"]
    before = used(api, "datastore-11")
    disks = sum(disk.capacity for disk in api.inventory.machines["vm-1021"].disks.values())
    assert api("POST", f"{LIBRARY}/{TEMPLATES}/usages", {"resource_urn": "urn:vmomi:supervisor:sup-1"}).status == 201
    assert api("DELETE", f"{LIBRARY}/{TEMPLATES}").error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert api("POST", f"{LIBRARY}/{TEMPLATES}?action=force-delete").status == 204
    assert api("GET", LIBRARY).json == [MIRROR]
    assert api("GET", f"{ITEM}/{OVF_ITEM}").error_type == "NOT_FOUND"
    assert "vm-1021" not in api.inventory.machines
    assert used(api, "datastore-11") == before - size - disks


def test_use_of_a_library_protects_its_items_when_it_says_so(api: Api) -> None:
    """By default, it does not."""
    assert api("POST", f"{LIBRARY}/{TEMPLATES}/usages", {"resource_urn": "urn:vmomi:supervisor:sup-1"}).status == 201
    first, second = create(api, "first").json, create(api, "second").json
    assert api("DELETE", f"{ITEM}/{first}").status == 204
    api("PATCH", f"{LIBRARY}/{TEMPLATES}", {"configuration_info": {"apply_library_usage_to_items": True}})
    assert api("DELETE", f"{ITEM}/{second}").error_type == "NOT_ALLOWED_IN_CURRENT_STATE"


def test_a_file_name_that_no_url_can_have(api: Api) -> None:
    """The files are not shown, their places are."""
    libraries = api.inventory.libraries
    libraries.add_files(libraries.items[OVF_ITEM], [File("100%.txt", 1)])
    assert api("GET", f"{ITEM}/{OVF_ITEM}/file").error_type == "UNSUPPORTED"
    assert api("GET", f"{ITEM}/{OVF_ITEM}/file?name=photon-5.mf").status == 200
    assert "file_download_endpoint" not in api("GET", f"{ITEM}/{OVF_ITEM}/storage?file_name=100%25.txt").json[0]
