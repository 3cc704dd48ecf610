"""com.vmware.vcenter.tagging.categories: categories with their properties, page by page."""

from gateway.simulator.paging import names_page
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tagging import Category

__all__ = ["list_categories"]


@operation("com.vmware.vcenter.tagging.categories", "list")
def list_categories(call: Call) -> Json:
    """The categories with one of the names, or all."""
    categories = call.inventory.tagging.categories.values()
    return names_page(call, categories, lambda category: (category.number, category.name), _item)


def _item(category: Category) -> Json:
    info = {
        "name": category.name,
        "description": category.description,
        "cardinality": category.cardinality,
        "associable_types": sorted(category.types),
        "used_by": sorted(category.used_by),
    }
    return {"category_id": category.category, "info": info}
