"""com.vmware.vcenter.ovf.library_item: machines from OVF packages in libraries, and packages from machines.

Problems with the package are part of the result; the call itself succeeds.
"""

from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors, ovf, provisioning
from gateway.simulator.client_tokens import once
from gateway.simulator.library import OVF, File, Item, require_texts
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.ovf_package import OvfPackage
from gateway.simulator.placement import find
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.subscriptions import fetch
from gateway.simulator.tasks import Task

__all__ = ["create", "deploy", "filter_"]

_SERVICE = "com.vmware.vcenter.ovf.library_item"
_MESSAGES = "com.vmware.vdcs.ovf-main"


@operation(_SERVICE, "filter")
def filter_(call: Call) -> Json:
    """What the package offers for a deployment to the target."""
    package = _package(call)
    ovf.site_for_target(call, _target(call), None)
    properties = [
        {"id": key, "default_value": value, "value": value, "type": "string"}
        for key, value in package.properties.items()
    ]
    return {
        "name": package.name,
        "annotation": package.annotation,
        "EULAs": list(package.eulas),
        "networks": list(dict.fromkeys(package.networks)),
        "storage_groups": list(package.storage_groups),
        "additional_params": [
            {"@class": "com.vmware.vcenter.ovf.property_params", "type": "PropertyParams", "properties": properties}
        ],
    }


@operation(_SERVICE, "deploy")
def deploy(call: Call) -> Task:
    """Creates a machine from the package; responds when its disks are written."""
    return once(call, lambda: _deploy(call))


def _deploy(call: Call) -> Task:
    inventory, spec = call.inventory, call.spec["deployment_spec"]
    package = _package(call)
    networks = _networks(call, spec)
    site = ovf.site_for_target(call, _target(call), _datastore(call, spec))
    tags = [inventory.tagging.given(tag) for tag in (spec.get("tag_params") or {}).get("tags") or ()]

    def finish() -> Json:
        if package.eulas and not spec["accept_all_EULA"]:
            text = "The license agreements of the package have to be accepted."
            return {"succeeded": False, "error": ovf.failed(_of_input("accept_all_EULA", "false", text))}
        unknown = sorted(set(spec.get("flags") or ()) - ovf.IMPORT_FLAGS.keys())
        if unknown:
            text = "There is no such flag."
            return {"succeeded": False, "error": ovf.failed(_of_input("flags", unknown[0], text))}
        try:
            machine = ovf.deploy(call, package, spec.get("name") or package.name, site, networks)
        except errors.VapiError as failure:
            return {"succeeded": False, "error": ovf.failed(failure)}
        for tag in tags:
            inventory.tagging.attach(tag, ("VirtualMachine", machine.vm))
        resource = {"type": "VirtualMachine", "id": machine.vm}
        return {"succeeded": True, "resource_id": resource, "error": ovf.nothing_to_report()}

    return inventory.tasks.start(
        call.operation, call.user.name, call.now(), ovf.copy_duration(inventory, package), finish
    )


@operation(_SERVICE, "create")
def create(call: Call) -> Task:
    """Captures a machine into a library; responds when its files are complete."""
    return once(call, lambda: _create(call))


def _create(call: Call) -> Task:
    inventory, target, spec = call.inventory, call.spec["target"], call.spec["create_spec"]
    libraries, source = inventory.libraries, _source(call)
    if (target.get("library_id") is None) == (target.get("library_item_id") is None):
        raise errors.invalid_argument(
            f"{_MESSAGES}.invalid_target", "Exactly one of library_id and library_item_id must be specified."
        )
    require_texts(spec)
    old = None if target.get("library_item_id") is None else libraries.item(target["library_item_id"])
    if old is not None and old.type != OVF:
        raise _no_package(old)
    library = libraries.library(target["library_id"]) if old is None else libraries.library_of(old)
    if not library.local:
        text = "The library '{0}' is a subscribed library."
        raise errors.invalid_argument(f"{_MESSAGES}.subscribed_library", text, library.library)
    name = (spec.get("name") or source.name) if old is None else old.name

    def require_place() -> None:
        """Library and item exist, and no other item has the name; checked at the start and when the files are
        complete."""
        libraries.library(library.library)
        if old is not None:
            libraries.item(old.item)
        elif libraries.is_named(library, name):
            text = "The library '{0}' has an item of the name '{1}' already."
            raise errors.invalid_argument(f"{_MESSAGES}.name_taken", text, library.library, name)

    def finish() -> Json:
        require_place()
        item = old or libraries.add_item(library, name, OVF, call.now(), description=spec.get("description") or "")
        files = [File(f"{name}.ovf", 12_288), File(f"{name}.mf", 256)]
        files += [
            File(f"{name}-disk{number}.vmdk", disk.capacity // 8)
            for number, disk in enumerate(source.disks.values(), 1)
        ]
        libraries.replace_files(item, files, call.now(), call.user.name)
        item.package = OvfPackage.of(source, name, item.description)
        return {"succeeded": True, "ovf_library_item_id": item.item, "error": ovf.nothing_to_report()}

    require_place()
    return inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        provisioning.copy_duration(inventory, [disk.capacity for disk in source.disks.values()]),
        finish,
        target=("VirtualMachine", source.vm),
    )


def _source(call: Call) -> VirtualMachine:
    """The machine to capture, which must be powered off."""
    source = call.spec["source"]
    if source["type"] != "VirtualMachine":
        if source["type"] == "VirtualApp":
            raise errors.not_found("vapp", source["id"])
        text = "Resources of the type '{0}' cannot be captured."
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_type", text, source["type"])
    machine = find(call.inventory.machines, "vm", source["id"])
    machine.require_accessible()
    machine.require_not_busy()
    machine.require_powered_off(
        f"{_MESSAGES}.not_powered_off", "A virtual machine can only be captured while it is powered off."
    )
    return machine


def _package(call: Call) -> OvfPackage:
    """The package of the item in the path; RESOURCE_INACCESSIBLE if files are missing and cannot be copied."""
    item = call.inventory.libraries.item(call.path["ovf_library_item_id"])
    if item.type != OVF or item.package is None:
        raise _no_package(item)
    fetch(call.inventory, item)
    if not item.cached:
        text = "The files of the library item '{0}' cannot be accessed."
        raise errors.resource_inaccessible(f"{_MESSAGES}.files_inaccessible", text, item.item)
    return item.package


def _no_package(item: Item) -> errors.VapiError:
    text = "The library item '{0}' does not contain an OVF package."
    return errors.invalid_argument(f"{_MESSAGES}.not_ovf", text, item.item)


def _target(call: Call) -> dict[str, Any]:
    target = call.spec["target"]
    return {name: target.get(f"{name}_id") for name in ("resource_pool", "host", "folder")}


def _networks(call: Call, spec: Mapping[str, Any]) -> dict[str, str]:
    """Networks by the names in the package; NOT_FOUND for one that does not exist."""
    mappings = spec.get("network_mappings") or {}
    for network in mappings.values():
        find(call.inventory.networks, "network", network)
    return dict(mappings)


def _datastore(call: Call, spec: Mapping[str, Any]) -> str | None:
    """The datastore in the mappings, otherwise the default one; None leaves the choice to vCenter."""
    for mapping in (spec.get("storage_mappings") or {}).values():
        if mapping["type"] == "DATASTORE":
            return str(mapping["datastore_id"])
        if mapping["storage_profile_id"] not in call.inventory.storage_policies:
            raise errors.not_found("storage_policy", mapping["storage_profile_id"])
    profile = spec.get("storage_profile_id")
    if profile is not None and profile not in call.inventory.storage_policies:
        raise errors.not_found("storage_policy", profile)
    return spec.get("default_datastore_id")


def _of_input(name: str, value: str, text: str) -> errors.VapiError:
    return errors.of_type("INVALID_ARGUMENT", f"{_MESSAGES}.invalid_input", text, data={"name": name, "value": value})
