"""Categories, tags, and the objects that the tags are attached to.

A category decides how many of its tags an object can have, and which types of objects can have them. Objects are pairs
of type and identifier, because tags can be attached to anything: machines, hosts, datastores, libraries. Deleted
objects keep no tags: `objects` reports which ones exist, and all others are omitted.

The initial inventory has two categories, `Environment` (one tag per object, machines only; `production`, `development`)
and `Role` (any number, any type; `web`, `database`). The first machine is in production.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from gateway.simulator import errors

__all__ = ["Category", "ObjectId", "Tag", "Tagging"]

ObjectId = tuple[str, str]
"""Type and identifier, for example ("VirtualMachine", "vm-1001")."""

_MOST_CHARACTERS = 256
_FOREIGN = "com.vmware."


@dataclass(slots=True)
class Category:
    """A group of tags. An empty set of types stands for all types."""

    category: str
    name: str
    description: str
    cardinality: str
    types: set[str]
    number: int
    """Numbers grow with each category, tag and attachment: paged lists are in their order."""
    used_by: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    """Identifiers of its tags by their names."""


@dataclass(slots=True)
class Tag:
    """A tag, with the objects that have it in the order of attachment, each with the attachment's number."""

    tag: str
    name: str
    description: str
    category: Category
    number: int
    used_by: set[str] = field(default_factory=set)
    objects: dict[ObjectId, int] = field(default_factory=dict)


class Tagging:
    """All categories, tags and attachments. `objects` reports by type whether an identifier exists."""

    def __init__(self, objects: Mapping[str, Callable[[str], bool]]) -> None:
        self._exists = objects
        self._random = Random("tagging")  # noqa: S311 - identifiers that are the same at each start, not secrets
        self._numbers = count(1)
        self.categories: dict[str, Category] = {}
        self.tags: dict[str, Tag] = {}
        self._category_names: dict[str, str] = {}
        self._attached: dict[ObjectId, dict[str, None]] = {}
        self._build()

    def _build(self) -> None:
        environment = self.create_category("Environment", "Stage of the service", "SINGLE", ["VirtualMachine"])
        role = self.create_category("Role", "What the object is for", "MULTIPLE", [])
        production = self.create_tag(environment, "production", "Serves customers")
        self.create_tag(environment, "development", "May break")
        self.create_tag(role, "web", "")
        self.create_tag(role, "database", "")
        first = ("VirtualMachine", "vm-1001")
        if self.exists(first):
            self.attach(production, first)

    # --- categories and tags ---

    def category(self, identifier: str) -> Category:
        """The category; NOT_FOUND if it does not exist."""
        if identifier not in self.categories:
            raise _not_found(identifier)
        return self.categories[identifier]

    def tag(self, identifier: str) -> Tag:
        """The tag; NOT_FOUND if it does not exist."""
        if identifier not in self.tags:
            raise _not_found(identifier)
        return self.tags[identifier]

    def tag_by_name(self, category: str, name: str) -> Tag:
        """The tag with that name in the category with that name; NOT_FOUND if it does not exist."""
        if category not in self._category_names:
            raise _not_found(category)
        tags = self.categories[self._category_names[category]].tags
        if name not in tags:
            raise _not_found(name)
        return self.tags[tags[name]]

    def given(self, spec: Mapping[str, Any]) -> Tag:
        """The tag that is given by its identifier, by its name, or by both.

        NOT_FOUND if it does not exist, INVALID_ARGUMENT for neither, and for two different tags.
        """
        identifier, name = spec.get("tag_id"), spec.get("tag_name_spec")
        found = [] if identifier is None else [self.tag(identifier)]
        if name is not None:
            found.append(self.tag_by_name(name["category_name"], name["tag_name"]))
        if not found or found[0] is not found[-1]:
            text = "Each tag has to be given without contradiction."
            raise errors.invalid_argument("com.vmware.vdcs.vmtx-main.invalid_tag", text)
        return found[0]

    def create_category(
        self, name: str, description: str, cardinality: str, types: Iterable[str], identifier: str | None = None
    ) -> Category:
        """A new category. ALREADY_EXISTS for a taken name or identifier, INVALID_ARGUMENT for an invalid one."""
        _check_name(name)
        identifier = self._identifier("InventoryServiceCategory", identifier)
        if name in self._category_names or identifier in self.categories:
            raise _already_exists(name)
        category = Category(identifier, name, description, cardinality, set(types), next(self._numbers))
        self.categories[identifier] = category
        self._category_names[name] = identifier
        return category

    def update_category(
        self,
        category: Category,
        *,
        name: str | None = None,
        description: str | None = None,
        cardinality: str | None = None,
        types: Iterable[str] = (),
    ) -> None:
        """Changes what is given, or nothing: ALREADY_EXISTS for a taken name, INVALID_ARGUMENT for a change that
        narrows it."""
        grown = set(types)
        if name is not None and name != category.name:
            _check_name(name)
            if name in self._category_names:
                raise _already_exists(name)
        if category.cardinality == "MULTIPLE" and cardinality == "SINGLE":
            raise _invalid("cardinality", "A category with multiple cardinality cannot be made single.")
        if grown and (not category.types or not category.types <= grown):
            raise _invalid("associableTypes", "Associable types can be added to a category but not removed from it.")
        if name is not None:
            del self._category_names[category.name]
            self._category_names[name] = category.category
            category.name = name
        category.description = category.description if description is None else description
        category.cardinality = cardinality or category.cardinality
        category.types = grown or category.types

    def delete_category(self, category: Category) -> None:
        """Deletes the category and its tags, which are detached from everything."""
        for identifier in list(category.tags.values()):
            self.delete_tag(self.tags[identifier])
        del self.categories[category.category]
        del self._category_names[category.name]

    def create_tag(self, category: Category, name: str, description: str, identifier: str | None = None) -> Tag:
        """A new tag. ALREADY_EXISTS for a taken name or identifier, INVALID_ARGUMENT for an invalid one."""
        _check_name(name)
        identifier = self._identifier("InventoryServiceTag", identifier)
        if name in category.tags or identifier in self.tags:
            raise _already_exists(name)
        tag = Tag(identifier, name, description, category, next(self._numbers))
        self.tags[identifier] = tag
        category.tags[name] = identifier
        return tag

    def update_tag(self, tag: Tag, *, name: str | None = None, description: str | None = None) -> None:
        """Changes what is given, or nothing: ALREADY_EXISTS for a taken name, INVALID_ARGUMENT for an invalid one."""
        if name is not None and name != tag.name:
            _check_name(name)
            if name in tag.category.tags:
                raise _already_exists(name)
            del tag.category.tags[tag.name]
            tag.category.tags[name] = tag.tag
            tag.name = name
        tag.description = tag.description if description is None else description

    def delete_tag(self, tag: Tag) -> None:
        """Deletes the tag and detaches it from everything."""
        for item in list(tag.objects):
            self.detach(tag, item)
        del self.tags[tag.tag]
        del tag.category.tags[tag.name]

    # --- attachments ---

    def exists(self, item: ObjectId) -> bool:
        """Whether the object exists. Objects of services that are unknown here are assumed to exist."""
        kind, identifier = item
        return self._exists[kind](identifier) if kind in self._exists else kind.startswith(_FOREIGN)

    def refusal(self, tag: Tag, item: ObjectId) -> errors.VapiError | None:
        """Why the tag cannot be attached to the object, None if it can."""
        category = tag.category
        # vCenter only checks the types of its own inventory.
        if category.types and item[0] not in category.types and not item[0].startswith(_FOREIGN):
            return _refused("cis.tagging.invalidAssociableType.error", tag, item, "its type is not associable")
        others = self._attached.get(item, {}).keys() - {tag.tag}
        if category.cardinality == "SINGLE" and any(self.tags[other].category is category for other in others):
            return _refused("cis.tagging.cardinalityViolation.error", tag, item, "it has a tag of the same category")
        return None

    def attach(self, tag: Tag, item: ObjectId) -> bool:
        """Attaches a tag; returns whether it was not attached before. INVALID_ARGUMENT if that is impossible."""
        if item in tag.objects:
            return False
        refusal = self.refusal(tag, item)
        if refusal is not None:
            raise refusal
        tag.objects[item] = next(self._numbers)
        self._attached.setdefault(item, {})[tag.tag] = None
        return True

    def detach(self, tag: Tag, item: ObjectId) -> bool:
        """Detaches a tag; returns whether it was attached before."""
        if item not in tag.objects:
            return False
        del tag.objects[item]
        del self._attached[item][tag.tag]
        if not self._attached[item]:
            del self._attached[item]
        return True

    def tags_of(self, item: ObjectId) -> list[Tag]:
        """The tags of an object, in the order of attachment."""
        return [self.tags[tag] for tag in self._attached.get(item, ())] if self.exists(item) else []

    def objects_of(self, tag: Tag) -> list[ObjectId]:
        """The objects that have a tag, as far as they still exist."""
        return [item for item in tag.objects if self.exists(item)]

    def associations(self, after: tuple[int, int] = (0, 0)) -> Iterator[tuple[Tag, ObjectId]]:
        """All pairs of tags and objects after the given numbers, in the order of their numbers."""
        for tag in self.tags.values():
            if tag.number >= after[0]:
                for item, number in tag.objects.items():
                    if (tag.number, number) > after and self.exists(item):
                        yield tag, item

    def _identifier(self, kind: str, given: str | None) -> str:
        """The identifier that a caller chose, if it has the required form, or a new one."""
        if given is None:
            return f"urn:vmomi:{kind}:{UUID(int=self._random.getrandbits(128), version=4)}:GLOBAL"
        prefix, suffix = f"urn:vmomi:{kind}:", ":GLOBAL"
        if not given.startswith(prefix) or not given.endswith(suffix) or len(given) <= len(prefix + suffix):
            raise _invalid("id", f"Identifier {given} does not have the form {prefix}<UUID>{suffix}.")
        return given


def _check_name(name: str) -> None:
    if not 1 <= len(name.strip()) <= _MOST_CHARACTERS:
        raise _invalid("name", f"A name has 1 to {_MOST_CHARACTERS} characters.")


def _not_found(identifier: str) -> errors.VapiError:
    text = "Tagging object {0} not found"
    return errors.of_type("NOT_FOUND", "cis.tagging.objectNotFound.error", text, identifier)


def _already_exists(name: str) -> errors.VapiError:
    text = "Tagging object with name {0} already exists"
    return errors.of_type("ALREADY_EXISTS", "cis.tagging.objectAlreadyExists.error", text, name)


def _invalid(member: str, text: str) -> errors.VapiError:
    return errors.invalid_argument(f"cis.tagging.{member}.invalid.error", text)


def _refused(message_id: str, tag: Tag, item: ObjectId, reason: str) -> errors.VapiError:
    text = f"Tag {{0}} cannot be attached to object {{1}}: {reason}."
    return errors.invalid_argument(message_id, text, tag.tag, item[1])
