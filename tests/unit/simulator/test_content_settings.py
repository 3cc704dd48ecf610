"""What all content libraries have in common: settings, types, policies, certificates; and the history of an item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.simulator import RELEASES, ManualClock
from tests.unit.simulator.harness import Api
from tests.unit.simulator.test_library_sessions import (
    MIRROR,
    TEMPLATES,
    VM_TEMPLATE_ITEM,
    new_item,
    refused,
    upload,
)

CONFIGURATION = "/api/content/configuration"
CERTIFICATES = "/api/content/trusted-certificates"
ITEMS = "/api/content/library/item"


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("automatic_sync_start_hour", 0, 23),
        ("automatic_sync_stop_hour", 0, 23),
        ("maximum_concurrent_item_syncs", 1, 2**31 - 1),
    ],
)
def test_settings_and_their_limits(api: Api, name: str, least: int, most: int) -> None:
    """At the limits they are accepted, beyond them not."""
    for value in (least, most):
        assert api("PATCH", CONFIGURATION, {name: value}).status == 204
        assert api("GET", CONFIGURATION).json[name] == value
    for value in (least - 1, most + 1):
        change = {name: value, "automatic_sync_enabled": False}
        assert refused(api("PATCH", CONFIGURATION, change)) == (400, "INVALID_ARGUMENT", "invalid_configuration")
    assert api("GET", CONFIGURATION).json["automatic_sync_enabled"] is True


def test_settings_of_an_older_release(clock: ManualClock) -> None:
    """It has the four that there were then, and no descriptions of them."""
    api = Api(clock, release=RELEASES["7.0.3"])
    api.login()
    assert api("GET", CONFIGURATION).json == {
        "automatic_sync_enabled": True,
        "automatic_sync_start_hour": 20,
        "automatic_sync_stop_hour": 7,
        "maximum_concurrent_item_syncs": 5,
    }


def test_settings_that_say_what_they_are(api: Api) -> None:
    """Their limits, and whether the service has to be restarted."""
    described = api("GET", CONFIGURATION).json
    assert described["automatic_sync_stop_hour_setting"] == {
        "name": "automatic_sync_stop_hour",
        "reboot_required": False,
        "constraints": [{"MIN_INCLUSIVE": "0", "MAX_INCLUSIVE": "23"}],
    }
    assert described["transfer_threads_pool_size_setting"]["reboot_required"] is True


def test_types_and_policies(api: Api) -> None:
    """The policy is the one that libraries accept, for the type that can be verified."""
    types = {kind["type"]: kind.get("supported_rules", []) for kind in api("GET", "/api/content/type").json}
    assert types == {"ovf": ["OVF_STRICT_VERIFICATION"], "iso": [], "vm-template": []}
    (policy,) = api("GET", "/api/content/security-policies").json
    assert (policy["name"], policy["item_type_rules"]) == ("OVF default policy", {"ovf": "OVF_STRICT_VERIFICATION"})
    (library, *_) = api("GET", "/api/content/local-library").json
    change = {"security_policy_id": policy["policy"]}
    assert api("PATCH", f"/api/content/library/{library}", change).status == 204


def certificate() -> x509.Certificate:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def test_trusted_certificates(api: Api) -> None:
    """The identifier is the fingerprint, however often the certificate is added."""
    signer = certificate()
    text = signer.public_bytes(serialization.Encoding.PEM).decode()
    for _ in range(2):
        added = api("POST", CERTIFICATES, {"cert_text": text})
        assert (added.status, added.json) == (201, signer.fingerprint(hashes.SHA256()).hex())
    assert api("GET", CERTIFICATES).json == {"certificates": [{"certificate": added.json, "cert_text": text}]}
    assert api("GET", f"{CERTIFICATES}/{added.json}").json == {"cert_text": text}
    assert api("DELETE", f"{CERTIFICATES}/{added.json}").status == 204
    for method in ("GET", "DELETE"):
        gone = api(method, f"{CERTIFICATES}/{added.json}")
        assert refused(gone) == (404, "NOT_FOUND", "certificate_not_found")
    for invalid in ("", "ünïcödé", text.replace("M", "!", 3)):
        assert refused(api("POST", CERTIFICATES, {"cert_text": invalid}))[1:] == ("ERROR", "invalid_certificate")


def test_the_history_of_an_item(api: Api) -> None:
    """Its creation and each new content, by whom; the message of a check-in is there in short and in full."""
    item = new_item(api)
    upload(api, item, a_iso=b"hello")
    changes = api("GET", f"{ITEMS}/{item}/changes").json
    assert [(change["version"], change.get("user")) for change in changes] == [
        ("1", None),
        ("2", "administrator@vsphere.local"),
    ]
    path, message = f"/api/vcenter/vm-template/library-items/{VM_TEMPLATE_ITEM}/check-outs", "x" * 81 + "\nmore"
    place = {"name": "out", "placement": {"folder": "group-v4", "resource_pool": "resgroup-9"}}
    machine = api("POST", f"{path}?action=check-out", place).json
    version = api("POST", f"{path}/{machine}?action=check-in", {"message": message}).json
    change = api("GET", f"{ITEMS}/{VM_TEMPLATE_ITEM}/changes").json[-1]
    assert (change["version"], change["short_message"]) == (version, "x" * 80)
    assert api("GET", f"{ITEMS}/{VM_TEMPLATE_ITEM}/changes/{version}").json["message"] == message
    assert refused(api("GET", f"{ITEMS}/{item}/changes/9"))[1:] == ("NOT_FOUND", "version_not_found")
    assert refused(api("GET", f"{ITEMS}/none/changes"))[1:] == ("NOT_FOUND", "library_item_not_found")


@pytest.mark.parametrize(("kind", "library"), [("local", TEMPLATES), ("subscribed", MIRROR)])
def test_what_uses_a_library(api: Api, kind: str, library: str) -> None:
    """It protects the library from deletion, unless that is forced."""
    usages, libraries = f"/api/content/library/{library}/usages", f"/api/content/{kind}-library"
    urn = {"resource_urn": "urn:vmomi:vm:vm-1001"}
    usage = api("POST", usages, urn)
    assert usage.status == 201
    assert refused(api("POST", usages, urn)) == (400, "ALREADY_EXISTS", "usage_exists")
    assert refused(api("POST", usages, {"resource_urn": "vm-1001"})) == (400, "INVALID_ARGUMENT", "invalid_urn")
    assert api("GET", usages).json == {"library_usage_list": [{"usage": usage.json, **urn}]}
    assert api("GET", f"{usages}/{usage.json}").json == {
        "usage": usage.json,
        **urn,
        "addition_time": "2026-01-15T12:00:00.000Z",
    }
    assert refused(api("DELETE", f"{libraries}/{library}"))[1:] == ("NOT_ALLOWED_IN_CURRENT_STATE", "library_in_use")
    assert refused(api("DELETE", f"{usages}/none"))[1:] == ("NOT_FOUND", "usage_not_found")
    assert api("DELETE", f"{usages}/{usage.json}").status == 204
    assert api("GET", usages).json == {"library_usage_list": []}
    assert api("POST", usages, urn).status == 201
    assert api("POST", f"{libraries}/{library}?action=force-delete").status == 204
    assert refused(api("GET", usages))[1:] == ("NOT_FOUND", "library_not_found")
