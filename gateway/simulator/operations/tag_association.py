"""com.vmware.cis.tagging.tag_association: tags on objects.

vCenter does not distinguish an object that does not exist from one that the caller may not read: both are UNAUTHORIZED
in a call about one object, a message in the result of a batch, and omitted from lists.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tagging import ObjectId, Tag

__all__ = [
    "attach",
    "attach_multiple_tags_to_object",
    "attach_tag_to_multiple_objects",
    "detach",
    "detach_multiple_tags_from_object",
    "detach_tag_from_multiple_objects",
    "list_attachable_tags",
    "list_attached_objects",
    "list_attached_objects_on_tags",
    "list_attached_tags",
    "list_attached_tags_on_objects",
]

_SERVICE = "com.vmware.cis.tagging.tag_association"

_Item = TypeVar("_Item")


def _tag(call: Call) -> Tag:
    return call.inventory.tagging.tag(call.path["tag_id"])


def _id(dynamic: Mapping[str, str]) -> ObjectId:
    return dynamic["type"], dynamic["id"]


def _dynamic(item: ObjectId) -> dict[str, str]:
    return {"id": item[1], "type": item[0]}


def _object(call: Call, dynamic: Mapping[str, str]) -> ObjectId:
    """The object; UNAUTHORIZED if it does not exist."""
    item = _id(dynamic)
    if not call.inventory.tagging.exists(item):
        text = "User {0} does not have the privilege System.Read on object {1}."
        raise errors.unauthorized("cis.tagging.unauthorized.error", text, call.user.name, item[1])
    return item


def _batch(items: Iterable[_Item], step: Callable[[_Item], object]) -> Json:
    """Applies the step to each item, and reports the failures."""
    messages: list[errors.Message] = []
    for item in items:
        try:
            step(item)
        except errors.VapiError as failure:
            messages += failure.messages
    return {"success": not messages, "error_messages": [message.to_json() for message in messages]}


@operation(_SERVICE, "attach")
def attach(call: Call) -> None:
    """Attaches a tag to an object; a tag that is already attached is not an error."""
    call.inventory.tagging.attach(_tag(call), _object(call, call.spec["object_id"]))


@operation(_SERVICE, "detach")
def detach(call: Call) -> None:
    """Detaches a tag from an object; a tag that is not attached is not an error."""
    call.inventory.tagging.detach(_tag(call), _object(call, call.spec["object_id"]))


@operation(_SERVICE, "attach_multiple_tags_to_object")
def attach_multiple_tags_to_object(call: Call) -> Json:
    """Attaches as many of the tags as it can."""
    tagging, item = call.inventory.tagging, _object(call, call.spec["object_id"])
    return _batch(call.spec["tag_ids"], lambda tag: tagging.attach(tagging.tag(tag), item))


@operation(_SERVICE, "detach_multiple_tags_from_object")
def detach_multiple_tags_from_object(call: Call) -> Json:
    """Detaches as many of the tags as it can."""
    tagging, item = call.inventory.tagging, _object(call, call.spec["object_id"])
    return _batch(call.spec["tag_ids"], lambda tag: tagging.detach(tagging.tag(tag), item))


@operation(_SERVICE, "attach_tag_to_multiple_objects")
def attach_tag_to_multiple_objects(call: Call) -> Json:
    """Attaches the tag to as many of the objects as it can."""
    tagging, tag = call.inventory.tagging, _tag(call)
    return _batch(call.spec["object_ids"], lambda item: tagging.attach(tag, _object(call, item)))


@operation(_SERVICE, "detach_tag_from_multiple_objects")
def detach_tag_from_multiple_objects(call: Call) -> Json:
    """Detaches the tag from as many of the objects as it can."""
    tagging, tag = call.inventory.tagging, _tag(call)
    return _batch(call.spec["object_ids"], lambda item: tagging.detach(tag, _object(call, item)))


@operation(_SERVICE, "list_attached_tags")
def list_attached_tags(call: Call) -> Json:
    """The tags of one object."""
    item = _object(call, call.spec["object_id"])
    return [tag.tag for tag in call.inventory.tagging.tags_of(item)]


@operation(_SERVICE, "list_attached_tags_on_objects")
def list_attached_tags_on_objects(call: Call) -> Json:
    """The tags of each object that exists."""
    tagging = call.inventory.tagging
    return [
        {"object_id": _dynamic(item), "tag_ids": [tag.tag for tag in tagging.tags_of(item)]}
        for item in map(_id, call.spec["object_ids"])
        if tagging.exists(item)
    ]


@operation(_SERVICE, "list_attached_objects")
def list_attached_objects(call: Call) -> Json:
    """The objects that have one tag."""
    return [_dynamic(item) for item in call.inventory.tagging.objects_of(_tag(call))]


@operation(_SERVICE, "list_attached_objects_on_tags")
def list_attached_objects_on_tags(call: Call) -> Json:
    """The objects of each tag that exists."""
    tagging = call.inventory.tagging
    return [
        {"tag_id": tag, "object_ids": [_dynamic(item) for item in tagging.objects_of(tagging.tags[tag])]}
        for tag in call.spec["tag_ids"]
        if tag in tagging.tags
    ]


@operation(_SERVICE, "list_attachable_tags")
def list_attachable_tags(call: Call) -> Json:
    """The tags that the object does not have and could be given."""
    tagging, item = call.inventory.tagging, _object(call, call.spec["object_id"])
    return [key for key, tag in tagging.tags.items() if item not in tag.objects and tagging.refusal(tag, item) is None]
