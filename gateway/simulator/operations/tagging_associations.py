"""com.vmware.vcenter.tagging.associations: all attachments page by page, and several changes of one object at once."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from gateway.simulator import errors
from gateway.simulator.paging import marker, read_marker
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tagging import ObjectId, Tag, Tagging

__all__ = ["PAGE", "list_associations", "update"]

_SERVICE = "com.vmware.vcenter.tagging.associations"

PAGE = 1000
"""Maximum number of attachments on a page."""


@operation(_SERVICE, "list")
def list_associations(call: Call) -> Json:
    """A page of all pairs of tags and objects."""
    after = (0, 0)
    if "marker" in call.query:
        try:
            tag_number, number = read_marker(call.query["marker"][0])
            after = int(tag_number), int(number)
        except (ValueError, TypeError):
            text = "The marker is not one that an earlier call has returned."
            raise errors.invalid_argument("com.vmware.vcenter.tagging.associations.marker.invalid", text) from None
    found = list(islice(call.inventory.tagging.associations(after), PAGE + 1))
    page = found[:PAGE]
    result: dict[str, Any] = {
        "associations": [{"tag": tag.tag, "object": {"type": item[0], "id": item[1]}} for tag, item in page],
        "status": "READY" if len(found) > PAGE else "END_OF_DATA",
    }
    if len(found) > PAGE:
        tag, item = page[-1]
        result["marker"] = marker(tag.number, tag.objects[item])
    return result


@operation(_SERVICE, "update")
def update(call: Call) -> Json:
    """Attaches and detaches everything in the spec, or nothing; returns what the call itself has changed."""
    tagging, spec = call.inventory.tagging, call.spec
    item = spec["object"]["type"], spec["object"]["id"]
    if not spec["tag_spec_list"]:
        raise errors.invalid_argument("com.vmware.vcenter.tagging.associations.empty", "The list of tags is empty.")
    for wanted in spec["tag_spec_list"]:
        if wanted.get("tag_id") is None and wanted.get("tag_category_name_info") is None:
            text = "A tag is named by its identifier or by its name and category."
            raise errors.invalid_argument("com.vmware.vcenter.tagging.associations.no_tag", text)
    if not tagging.exists(item):
        text = "Object {0} of type {1} does not exist."
        raise errors.of_type(
            "NOT_FOUND", "com.vmware.vcenter.tagging.associations.object.not_found", text, item[1], item[0]
        )
    changed: list[tuple[str, Tag]] = []
    messages: list[errors.Message] = []
    for wanted in spec["tag_spec_list"]:
        try:
            tag = _tag(tagging, wanted)
            if _change(tagging, wanted["operation"], tag, item):
                changed.append((wanted["operation"], tag))
        except errors.VapiError as failure:
            messages += failure.messages
    if messages:
        for done, tag in reversed(changed):
            _change(tagging, "DETACH" if done == "ATTACH" else "ATTACH", tag, item)
        return {"success": False, "errors": [message.to_json() for message in messages]}
    results = [_result(done, tag) for done, tag in changed]
    return {"success": True, "results": results} if results else {"success": True}


def _tag(tagging: Tagging, wanted: Mapping[str, Any]) -> Tag:
    """The tag in a spec; its identifier and its names must refer to the same tag."""
    names = wanted.get("tag_category_name_info")
    named = None if names is None else tagging.tag_by_name(names["category_name"], names["tag_name"])
    tag = tagging.tag(wanted["tag_id"]) if wanted.get("tag_id") is not None else named
    if tag is None or (named is not None and named is not tag):
        text = "The identifier and the names of a tag do not belong together."
        raise errors.invalid_argument("com.vmware.vcenter.tagging.associations.different_tags", text)
    return tag


def _change(tagging: Tagging, what: str, tag: Tag, item: ObjectId) -> bool:
    return tagging.attach(tag, item) if what == "ATTACH" else tagging.detach(tag, item)


def _result(what: str, tag: Tag) -> Json:
    names = {"tag_name": tag.name, "category_name": tag.category.name}
    return {"operation": what, "tag": tag.tag, "tag_category_name_info": names}
