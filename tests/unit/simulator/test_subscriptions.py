"""Subscribed libraries: what they take from their publishers, and when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.harness import Api
from tests.unit.simulator.test_library_sessions import (
    BACKINGS,
    DOWNLOADS,
    ISO_ITEM,
    ITEMS,
    LIBRARIES,
    MIRROR,
    OVF_ITEM,
    TEMPLATES,
    made,
    new_item,
    new_session,
    refused,
    transfer,
    upload,
)

SUBSCRIBED = "/api/content/subscribed-library"
SUBSCRIBED_ITEMS = "/api/content/library/subscribed-item"
ELSEWHERE = "https://publisher.example.com/cls/vcsp/lib/2f64c8a0/lib.json"
STORAGE = [{"type": "DATASTORE", "datastore_id": "datastore-12"}]
NOBODY = "https://nobody.example.com/lib.json"


def publish(api: Api, **more: Any) -> str:
    """Publishes the library of templates, and returns its URL."""
    info = {"published": True, "authentication_method": "NONE", **more}
    assert api("PATCH", f"{LIBRARIES}/{TEMPLATES}", {"publish_info": info}).status == 204
    return str(api("GET", f"{LIBRARIES}/{TEMPLATES}").json["publish_info"]["publish_url"])


def info(url: str, *, on_demand: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "subscription_url": url,
        "authentication_method": "NONE",
        "automatic_sync_enabled": True,
        "on_demand": on_demand,
        **more,
    }


def subscribe(api: Api, url: str, *, on_demand: bool = False) -> str:
    """A new library that follows a publisher, after its first synchronization."""
    subscription = info(url, on_demand=on_demand)
    spec = {"name": "copy", "storage_backings": STORAGE, "subscription_info": subscription}
    library = made(api("POST", SUBSCRIBED, spec))
    api.clock.advance(2)
    return library


def synchronize(api: Api, library: str) -> None:
    assert api("POST", f"{SUBSCRIBED}/{library}?action=sync").status == 204
    api.clock.advance(2)


def items(api: Api, library: str) -> dict[str, Any]:
    """The items of a library, by name."""
    found = [api("GET", f"{ITEMS}/{item}").json for item in api("GET", f"{ITEMS}?library_id={library}").json]
    return {item["name"]: item for item in found}


def used(api: Api) -> int:
    return api.inventory.places.datastores["datastore-12"].used


def test_a_library_follows_its_publisher(api: Api) -> None:
    """New items, changed ones and deleted ones; machines of templates are not copied."""
    url, before = publish(api), used(api)
    spec = {"name": "copy", "storage_backings": STORAGE, "subscription_info": info(url)}
    library = made(api("POST", SUBSCRIBED, spec))
    assert items(api, library) == {}, "it is synchronized in the background"
    api.clock.advance(2)
    (item,) = items(api, library).values()
    assert (item["name"], item["source_id"], item["cached"]) == ("photon-5", OVF_ITEM, True)
    assert used(api) == before + item["size"]
    assert api("GET", SUBSCRIBED).json == [MIRROR, library]
    assert api("PATCH", f"{ITEMS}/{OVF_ITEM}", {"name": "photon"}).status == 204
    added = new_item(api)
    upload(api, added, a_iso=b"hello")
    synchronize(api, library)
    found = items(api, library)
    assert found.keys() == {"photon", "new"}
    assert found["photon"]["id"] == item["id"]
    assert (found["new"]["content_version"], found["new"]["size"]) == ("2", 5)
    upload(api, added, a_iso=b"new content")
    assert api("DELETE", f"{ITEMS}/{OVF_ITEM}").status == 204
    synchronize(api, library)
    assert {name: (item["content_version"], item["size"]) for name, item in items(api, library).items()} == {
        "new": ("3", 11)
    }
    assert used(api) == before + 11
    assert "last_sync_time" in api("GET", f"{SUBSCRIBED}/{library}").json
    assert api("DELETE", f"{SUBSCRIBED}/{library}").status == 204
    assert used(api) == before


def test_files_on_demand(api: Api) -> None:
    """They take space once somebody asks for them, until they are evicted."""
    before = used(api)
    library = subscribe(api, publish(api), on_demand=True)
    (item,) = items(api, library).values()
    assert (item["cached"], item["size"], used(api)) == (False, 0, before)
    sync = f"{SUBSCRIBED_ITEMS}/{item['id']}?action=sync"
    for force in (False, True):
        assert api("POST", sync, {"force_sync_content": force}).status == 204
        api.clock.advance(2)
        assert items(api, library)["photon-5"]["cached"] is force
    assert used(api) > before
    assert api("POST", f"{SUBSCRIBED_ITEMS}/{item['id']}?action=evict").status == 204
    assert (items(api, library)["photon-5"]["cached"], used(api)) == (False, before)
    target = {"target": {"resource_pool_id": "resgroup-9"}}
    assert api("POST", f"/api/vcenter/ovf/library-item/{item['id']}?action=filter", target).status == 200
    assert items(api, library)["photon-5"]["cached"], "a deployment asks for them"
    assert api("POST", f"{SUBSCRIBED}/{library}?action=evict").status == 204
    assert (items(api, library)["photon-5"]["cached"], used(api)) == (False, before)


def test_a_download_of_a_copy(api: Api) -> None:
    """The content is that of the publisher, also on demand."""
    upload(api, new_item(api), a_iso=b"hello")
    library = subscribe(api, publish(api), on_demand=True)
    session = new_session(api, items(api, library)["new"]["id"], DOWNLOADS)
    assert items(api, library)["new"]["cached"], "the session asks for the files"
    prepared = api("POST", f"{DOWNLOADS}/{session}/file?action=prepare", {"file_name": "a.iso"}).json
    assert transfer(api, "GET", prepared["download_endpoint"]["uri"]).response.body == b"hello"


def test_an_item_that_its_publisher_deleted(api: Api) -> None:
    """Synchronizing the item deletes it."""
    library = subscribe(api, publish(api))
    (item,) = items(api, library).values()
    assert api("DELETE", f"{ITEMS}/{OVF_ITEM}").status == 204
    assert api("POST", f"{SUBSCRIBED_ITEMS}/{item['id']}?action=sync", {"force_sync_content": False}).status == 204
    api.clock.advance(2)
    assert items(api, library) == {}


@pytest.mark.parametrize("missing", [0, 1], ids=["full to the last byte", "one byte too few"])
def test_a_datastore_without_room(api: Api, missing: int) -> None:
    """The items are there without their files."""
    url = publish(api)
    datastore = api.inventory.places.datastores["datastore-12"]
    size = sum(file.size for file in api.inventory.libraries.item(OVF_ITEM).files.values())
    datastore.used = datastore.capacity - size + missing
    library = subscribe(api, url)
    assert items(api, library)["photon-5"]["cached"] is not bool(missing)
    assert datastore.free == (size - missing if missing else 0)


def test_the_first_library_in_another_vcenter(api: Api) -> None:
    """It can be subscribed to again, with the same item."""
    (item,) = items(api, subscribe(api, ELSEWHERE)).values()
    assert (item["name"], item["size"]) == ("debian-12", 629 << 20)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"subscription_url": "lib.json"}, (400, "INVALID_ARGUMENT", "subscription_invalid_url")),
        ({"subscription_url": "https://["}, (400, "INVALID_ARGUMENT", "subscription_invalid_url")),
        ({"subscription_url": NOBODY}, (500, "RESOURCE_INACCESSIBLE", "subscription_host_not_found")),
        (
            {"subscription_url": f"https://vcenter.vsphere.local/cls/vcsp/lib/{MIRROR}/lib.json"},
            (500, "RESOURCE_INACCESSIBLE", "subscription_resource_not_found"),
        ),
        ({"ssl_thumbprint": "00:11"}, (400, "INVALID_ARGUMENT", "subscription_certificate_error")),
        ({"authentication_method": "BASIC"}, (400, "INVALID_ARGUMENT", "subscription_invalid_credentials")),
        ({"authentication_method": None}, (400, "INVALID_ARGUMENT", "field_missing")),
        ({"on_demand": None}, (400, "INVALID_ARGUMENT", "field_missing")),
        ({"subscription_url": None}, (400, "INVALID_ARGUMENT", "field_missing")),
    ],
)
def test_subscriptions_that_do_not_work(api: Api, more: Any, expected: tuple[int, str, str]) -> None:
    """Nothing is created."""
    spec = {"name": "copy", "storage_backings": STORAGE, "subscription_info": {**info(ELSEWHERE), **more}}
    assert refused(api("POST", SUBSCRIBED, spec)) == expected
    assert api("GET", SUBSCRIBED).json == [MIRROR]


def test_a_password(api: Api) -> None:
    """A publisher that asks for one gets the right one, and it is in no answer."""
    url = publish(api, authentication_method="BASIC", password="secret")
    login = {"authentication_method": "BASIC", "user_name": "vcsp"}
    for more, expected in (({}, "INVALID_CREDENTIALS"), ({**login, "password": "wrong"}, "INVALID_CREDENTIALS")):
        probe = api("POST", f"{SUBSCRIBED}?action=probe", {"subscription_info": {**info(url), **more}})
        assert probe.json["status"] == expected
    right = {**info(url), **login, "password": "secret"}
    spec = {"name": "copy", "storage_backings": STORAGE, "subscription_info": right}
    library = made(api("POST", SUBSCRIBED, spec))
    api.clock.advance(2)
    assert items(api, library).keys() == {"photon-5"}
    assert "secret" not in str(api("GET", f"{SUBSCRIBED}/{library}").json)
    assert "secret" not in repr(api.inventory.libraries.library(library))
    publish(api, authentication_method="BASIC", password="other")
    assert refused(api("POST", f"{SUBSCRIBED}/{library}?action=sync"))[1:] == (
        "INVALID_ARGUMENT",
        "subscription_invalid_credentials",
    )


def test_a_probe(api: Api) -> None:
    """It reports whether a subscription would work, and shows the certificate of a publisher that is there."""
    found = api("POST", f"{SUBSCRIBED}?action=probe", {"subscription_info": {"subscription_url": ELSEWHERE}}).json
    assert (found["status"], found["error_messages"]) == ("SUCCESS", [])
    assert found["ssl_thumbprint"].startswith("7D:20:")
    found = api("POST", f"{SUBSCRIBED}?action=probe", {"subscription_info": info(NOBODY)}).json
    assert (found["status"], "ssl_thumbprint" in found) == ("HOST_NOT_FOUND", False)
    assert "nobody.example.com" in found["error_messages"][0]["default_message"]


def test_another_publisher(api: Api) -> None:
    """A library whose subscription is changed follows that one from then on; what does not work changes nothing."""
    url = publish(api)
    change = {"name": "moved", "subscription_info": {"subscription_url": NOBODY}}
    assert refused(api("PATCH", f"{SUBSCRIBED}/{MIRROR}", change))[1] == "RESOURCE_INACCESSIBLE"
    assert api("GET", f"{SUBSCRIBED}/{MIRROR}").json["name"] == "mirror"
    change["subscription_info"] = {"subscription_url": url}
    assert api("PATCH", f"{SUBSCRIBED}/{MIRROR}", change).status == 204
    synchronize(api, MIRROR)
    assert items(api, MIRROR).keys() == {"photon-5"}
    assert api("GET", f"{SUBSCRIBED}/{MIRROR}").json["subscription_info"] == info(url)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", f"{SUBSCRIBED}/none", None, (404, "NOT_FOUND", "library_not_found")),
        ("GET", f"{SUBSCRIBED}/{TEMPLATES}", None, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        ("DELETE", f"{SUBSCRIBED}/{TEMPLATES}", None, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        ("POST", f"{SUBSCRIBED}/{TEMPLATES}?action=sync", None, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        (
            "POST",
            f"{SUBSCRIBED}/{MIRROR}?action=evict",
            None,
            (400, "NOT_ALLOWED_IN_CURRENT_STATE", "library_not_on_demand"),
        ),
        ("PATCH", f"{SUBSCRIBED}/{MIRROR}", {"version": "9"}, (409, "CONCURRENT_CHANGE", "library_version_mismatch")),
        (
            "POST",
            f"{SUBSCRIBED_ITEMS}/{ISO_ITEM}?action=evict",
            None,
            (400, "INVALID_ELEMENT_CONFIGURATION", "library_not_on_demand"),
        ),
        (
            "POST",
            f"{SUBSCRIBED_ITEMS}/{OVF_ITEM}?action=evict",
            None,
            (400, "INVALID_ELEMENT_TYPE", "invalid_library_type"),
        ),
        (
            "POST",
            f"{SUBSCRIBED_ITEMS}/none?action=sync",
            {"force_sync_content": True},
            (404, "NOT_FOUND", "library_item_not_found"),
        ),
    ],
)
def test_what_is_refused(api: Api, method: str, path: str, body: Any, expected: tuple[int, str, str]) -> None:
    """With the errors that are documented."""
    assert refused(api(method, path, body)) == expected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{SUBSCRIBED}/{MIRROR}?action=sync", None),
        (f"{SUBSCRIBED_ITEMS}/{ISO_ITEM}?action=sync", {"force_sync_content": True}),
        (f"{SUBSCRIBED}/{MIRROR}?action=evict", None),
    ],
)
def test_contents_that_are_gone(api: Api, path: str, body: Any) -> None:
    """A library that was restored without its contents cannot be synchronized."""
    api.inventory.libraries.library(MIRROR).contents_deleted = True
    assert refused(api("POST", path, body))[1:] == ("NOT_ALLOWED_IN_CURRENT_STATE", "library_contents_deleted")


def test_the_subscribers_of_a_library(api: Api) -> None:
    """They are made with their subscription, told to synchronize when it is published, and outlive it."""
    publish(api)
    path = f"/api/content/library/{TEMPLATES}/subscriptions"
    new = {"name": "follower", "storage_backings": BACKINGS, "automatic_sync_enabled": True, "on_demand": True}
    target = {"target": "CREATE_NEW", "new_subscribed_library": new, "location": "LOCAL"}
    placement = {"folder": "group-v4", "cluster": "domain-c8"}
    spec = {"subscribed_library": {**target, "placement": placement}}
    subscription = made(api("POST", path, spec))
    api.clock.advance(2)
    (listed,) = api("GET", path).json
    library = listed["subscribed_library"]
    assert listed == {
        "subscription": subscription,
        "subscribed_library": library,
        "subscribed_library_name": "follower",
    }
    assert items(api, library).keys() == {"photon-5"}
    new_item(api)
    named = {"subscriptions": [{"subscription": subscription}]}
    assert api("POST", f"{LIBRARIES}/{TEMPLATES}?action=publish", named).status == 204
    api.clock.advance(2)
    assert items(api, library).keys() == {"photon-5", "new"}
    change = {"subscribed_library_placement": {"host": "host-10"}}
    assert api("PATCH", f"{path}/{subscription}", change).status == 204
    assert api("GET", f"{path}/{subscription}").json == {
        "subscribed_library": library,
        "subscribed_library_name": "follower",
        "subscribed_library_location": "LOCAL",
        "subscribed_library_placement": {"host": "host-10"},
    }
    again = {"subscribed_library": {"target": "USE_EXISTING", "subscribed_library": library, "location": "LOCAL"}}
    assert refused(api("POST", path, again)) == (400, "ALREADY_EXISTS", "subscription_exists")
    assert api("DELETE", f"{path}/{subscription}").status == 204
    assert refused(api("GET", f"{path}/{subscription}")) == (404, "NOT_FOUND", "subscription_not_found")
    assert made(api("POST", path, again)) != subscription
    assert api("GET", f"{SUBSCRIBED}/{library}").status == 200


def test_a_subscriber_in_another_vcenter(api: Api) -> None:
    """It is known by name; a vCenter that does not exist has none."""
    publish(api)
    path = f"/api/content/library/{TEMPLATES}/subscriptions"
    new = {"name": "far", "storage_backings": BACKINGS, "automatic_sync_enabled": True, "on_demand": True}
    target = {"target": "CREATE_NEW", "new_subscribed_library": new, "location": "REMOTE"}
    there = {**target, "vcenter": {"hostname": "vcenter2.vsphere.local", "https_port": 443}}
    subscription = made(api("POST", path, {"subscribed_library": there}))
    assert api("GET", path).json[0]["subscribed_library_vcenter_hostname"] == "vcenter2.vsphere.local"
    assert api("GET", f"{path}/{subscription}").json["subscribed_library_vcenter"]["https_port"] == 443
    assert api("GET", SUBSCRIBED).json == [MIRROR]
    nowhere = {**target, "vcenter": {"hostname": "nowhere.example.com"}}
    assert refused(api("POST", path, {"subscribed_library": nowhere}))[1] == "RESOURCE_INACCESSIBLE"
    change = {"subscribed_library_vcenter": {"hostname": "nowhere.example.com"}}
    assert refused(api("PATCH", f"{path}/{subscription}", change))[1] == "RESOURCE_INACCESSIBLE"


@pytest.mark.parametrize(
    ("library", "spec", "expected"),
    [
        ("none", {"location": "LOCAL"}, (404, "NOT_FOUND", "library_not_found")),
        (MIRROR, {"location": "LOCAL"}, (400, "INVALID_ELEMENT_TYPE", "invalid_library_type")),
        (
            TEMPLATES,
            {"location": "LOCAL", "subscribed_library": "none"},
            (404, "NOT_FOUND", "library_not_found"),
        ),
        (TEMPLATES, {"location": "LOCAL"}, (400, "INVALID_ARGUMENT", "library_not_subscribed")),
        (
            TEMPLATES,
            {"location": "LOCAL", "placement": {"network": "none"}},
            (400, "INVALID_ARGUMENT", "invalid_placement"),
        ),
    ],
)
def test_subscribers_that_cannot_be(api: Api, library: str, spec: Any, expected: tuple[int, str, str]) -> None:
    """With the errors that are documented."""
    publish(api)
    body = {"subscribed_library": {"target": "USE_EXISTING", "subscribed_library": MIRROR, **spec}}
    assert refused(api("POST", f"/api/content/library/{library}/subscriptions", body)) == expected


def test_a_library_that_is_not_published(api: Api) -> None:
    """It has no subscriptions."""
    path = f"/api/content/library/{TEMPLATES}/subscriptions"
    assert refused(api("GET", path)) == (400, "NOT_ALLOWED_IN_CURRENT_STATE", "library_not_published")
