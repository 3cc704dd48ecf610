"""com.vmware.vcenter.guest.customization_specs: the customization specifications stored in vCenter."""

from gateway.simulator import errors
from gateway.simulator.catalogue import load
from gateway.simulator.clock import timestamp
from gateway.simulator.customization import guest_of
from gateway.simulator.customization_text import from_text, to_json_text, to_xml_text
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "export", "get", "import_specification", "list_", "set_"]

_SERVICE = "com.vmware.vcenter.guest.customization_specs"
_MOST = 1000


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """Those with one of the names and for the operating system; more than 1,000 are an error, because there are no
    pages."""
    systems = call.query.get("OS_type", [])
    for system in systems:
        if system not in load().enumerations["VcenterGuestCustomizationSpecsOsType"].values:
            raise errors.invalid_argument(
                "com.vmware.api.vcenter.guest.customization_spec.invalid_os_type",
                "Customization of the guest operating system '{0}' is not supported.",
                system,
            )
    names = call.query.get("names")
    found = [
        {
            "name": record.name,
            "description": record.description,
            "OS_type": guest_of(record.spec),
            "last_modified": timestamp(record.modified),
        }
        for record in call.inventory.customization_specs.records.values()
        if (names is None or record.name in names) and (not systems or guest_of(record.spec) in systems)
    ]
    if len(found) > _MOST:
        raise errors.unable_to_allocate(
            "com.vmware.api.vcenter.guest.customization_spec.too_many_matches",
            "More than {0} customization specifications match the filter.",
            str(_MOST),
        )
    return found


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One specification."""
    record = call.inventory.customization_specs.record(call.path["name"])
    return {"last_modified": timestamp(record.modified), "spec": record.to_json()}


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Stores a new specification and returns its name."""
    call.inventory.customization_specs.create(call.spec, call.now())
    return call.spec["name"]


@operation(_SERVICE, "set")
def set_(call: Call) -> None:
    """Replaces a specification."""
    call.inventory.customization_specs.replace(call.path["name"], call.spec, call.now())


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes a specification."""
    call.inventory.customization_specs.delete(call.path["name"])


@operation(_SERVICE, "export")
def export(call: Call) -> Json:
    """A specification as a text."""
    record = call.inventory.customization_specs.record(call.path["name"])
    spec = {"name": record.name, "description": record.description, "spec": record.spec}
    return to_xml_text(spec) if call.spec["format"] == "XML" else to_json_text(spec)


@operation(_SERVICE, "import_specification")
def import_specification(call: Call) -> Json:
    """The specification in a text, without storing it."""
    return from_text(call.spec["customization_spec"])
