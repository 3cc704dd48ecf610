"""com.vmware.cis.tagging.category: the groups of tags."""

from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tagging import Category

__all__ = [
    "add_to_used_by",
    "create",
    "delete",
    "get",
    "list_categories",
    "list_used_categories",
    "remove_from_used_by",
    "revoke_propagating_permissions",
    "update",
]

_SERVICE = "com.vmware.cis.tagging.category"


def _category(call: Call) -> Category:
    return call.inventory.tagging.category(call.path["category_id"])


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Creates a category without tags; returns its identifier."""
    spec = call.spec
    types = spec["associable_types"]
    tagging = call.inventory.tagging
    identifier = spec.get("category_id")
    return tagging.create_category(spec["name"], spec["description"], spec["cardinality"], types, identifier).category


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """All attributes of one category."""
    category = _category(call)
    return {
        "id": category.category,
        "name": category.name,
        "description": category.description,
        "cardinality": category.cardinality,
        "associable_types": sorted(category.types),
        "used_by": sorted(category.used_by),
    }


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the fields in the spec; types can only be added, and the cardinality can only grow."""
    spec = call.spec
    call.inventory.tagging.update_category(
        _category(call),
        name=spec.get("name"),
        description=spec.get("description"),
        cardinality=spec.get("cardinality"),
        types=spec.get("associable_types") or (),
    )


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes the category and its tags, also from all objects."""
    call.inventory.tagging.delete_category(_category(call))


@operation(_SERVICE, "list")
def list_categories(call: Call) -> Json:
    """The identifiers of all categories."""
    return [*call.inventory.tagging.categories]


@operation(_SERVICE, "list_used_categories")
def list_used_categories(call: Call) -> Json:
    """The identifiers of the categories that have users."""
    user = call.spec["used_by_entity"]
    return [key for key, category in call.inventory.tagging.categories.items() if user in category.used_by]


@operation(_SERVICE, "add_to_used_by")
def add_to_used_by(call: Call) -> None:
    """Adds a user; does nothing if it exists."""
    _category(call).used_by.add(call.spec["used_by_entity"])


@operation(_SERVICE, "remove_from_used_by")
def remove_from_used_by(call: Call) -> None:
    """Removes a user; an unknown one is not an error."""
    _category(call).used_by.discard(call.spec["used_by_entity"])


@operation(_SERVICE, "revoke_propagating_permissions")
def revoke_propagating_permissions(call: Call) -> None:
    """The simulator has no permissions on individual objects, so there is nothing to revoke."""
    _category(call)
