"""Releases of vCenter: what came later is not there, neither operations nor fields nor values."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.simulator import RELEASES, ManualClock
from gateway.simulator.catalogue import Structure, catalogue_of, load
from gateway.simulator.releases import NEWEST
from tests.unit.simulator.harness import Api

OLD = RELEASES["7.0.3"]


def api_of(clock: ManualClock, release: str) -> Api:
    api = Api(clock, release=RELEASES[release])
    api.login()
    return api


@pytest.mark.parametrize(
    ("since", "has"),
    [(None, True), ("6.7", True), ("7.0.3.0", True), ("7.0.10.0", False), ("8.0.0.0", False), ("10.0.0.0", False)],
)
def test_what_a_release_has(since: str | None, has: bool) -> None:
    """What came with its version or before; versions are numbers, not texts."""
    assert OLD.has(since) is has


def test_the_newest_release_has_everything() -> None:
    """Nothing of the catalogue came after it."""
    whole, newest = load(), catalogue_of(NEWEST)
    assert newest.operations.keys() == whole.operations.keys()
    assert newest.structures == whole.structures
    assert newest.enumerations == whole.enumerations


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_nothing_in_a_release_came_later(release: Any) -> None:
    """Of all operations, parameters, fields of bodies and structures, and values."""
    catalogue = catalogue_of(release)
    dates = [item.since for item in catalogue.operations.values()]
    structures = [*catalogue.structures.values()]
    for item in catalogue.operations.values():
        dates += [field.since for field in item.query.values()]
        structures += [item.body] if isinstance(item.body, Structure) else []
    dates += [field.since for structure in structures for field in structure.fields.values()]
    dates += [item.since.get(value) for item in catalogue.enumerations.values() for value in item.values]
    assert all(release.has(since) for since in dates)


def test_releases_grow() -> None:
    """A newer release has all operations of an older one, and more."""
    sizes = [catalogue_of(release).operations.keys() for release in RELEASES.values()]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_path_that_the_release_does_not_have(clock: ManualClock) -> None:
    """It is a path that nobody serves, as any other."""
    assert api_of(clock, "9.1")("GET", "/api/vcenter/tagging/tags").status == 200
    answer = api_of(clock, "8.0.2")("GET", "/api/vcenter/tagging/tags")
    assert (answer.status, answer.error_type) == (404, "NOT_FOUND")
    assert answer.message_ids == ["com.vmware.vapi.rest.httpNotFound"]


def test_a_verb_that_the_release_does_not_have(clock: ManualClock) -> None:
    """The path is there, but not for this verb."""
    body = {"object": {"type": "VirtualMachine", "id": "vm-1001"}, "tag_spec_list": []}
    path = "/api/vcenter/tagging/associations"
    assert api_of(clock, "8.0.2")("GET", path).status == 200
    assert api_of(clock, "8.0.2")("PATCH", path, body).status == 404
    assert api_of(clock, "9.1")("PATCH", path, body).status == 400


def new_host(**more: str) -> dict[str, str]:
    account = {"hostname": "esx-50", "user_name": "root", "password": "VMware1!", "folder": "group-h5"}
    return {**account, "thumbprint_verification": "NONE", **more}


def test_a_field_that_the_release_does_not_have(clock: ManualClock) -> None:
    """It is an unsupported property, even where the newer release would have another fault to find."""
    body = new_host(ssl_certificate="none")
    answer = api_of(clock, "8.0.2")("POST", "/api/vcenter/host", body)
    assert (answer.status, answer.error_type) == (400, "UNEXPECTED_INPUT")
    assert answer.message_ids[-1] == "com.vmware.vapi.rest.unsupported_property"
    assert api_of(clock, "9.1")("POST", "/api/vcenter/host", body).error_type == "INVALID_ARGUMENT"


def test_a_value_that_the_release_does_not_have(clock: ManualClock) -> None:
    """It is no value of the enumeration."""
    body = new_host(thumbprint_verification="CERTIFICATE", ssl_certificate="-----BEGIN CERTIFICATE-----")
    answer = api_of(clock, "9.1")("POST", "/api/vcenter/host", body)
    assert answer.status == 201
    body.pop("ssl_certificate")
    answer = api_of(clock, "8.0.2")("POST", "/api/vcenter/host", body)
    assert answer.error_type == "INVALID_ARGUMENT"
    assert answer.message_ids[-1] == "vapi.bindings.typeconverter.enum.unknown.value"


@pytest.mark.parametrize("release", RELEASES)
def test_results_have_no_fields_that_came_later(clock: ManualClock, release: str) -> None:
    """They are left out, in lists and in structures within structures."""
    api = api_of(clock, release)
    assert all(("host_uuid" in host) is (release == "9.1") for host in api("GET", "/api/vcenter/host").json)
    api.inventory.machines["vm-1001"].nics["4000"].upt_v2_compatibility_enabled = True
    nic = api("GET", "/api/vcenter/vm/vm-1001").json["nics"]["4000"]
    assert ("upt_v2_compatibility_enabled" in nic) is (release != "7.0.3")


def test_where_parameters_have_moved() -> None:
    """Since 9.0 the client token is a header field, and the resource pool of an import has its whole name."""
    import_flag, copy = "com.vmware.vcenter.ovf.import_flag.list", "com.vmware.content.library.item.copy"
    old, new = catalogue_of(RELEASES["8.0.2"]).operations, catalogue_of(NEWEST).operations
    assert (set(old[import_flag].query), set(new[import_flag].query)) == ({"rp"}, {"resource_pool"})
    assert new[import_flag].query["resource_pool"].required
    assert (set(old[copy].query), set(new[copy].query)) == ({"client_token"}, set())


@pytest.mark.parametrize("release", RELEASES)
def test_every_read_fits_the_release(clock: ManualClock, release: str) -> None:
    """No result has a value that came later: the simulator would call that its own defect."""
    api = api_of(clock, release)
    known = {"vm": "vm-1001", "datastore": "datastore-11", "host": "host-10", "cluster": "domain-c8"}
    known |= {"datacenter": "datacenter-3", "resource_pool": "resgroup-9", "disk": "2000", "nic": "4000"}
    succeeded = 0
    for item in catalogue_of(RELEASES[release]).operations.values():
        if item.method == "GET":
            path = re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], "none"), item.path)
            answer = api("GET", path)
            assert answer.status < 500 or answer.error_type != "INTERNAL_SERVER_ERROR", item.id
            succeeded += answer.status == 200
    assert succeeded > 40
