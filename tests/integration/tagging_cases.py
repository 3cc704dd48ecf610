"""Categories, tags, and tags on objects; in the newer services also page by page."""

from __future__ import annotations

from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.tagging import Tag, Tagging
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

_CATEGORY, _TAG = "cis.tagging.v1.CategoryService", "cis.tagging.v1.TagService"
_ON = "cis.tagging.v1.TagAssociationService"
LIST_ASSOCIATIONS, UPDATE_ASSOCIATIONS = (
    f"vcenter.tagging.v1.AssociationsService/{name}Associations" for name in ("List", "Update")
)
PAGES_OF_CATEGORIES = "vcenter.tagging.v1.CategoriesService/ListCategoryDetails"
PAGES_OF_TAGS = "vcenter.tagging.v1.TagsService/ListTagDetails"

# The simulator has the same tags at each start.
_WORLD = Tagging({})
ENVIRONMENT, ROLE = _WORLD.categories
PRODUCTION, DEVELOPMENT, WEB, DATABASE = _WORLD.tags
NO_CATEGORY = "urn:vmomi:InventoryServiceCategory:00000000-0000-4000-8000-000000000000:GLOBAL"
NO_TAG = "urn:vmomi:InventoryServiceTag:00000000-0000-4000-8000-000000000000:GLOBAL"

VM, OTHER_VM, HOST = ({"type": kind, "id": key} for kind, key in (
    ("VirtualMachine", "vm-1001"), ("VirtualMachine", "vm-1002"), ("HostSystem", "host-10")
))  # fmt: skip
NO_VM = {"type": "VirtualMachine", "id": "vm-9999"}
SINGLE, MULTIPLE = "CATEGORY_CARDINALITY_SINGLE", "CATEGORY_CARDINALITY_MULTIPLE"

NOT_FOUND = "cis.tagging.objectNotFound.error"
EXISTS = "cis.tagging.objectAlreadyExists.error"
NO_RIGHT = "cis.tagging.unauthorized.error"
CARDINALITY, TYPE = "cis.tagging.cardinalityViolation.error", "cis.tagging.invalidAssociableType.error"


def tag_of(simulator: Simulator, tag: str) -> Tag:
    return simulator.inventory.tagging.tags[tag]


def attached(tag: str, *objects: Json) -> Setup:
    """Attaches a tag before the call."""

    def setup(simulator: Simulator) -> None:
        for item in objects:
            simulator.inventory.tagging.attach(tag_of(simulator, tag), (item["type"], item["id"]))

    return setup


def has(item: Json, *tags: str) -> Any:
    """Afterwards the object has exactly these tags, and where there is a result of a batch, it tells of no error."""

    def check(response: Json, simulator: Simulator) -> None:
        found = simulator.inventory.tagging.tags_of((item["type"], item["id"]))
        assert [tag.tag for tag in found] == list(tags)
        assert response in ({}, {"result": {"success": True}})

    return check


# --- Categories -------------------------------------------------------------------------------------------------------


def new_category(name: str = "Owner", **spec: Any) -> Json:
    return {"spec": {"name": name, "description": "Who pays", "cardinality": SINGLE, **spec}}


def category_is_there(response: Json, simulator: Simulator) -> None:
    category = simulator.inventory.tagging.categories[response["category"]]
    assert (category.name, category.description, category.cardinality) == ("Owner", "Who pays", "SINGLE")
    assert category.types == {"VirtualMachine", "HostSystem"}
    assert response["category"].startswith("urn:vmomi:InventoryServiceCategory:")
    assert response["category"].endswith(":GLOBAL")


def environment_grew(response: Json, simulator: Simulator) -> None:
    category = simulator.inventory.tagging.categories[ENVIRONMENT]
    assert (category.name, category.description, category.cardinality) == ("Stage", "", "MULTIPLE")
    assert category.types == {"VirtualMachine", "HostSystem"}


def environment_is_gone(response: Json, simulator: Simulator) -> None:
    tagging = simulator.inventory.tagging
    assert ([*tagging.categories], [*tagging.tags]) == ([ROLE], [WEB, DATABASE])
    assert tagging.tags_of(("VirtualMachine", "vm-1001")) == []


def users(kind: str, identifier: str, *expected: str) -> Any:
    """Afterwards these use the category or the tag."""

    def check(response: Json, simulator: Simulator) -> None:
        assert getattr(simulator.inventory.tagging, kind)[identifier].used_by == set(expected)

    return check


def used_by(kind: str, identifier: str) -> Setup:
    return lambda simulator: getattr(simulator.inventory.tagging, kind)[identifier].used_by.add("terraform")


CATEGORY_SUCCESSES = (
    Success(
        id="with types",
        rpc=f"{_CATEGORY}/CreateCategory",
        request=new_category(associable_types=["VirtualMachine", "HostSystem"]),
        check=category_is_there,
    ),
    Success(
        id="with an identifier",
        rpc=f"{_CATEGORY}/CreateCategory",
        request=new_category(category_id=NO_CATEGORY),
        response={"category": NO_CATEGORY},
    ),
    Success(
        id="all properties",
        rpc=f"{_CATEGORY}/GetCategory",
        request={"category_id": ENVIRONMENT},
        setup=used_by("categories", ENVIRONMENT),
        response={
            "category": {
                "id": ENVIRONMENT,
                "name": "Environment",
                "description": "Stage of the service",
                "cardinality": SINGLE,
                "associable_types": ["VirtualMachine"],
                "used_by": ["terraform"],
            }
        },
    ),
    Success(
        id="wider",
        rpc=f"{_CATEGORY}/UpdateCategory",
        request={
            "category_id": ENVIRONMENT,
            "spec": {
                "name": "Stage",
                "description": "",
                "cardinality": MULTIPLE,
                "associable_types": ["HostSystem", "VirtualMachine"],
            },
        },
        check=environment_grew,
    ),
    Success(
        id="with its tags",
        rpc=f"{_CATEGORY}/DeleteCategory",
        request={"category_id": ENVIRONMENT},
        check=environment_is_gone,
    ),
    Success(id="all", rpc=f"{_CATEGORY}/ListCategories", request={}, response={"categories": [ENVIRONMENT, ROLE]}),
    Success(
        id="of a user",
        rpc=f"{_CATEGORY}/ListUsedCategories",
        request={"used_by_entity": "terraform"},
        setup=used_by("categories", ROLE),
        response={"categories": [ROLE]},
    ),
    Success(
        id="added",
        rpc=f"{_CATEGORY}/AddCategoryToUsedBy",
        request={"category_id": ROLE, "used_by_entity": "ansible"},
        setup=used_by("categories", ROLE),
        check=users("categories", ROLE, "ansible", "terraform"),
    ),
    Success(
        id="removed",
        rpc=f"{_CATEGORY}/RemoveCategoryFromUsedBy",
        request={"category_id": ROLE, "used_by_entity": "terraform"},
        setup=used_by("categories", ROLE),
        check=users("categories", ROLE),
    ),
    Success(
        id="revoked",
        rpc=f"{_CATEGORY}/RevokeCategoryPropagatingPermissions",
        request={"category_id": ROLE},
        response={},
    ),
)


def category_errors() -> Any:
    create, update = f"{_CATEGORY}/CreateCategory", f"{_CATEGORY}/UpdateCategory"
    for name, request in (
        ("name", new_category("Role")),
        ("identifier", new_category(category_id=ROLE)),
    ):
        yield ErrorCase(rpc=create, error="ALREADY_EXISTS", id=name, request=request, messages=(EXISTS,))
    for name, request, member in (
        ("empty name", new_category(""), "name"),
        ("long name", new_category("x" * 257), "name"),
        ("identifier", new_category(category_id=NO_TAG), "id"),
    ):
        message = f"cis.tagging.{member}.invalid.error"
        yield ErrorCase(rpc=create, error="INVALID_ARGUMENT", id=name, request=request, messages=(message,))
    request = {"category_id": ENVIRONMENT, "spec": {"name": "Role"}}
    yield ErrorCase(rpc=update, error="ALREADY_EXISTS", request=request, messages=(EXISTS,))
    for name, category, spec, member in (
        ("empty name", ENVIRONMENT, {"name": ""}, "name"),
        ("narrower cardinality", ROLE, {"cardinality": SINGLE}, "cardinality"),
        ("fewer types", ENVIRONMENT, {"associable_types": ["HostSystem"]}, "associableTypes"),
        ("some types for all", ROLE, {"associable_types": ["HostSystem"]}, "associableTypes"),
    ):
        request = {"category_id": category, "spec": spec}
        message = f"cis.tagging.{member}.invalid.error"
        yield ErrorCase(rpc=update, error="INVALID_ARGUMENT", id=name, request=request, messages=(message,))
    for name, more in (
        ("GetCategory", {}),
        ("UpdateCategory", {"spec": {}}),
        ("DeleteCategory", {}),
        ("AddCategoryToUsedBy", {"used_by_entity": "me"}),
        ("RemoveCategoryFromUsedBy", {"used_by_entity": "me"}),
        ("RevokeCategoryPropagatingPermissions", {}),
    ):
        request = {"category_id": NO_CATEGORY, **more}
        yield ErrorCase(rpc=f"{_CATEGORY}/{name}", error="NOT_FOUND", request=request, messages=(NOT_FOUND,))


# --- Tags -------------------------------------------------------------------------------------------------------------


def new_tag(name: str = "staging", category: str = ENVIRONMENT, **spec: Any) -> Json:
    return {"spec": {"name": name, "description": "Before", "category_id": category, **spec}}


def tag_is_there(response: Json, simulator: Simulator) -> None:
    tag = tag_of(simulator, response["tag"])
    assert (tag.name, tag.description, tag.category.category) == ("staging", "Before", ENVIRONMENT)
    assert response["tag"].startswith("urn:vmomi:InventoryServiceTag:")
    assert response["tag"].endswith(":GLOBAL")


def web_changed(response: Json, simulator: Simulator) -> None:
    assert (tag_of(simulator, WEB).name, tag_of(simulator, WEB).description) == ("front", "Faces users")


def production_is_gone(response: Json, simulator: Simulator) -> None:
    assert PRODUCTION not in simulator.inventory.tagging.tags
    has(VM)(response, simulator)


TAG_SUCCESSES = (
    Success(id="in a category", rpc=f"{_TAG}/CreateTag", request=new_tag(), check=tag_is_there),
    Success(id="with an identifier", rpc=f"{_TAG}/CreateTag", request=new_tag(tag_id=NO_TAG), response={"tag": NO_TAG}),
    Success(
        id="a name of another category",
        rpc=f"{_TAG}/CreateTag",
        request=new_tag("web", tag_id=NO_TAG),
        response={"tag": NO_TAG},
    ),
    Success(
        id="all properties",
        rpc=f"{_TAG}/GetTag",
        request={"tag_id": PRODUCTION},
        setup=used_by("tags", PRODUCTION),
        response={
            "tag": {
                "id": PRODUCTION,
                "category_id": ENVIRONMENT,
                "name": "production",
                "description": "Serves customers",
                "used_by": ["terraform"],
            }
        },
    ),
    Success(
        id="name and description",
        rpc=f"{_TAG}/UpdateTag",
        request={"tag_id": WEB, "spec": {"name": "front", "description": "Faces users"}},
        check=web_changed,
    ),
    Success(
        id="from its objects too", rpc=f"{_TAG}/DeleteTag", request={"tag_id": PRODUCTION}, check=production_is_gone
    ),
    Success(id="all", rpc=f"{_TAG}/ListTags", request={}, response={"tags": [PRODUCTION, DEVELOPMENT, WEB, DATABASE]}),
    Success(
        id="of a category",
        rpc=f"{_TAG}/ListTagsForCategory",
        request={"category_id": ROLE},
        response={"tags": [WEB, DATABASE]},
    ),
    Success(
        id="of a user",
        rpc=f"{_TAG}/ListUsedTags",
        request={"used_by_entity": "terraform"},
        setup=used_by("tags", WEB),
        response={"tags": [WEB]},
    ),
    Success(
        id="added",
        rpc=f"{_TAG}/AddTagToUsedBy",
        request={"tag_id": WEB, "used_by_entity": "ansible"},
        check=users("tags", WEB, "ansible"),
    ),
    Success(
        id="removed",
        rpc=f"{_TAG}/RemoveTagFromUsedBy",
        request={"tag_id": WEB, "used_by_entity": "terraform"},
        setup=used_by("tags", WEB),
        check=users("tags", WEB),
    ),
    Success(id="revoked", rpc=f"{_TAG}/RevokeTagPropagatingPermissions", request={"tag_id": WEB}, response={}),
)


def tag_errors() -> Any:
    create, update = f"{_TAG}/CreateTag", f"{_TAG}/UpdateTag"
    for name, request in (("name", new_tag("production")), ("identifier", new_tag(tag_id=WEB))):
        yield ErrorCase(rpc=create, error="ALREADY_EXISTS", id=name, request=request, messages=(EXISTS,))
    for name, request, member in (
        ("empty name", new_tag(" "), "name"),
        ("identifier", new_tag(tag_id="web"), "id"),
    ):
        message = f"cis.tagging.{member}.invalid.error"
        yield ErrorCase(rpc=create, error="INVALID_ARGUMENT", id=name, request=request, messages=(message,))
    yield ErrorCase(rpc=create, error="NOT_FOUND", request=new_tag(category=NO_CATEGORY), messages=(NOT_FOUND,))
    request = {"tag_id": WEB, "spec": {"name": "database"}}
    yield ErrorCase(rpc=update, error="ALREADY_EXISTS", request=request, messages=(EXISTS,))
    request = {"tag_id": WEB, "spec": {"name": "x" * 257}}
    yield ErrorCase(rpc=update, error="INVALID_ARGUMENT", request=request, messages=("cis.tagging.name.invalid.error",))
    for name, more in (
        ("GetTag", {}),
        ("UpdateTag", {"spec": {}}),
        ("DeleteTag", {}),
        ("AddTagToUsedBy", {"used_by_entity": "me"}),
        ("RemoveTagFromUsedBy", {"used_by_entity": "me"}),
        ("RevokeTagPropagatingPermissions", {}),
    ):
        request = {"tag_id": NO_TAG, **more}
        yield ErrorCase(rpc=f"{_TAG}/{name}", error="NOT_FOUND", request=request, messages=(NOT_FOUND,))
    request = {"category_id": NO_CATEGORY}
    yield ErrorCase(rpc=f"{_TAG}/ListTagsForCategory", error="NOT_FOUND", request=request, messages=(NOT_FOUND,))


# --- Tags on objects --------------------------------------------------------------------------------------------------


def failed(item: Json, tags: tuple[str, ...], *messages: str) -> Any:
    """The batch tells of these failures, and the object has these tags."""

    def check(response: Json, simulator: Simulator) -> None:
        assert response["result"]["success"] is False
        assert [message["id"] for message in response["result"]["error_messages"]] == list(messages)
        found = simulator.inventory.tagging.tags_of((item["type"], item["id"]))
        assert tuple(tag.tag for tag in found) == tags

    return check


ASSOCIATION_SUCCESSES = (
    Success(id="attached", rpc=f"{_ON}/AttachTag", request={"tag_id": WEB, "object_id": HOST}, check=has(HOST, WEB)),
    Success(
        id="attached already",
        rpc=f"{_ON}/AttachTag",
        request={"tag_id": PRODUCTION, "object_id": VM},
        check=has(VM, PRODUCTION),
    ),
    Success(
        id="on a library",
        rpc=f"{_ON}/AttachTag",
        request={"tag_id": DEVELOPMENT, "object_id": {"type": "com.vmware.content.Foreign", "id": "1"}},
        check=has({"type": "com.vmware.content.Foreign", "id": "1"}, DEVELOPMENT),
    ),
    Success(id="detached", rpc=f"{_ON}/DetachTag", request={"tag_id": PRODUCTION, "object_id": VM}, check=has(VM)),
    Success(
        id="not attached",
        rpc=f"{_ON}/DetachTag",
        request={"tag_id": WEB, "object_id": VM},
        check=has(VM, PRODUCTION),
    ),
    Success(
        id="all",
        rpc=f"{_ON}/AttachMultipleTagsToObject",
        request={"object_id": VM, "tag_ids": [PRODUCTION, WEB, DATABASE]},
        check=has(VM, PRODUCTION, WEB, DATABASE),
    ),
    Success(
        id="some",
        rpc=f"{_ON}/AttachMultipleTagsToObject",
        request={"object_id": VM, "tag_ids": [NO_TAG, DEVELOPMENT, WEB]},
        check=failed(VM, (PRODUCTION, WEB), NOT_FOUND, CARDINALITY),
    ),
    Success(
        id="all",
        rpc=f"{_ON}/DetachMultipleTagsFromObject",
        request={"object_id": VM, "tag_ids": [WEB, PRODUCTION]},
        check=has(VM),
    ),
    Success(
        id="some",
        rpc=f"{_ON}/DetachMultipleTagsFromObject",
        request={"object_id": VM, "tag_ids": [NO_TAG, PRODUCTION]},
        check=failed(VM, (), NOT_FOUND),
    ),
    Success(
        id="all",
        rpc=f"{_ON}/AttachTagToMultipleObjects",
        request={"tag_id": PRODUCTION, "object_ids": [VM, OTHER_VM]},
        check=has(OTHER_VM, PRODUCTION),
    ),
    Success(
        id="some",
        rpc=f"{_ON}/AttachTagToMultipleObjects",
        request={"tag_id": DEVELOPMENT, "object_ids": [VM, HOST, NO_VM, OTHER_VM]},
        check=failed(OTHER_VM, (DEVELOPMENT,), CARDINALITY, TYPE, NO_RIGHT),
    ),
    Success(
        id="all",
        rpc=f"{_ON}/DetachTagFromMultipleObjects",
        request={"tag_id": PRODUCTION, "object_ids": [OTHER_VM, VM]},
        check=has(VM),
    ),
    Success(
        id="some",
        rpc=f"{_ON}/DetachTagFromMultipleObjects",
        request={"tag_id": PRODUCTION, "object_ids": [NO_VM, VM]},
        check=failed(VM, (), NO_RIGHT),
    ),
    Success(
        id="what it has not and can have",
        rpc=f"{_ON}/ListAttachableTags",
        request={"object_id": VM},
        response={"tags": [WEB, DATABASE]},
    ),
    Success(
        id="without those of other types",
        rpc=f"{_ON}/ListAttachableTags",
        request={"object_id": HOST},
        setup=attached(WEB, HOST),
        response={"tags": [DATABASE]},
    ),
    Success(
        id="of one tag",
        rpc=f"{_ON}/ListAttachedObjects",
        request={"tag_id": WEB},
        setup=attached(WEB, VM, HOST),
        response={"objects": [VM, HOST]},
    ),
    Success(
        id="without what is gone",
        rpc=f"{_ON}/ListAttachedObjects",
        request={"tag_id": PRODUCTION},
        setup=lambda simulator: simulator.inventory.machines.pop("vm-1001"),
        response={},
    ),
    Success(
        id="of several tags",
        rpc=f"{_ON}/ListAttachedObjectsOnTags",
        request={"tag_ids": [WEB, NO_TAG, PRODUCTION]},
        response={"objects": [{"tag_id": WEB}, {"tag_id": PRODUCTION, "object_ids": [VM]}]},
    ),
    Success(
        id="of one object",
        rpc=f"{_ON}/ListAttachedTags",
        request={"object_id": VM},
        setup=attached(WEB, VM),
        response={"tags": [PRODUCTION, WEB]},
    ),
    Success(
        id="of several objects",
        rpc=f"{_ON}/ListAttachedTagsOnObjects",
        request={"object_ids": [HOST, NO_VM, VM]},
        response={"objects": [{"object_id": HOST}, {"object_id": VM, "tag_ids": [PRODUCTION]}]},
    ),
)


def association_errors() -> Any:
    for name, more in (
        ("AttachTag", {"object_id": VM}),
        ("DetachTag", {"object_id": VM}),
        ("AttachTagToMultipleObjects", {"object_ids": [VM]}),
        ("DetachTagFromMultipleObjects", {"object_ids": [VM]}),
        ("ListAttachedObjects", {}),
    ):
        request = {"tag_id": NO_TAG, **more}
        yield ErrorCase(rpc=f"{_ON}/{name}", error="NOT_FOUND", request=request, messages=(NOT_FOUND,))
    for name, tag, item, message in (
        ("another tag of a single category", DEVELOPMENT, VM, CARDINALITY),
        ("type", PRODUCTION, HOST, TYPE),
    ):
        request = {"tag_id": tag, "object_id": item}
        yield ErrorCase(rpc=f"{_ON}/AttachTag", error="INVALID_ARGUMENT", id=name, request=request, messages=(message,))
    for name, more in (
        ("AttachTag", {"tag_id": WEB}),
        ("DetachTag", {"tag_id": WEB}),
        ("AttachMultipleTagsToObject", {"tag_ids": [WEB]}),
        ("DetachMultipleTagsFromObject", {"tag_ids": [WEB]}),
        ("ListAttachableTags", {}),
        ("ListAttachedTags", {}),
    ):
        request = {"object_id": NO_VM, **more}
        yield ErrorCase(
            rpc=f"{_ON}/{name}", error="UNAUTHORIZED", id="no such object", request=request, messages=(NO_RIGHT,)
        )


# --- The newer services -----------------------------------------------------------------------------------------------


def change(tag_id: str | None, operation: str = "ATTACH", **spec: Any) -> Json:
    named = {} if tag_id is None else {"tag_id": tag_id}
    return {"operation": f"ASSOCIATIONS_OPERATION_{operation}", **named, **spec}


def changes(*specs: Json, item: Json = VM) -> Json:
    return {"spec": {"object": item, "tag_spec_list": list(specs)}}


def names(tag: str, category: str) -> Json:
    return {"tag_category_name_info": {"tag_name": tag, "category_name": category}}


def next_page(rpc_field: str, count: int) -> Any:
    """A page of so many items with the way to the next."""

    def check(response: Json, simulator: Simulator) -> None:
        assert len(response["result"][rpc_field]) == count
        assert response["result"]["marker"]

    return check


def nothing_changed(response: Json, simulator: Simulator) -> None:
    failed(VM, (PRODUCTION,))({"result": {"success": False, "error_messages": []}}, simulator)
    assert response["result"]["success"] is False
    assert [message["id"] for message in response["result"]["errors"]] == [NOT_FOUND, CARDINALITY]
    assert "results" not in response["result"]


DIFFERENT = "com.vmware.vcenter.tagging.associations.different_tags"


def different_tags(response: Json, simulator: Simulator) -> None:
    assert [message["id"] for message in response["result"]["errors"]] == [DIFFERENT]


NEWER_SUCCESSES = (
    Success(
        id="the only page",
        rpc=LIST_ASSOCIATIONS,
        request={},
        response={
            "result": {
                "associations": [{"tag": PRODUCTION, "object": VM}],
                "status": "ASSOCIATIONS_LAST_ITERATION_STATUS_END_OF_DATA",
            }
        },
    ),
    Success(
        id="attach and detach",
        rpc=UPDATE_ASSOCIATIONS,
        request=changes(
            change(PRODUCTION, "DETACH"), change(None, **names("development", "Environment")), change(WEB, "DETACH")
        ),
        response={
            "result": {
                "success": True,
                "results": [
                    change(None, "DETACH", tag=PRODUCTION, **names("production", "Environment")),
                    change(None, "ATTACH", tag=DEVELOPMENT, **names("development", "Environment")),
                ],
            }
        },
    ),
    Success(
        id="nothing to do",
        rpc=UPDATE_ASSOCIATIONS,
        request=changes(change(PRODUCTION, **names("production", "Environment"))),
        response={"result": {"success": True}},
    ),
    Success(
        id="all or nothing",
        rpc=UPDATE_ASSOCIATIONS,
        request=changes(change(WEB), change(NO_TAG), change(DEVELOPMENT)),
        check=nothing_changed,
    ),
    Success(
        id="names of another tag",
        rpc=UPDATE_ASSOCIATIONS,
        request=changes(change(WEB, **names("database", "Role"))),
        check=different_tags,
    ),
    Success(
        id="by name",
        rpc=PAGES_OF_TAGS,
        request={"names": ["web"]},
        response={
            "result": {
                "items": [{"tag": WEB, "info": {"name": "web", "category": ROLE, "description": ""}}],
            }
        },
    ),
    Success(id="a page", rpc=PAGES_OF_TAGS, request={"page_size": 3}, check=next_page("items", 3)),
    Success(
        id="by name",
        rpc=PAGES_OF_CATEGORIES,
        request={"names": ["Environment", "Nothing"]},
        response={
            "result": {
                "items": [
                    {
                        "category_id": ENVIRONMENT,
                        "info": {
                            "name": "Environment",
                            "description": "Stage of the service",
                            "cardinality": "CATEGORIES_INFO_CARDINALITY_SINGLE",
                            "associable_types": ["VirtualMachine"],
                        },
                    }
                ],
            }
        },
    ),
    Success(id="a page", rpc=PAGES_OF_CATEGORIES, request={"page_size": 1}, check=next_page("items", 1)),
)


def newer_errors() -> Any:
    prefix = "com.vmware.vcenter.tagging"
    for rpc in (PAGES_OF_TAGS, PAGES_OF_CATEGORIES):
        yield ErrorCase(
            rpc=rpc, error="NOT_FOUND", request={"marker": "nonsense"}, messages=(f"{prefix}.marker.not_found",)
        )
        for name, request, message in (
            ("marker and filter", {"marker": "WzEsIFtdXQ", "names": ["web"]}, "marker.with_filter"),
            ("page size", {"page_size": 0}, "page_size.invalid"),
        ):
            yield ErrorCase(
                rpc=rpc, error="INVALID_ARGUMENT", id=name, request=request, messages=(f"{prefix}.{message}",)
            )
    yield ErrorCase(
        rpc=LIST_ASSOCIATIONS,
        error="INVALID_ARGUMENT",
        request={"marker": "nonsense"},
        messages=(f"{prefix}.associations.marker.invalid",),
    )
    for name, request, message in (
        ("nothing", changes(), "empty"),
        ("no tag", changes(change(WEB), change(None)), "no_tag"),
    ):
        yield ErrorCase(
            rpc=UPDATE_ASSOCIATIONS,
            error="INVALID_ARGUMENT",
            id=name,
            request=request,
            messages=(f"{prefix}.associations.{message}",),
        )
    yield ErrorCase(
        rpc=UPDATE_ASSOCIATIONS,
        error="NOT_FOUND",
        request=changes(change(WEB), item=NO_VM),
        messages=(f"{prefix}.associations.object.not_found",),
    )


SUCCESSES = (*CATEGORY_SUCCESSES, *TAG_SUCCESSES, *ASSOCIATION_SUCCESSES, *NEWER_SUCCESSES)
ERRORS = (*category_errors(), *tag_errors(), *association_errors(), *newer_errors())
