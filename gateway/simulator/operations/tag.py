"""com.vmware.cis.tagging.tag: the tags themselves."""

from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tagging import Tag

__all__ = [
    "add_to_used_by",
    "create",
    "delete",
    "get",
    "list_tags",
    "list_tags_for_category",
    "list_used_tags",
    "remove_from_used_by",
    "revoke_propagating_permissions",
    "update",
]

_SERVICE = "com.vmware.cis.tagging.tag"


def _tag(call: Call) -> Tag:
    return call.inventory.tagging.tag(call.path["tag_id"])


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Creates a tag in a category; returns its identifier."""
    spec, tagging = call.spec, call.inventory.tagging
    category = tagging.category(spec["category_id"])
    return tagging.create_tag(category, spec["name"], spec["description"], spec.get("tag_id")).tag


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """All attributes of one tag."""
    tag = _tag(call)
    return {
        "id": tag.tag,
        "category_id": tag.category.category,
        "name": tag.name,
        "description": tag.description,
        "used_by": sorted(tag.used_by),
    }


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the fields in the spec."""
    call.inventory.tagging.update_tag(_tag(call), name=call.spec.get("name"), description=call.spec.get("description"))


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes the tag, also from all objects."""
    call.inventory.tagging.delete_tag(_tag(call))


@operation(_SERVICE, "list")
def list_tags(call: Call) -> Json:
    """The identifiers of all tags."""
    return [*call.inventory.tagging.tags]


@operation(_SERVICE, "list_tags_for_category")
def list_tags_for_category(call: Call) -> Json:
    """The identifiers of a category's tags."""
    return [*call.inventory.tagging.category(call.spec["category_id"]).tags.values()]


@operation(_SERVICE, "list_used_tags")
def list_used_tags(call: Call) -> Json:
    """The identifiers of the tags that have users."""
    user = call.spec["used_by_entity"]
    return [key for key, tag in call.inventory.tagging.tags.items() if user in tag.used_by]


@operation(_SERVICE, "add_to_used_by")
def add_to_used_by(call: Call) -> None:
    """Adds a user; does nothing if it exists."""
    _tag(call).used_by.add(call.spec["used_by_entity"])


@operation(_SERVICE, "remove_from_used_by")
def remove_from_used_by(call: Call) -> None:
    """Removes a user; an unknown one is not an error."""
    _tag(call).used_by.discard(call.spec["used_by_entity"])


@operation(_SERVICE, "revoke_propagating_permissions")
def revoke_propagating_permissions(call: Call) -> None:
    """The simulator has no permissions on individual objects, so there is nothing to revoke."""
    _tag(call)
