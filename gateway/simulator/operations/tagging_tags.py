"""com.vmware.vcenter.tagging.tags: tags with their properties, page by page."""

from gateway.simulator.paging import names_page
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tagging import Tag

__all__ = ["list_tags"]


@operation("com.vmware.vcenter.tagging.tags", "list")
def list_tags(call: Call) -> Json:
    """The tags with one of the names, or all."""
    return names_page(call, call.inventory.tagging.tags.values(), lambda tag: (tag.number, tag.name), _item)


def _item(tag: Tag) -> Json:
    info = {
        "name": tag.name,
        "category": tag.category.category,
        "description": tag.description,
        "used_by": sorted(tag.used_by),
    }
    return {"tag": tag.tag, "info": info}
