"""The content libraries: which there are, what is in them, and where it is stored.

At the start there are two libraries:

- `templates` (`TEMPLATES`): local, on `datastore-11`, not published. It holds the OVF template `photon-5` (`OVF_ITEM`)
  and, in an inventory that has a template, the virtual machine template `golden-image` (`VM_TEMPLATE_ITEM`), whose only
  version is that template.
- `mirror` (`MIRROR`): subscribed, on `datastore-12`. It holds the ISO image `debian-12` (`ISO_ITEM`).

What a file of an item takes up is taken from the datastore of its library; the disks of virtual machine templates are
files of machines, which count elsewhere.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from gateway.simulator import errors
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.places import Datastore, Places

__all__ = [
    "ISO_ITEM",
    "MIRROR",
    "OVF_ITEM",
    "SECURITY_POLICY",
    "TEMPLATES",
    "VM_TEMPLATE",
    "VM_TEMPLATE_ITEM",
    "CheckOut",
    "File",
    "Item",
    "Libraries",
    "Library",
    "require_texts",
]

TEMPLATES, MIRROR = "b3c6d9a1-52f4-4c9e-8d07-1f2a3b4c5d6e", "e0a4f7c2-93b1-4d58-a6e7-2c81d05f9b34"
OVF_ITEM, VM_TEMPLATE_ITEM = "0b8f6a52-7d31-4e9c-8a64-f15e20c9d7b3", "7c95d3e8-1f60-4b2a-9e47-d80a6c3b5f12"
ISO_ITEM = "41d8b6f0-c2e5-4739-8b1d-95f7a03e6c28"

SECURITY_POLICY = "6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23"
"""The one security policy that a library can have: items are verified when they are added."""

VM_TEMPLATE = "vm-template"
"""The type of the items that hold virtual machine templates."""

_MESSAGES = "com.vmware.vdcs.cls-main"
_LONGEST_NAME, _LONGEST_DESCRIPTION = 80, 2000
_MIB = 1 << 20


@dataclass(slots=True)
class File:
    """A file of an item; `size` in bytes."""

    name: str
    size: int
    version: int = 1
    cached: bool = True

    @property
    def checksum(self) -> str:
        """SHA-256 of what would be in it."""
        return hashlib.sha256(f"{self.name}/{self.size}/{self.version}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckOut:
    """A machine that is checked out of an item, by whom and since when."""

    vm: str
    user: str
    time: datetime


@dataclass(slots=True)
class Item:
    """An item of a library."""

    item: str
    library: str
    name: str
    type: str
    created: datetime
    description: str = ""
    files: dict[str, File] = field(default_factory=dict)
    source: str | None = None
    """The item that this one was made from."""
    version: int = 1
    """Counts the changes of properties, and so does the version of the metadata, which is the same."""
    content_version: int = 1
    modified: datetime | None = None
    templates: dict[str, str] = field(default_factory=dict)
    """The machines of the versions that a virtual machine template still has, by version, the latest last."""
    check_out: CheckOut | None = None

    @property
    def cached(self) -> bool:
        """Whether all its files are on the library's storage."""
        return all(file.cached for file in self.files.values())

    @property
    def size(self) -> int:
        """Bytes of all files; 0 as long as some are missing."""
        return sum(file.size for file in self.files.values()) if self.cached else 0

    @property
    def template(self) -> str | None:
        """The machine of the latest version; None for what is no virtual machine template."""
        return next(reversed(self.templates.values()), None)

    def changed(self, now: datetime) -> None:
        """Notes a change of properties."""
        self.version, self.modified = self.version + 1, now

    def add_version(self, template: str, now: datetime) -> str:
        """Makes a machine the latest version of the template, and returns the version."""
        self.content_version, self.modified = self.content_version + 1, now
        self.templates[str(self.content_version)] = template
        return str(self.content_version)


@dataclass(slots=True)
class Library:
    """A library; its contents are on one datastore."""

    library: str
    name: str
    type: str
    datastore: str
    created: datetime
    description: str = ""
    version: int = 1
    modified: datetime | None = None
    storage_type: str = "DATASTORE"
    published: bool = False
    persist_json: bool = False
    subscriptions: set[str] = field(default_factory=set)
    """The subscriptions that it knows of, of libraries that follow it."""
    subscription_url: str | None = None
    synchronized: datetime | None = None
    security_policy: str | None = None
    usage_protects_items: bool = False
    used_by: set[str] = field(default_factory=set)
    """What has declared that it uses the library."""
    state: str = "ACTIVE"
    state_message: str | None = None
    migrating: bool = False
    contents_deleted: bool = False
    """Whether somebody has deleted the contents behind vCenter's back."""

    @property
    def local(self) -> bool:
        """Whether it owns its items."""
        return self.type == "LOCAL"

    def changed(self, now: datetime) -> None:
        """Notes a change of properties."""
        self.version, self.modified = self.version + 1, now

    def require_local(self) -> None:
        """INVALID_ELEMENT_TYPE for a subscribed library."""
        if not self.local:
            raise errors.of_type(
                "INVALID_ELEMENT_TYPE",
                f"{_MESSAGES}.invalid_library_type",
                "The operation is not supported for the subscribed library '{0}'.",
                self.library,
            )

    def require_active(self) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE for a library in maintenance."""
        if self.state != "ACTIVE":
            raise errors.not_allowed(
                f"{_MESSAGES}.library_in_maintenance",
                "The operation is not allowed while the library '{0}' is in maintenance.",
                self.library,
            )

    def require_contents(self) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE for a library whose contents have been deleted."""
        if self.contents_deleted:
            raise errors.not_allowed(
                f"{_MESSAGES}.library_contents_deleted",
                "The content of the library '{0}' has been deleted from its storage backing.",
                self.library,
            )


class Libraries:
    """All libraries and items by identifier."""

    def __init__(self, places: Places, files: set[str], started: datetime, template: VirtualMachine | None) -> None:
        """`files` are the paths of all files on datastores; items add theirs, for CD-ROM drives to find."""
        self._places = places
        self._paths = files
        self._random = Random("content library")  # noqa: S311 - identifiers are no secrets
        self.libraries: dict[str, Library] = {}
        self.items: dict[str, Item] = {}
        self.check_outs: dict[str, str] = {}
        """The items of the machines that are checked out, by machine."""
        self._fill(started, template)

    def _fill(self, started: datetime, template: VirtualMachine | None) -> None:
        templates = Library(TEMPLATES, "templates", "LOCAL", "datastore-11", started)
        mirror = Library(MIRROR, "mirror", "SUBSCRIBED", "datastore-12", started)
        mirror.subscription_url = "https://publisher.example.com/cls/vcsp/lib/2f64c8a0/lib.json"
        mirror.synchronized = started
        self.libraries = {library.library: library for library in (templates, mirror)}
        ovf = Item(OVF_ITEM, TEMPLATES, "photon-5", "ovf", started, "Photon OS 5 with its tools")
        self.items[OVF_ITEM] = ovf
        self.add_files(
            ovf,
            (
                File("photon-5.ovf", 11_418),
                File("photon-5.mf", 213),
                File("photon-5-disk1.vmdk", 712 * _MIB),
            ),
        )
        iso = Item(ISO_ITEM, MIRROR, "debian-12", "iso", started, source="c5e8a3d7-60f9-4b14-8d2c-e7b1f05a9364")
        self.items[ISO_ITEM] = iso
        self.add_files(iso, (File("debian-12.5.0-amd64-netinst.iso", 629 * _MIB),))
        if template is not None:
            golden = Item(
                VM_TEMPLATE_ITEM, TEMPLATES, "golden-image", VM_TEMPLATE, started, "What all servers start from"
            )
            self.items[VM_TEMPLATE_ITEM] = golden
            self.hold_template(golden, template)

    def new_id(self) -> str:
        """An identifier that is free."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def library(self, identifier: str) -> Library:
        """The library; NOT_FOUND when there is none."""
        library = self.libraries.get(identifier)
        if library is None:
            text = "The library with identifier '{0}' does not exist."
            raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.library_not_found", text, identifier)
        return library

    def item(self, identifier: str) -> Item:
        """The item; NOT_FOUND when there is none."""
        item = self.items.get(identifier)
        if item is None:
            text = "The library item with identifier '{0}' does not exist."
            raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.library_item_not_found", text, identifier)
        return item

    def library_of(self, item: Item) -> Library:
        """The library that has the item."""
        return self.libraries[item.library]

    def items_of(self, library: Library) -> list[Item]:
        """The items of a library, the oldest first."""
        return [item for item in self.items.values() if item.library == library.library]

    def is_named(self, library: Library, name: str) -> bool:
        """Whether an item of the library has the name, in upper or lower case."""
        return any(item.name.casefold() == name.casefold() for item in self.items_of(library))

    def datastore_of(self, library: Library) -> Datastore:
        """Where the library's contents are."""
        return self._places.datastores[library.datastore]

    def add_item(self, library: Library, name: str, kind: str, now: datetime, **more: Any) -> Item:
        """Adds an item without files."""
        item = Item(self.new_id(), library.library, name, kind, now, **more)
        self.items[item.item] = item
        return item

    def add_files(self, item: Item, files: Iterable[File]) -> None:
        """Adds files to an item. Whether there is room for them is up to the caller."""
        for file in files:
            item.files[file.name] = file
            self._store(item, file)

    def hold_template(self, item: Item, machine: VirtualMachine) -> None:
        """Makes a machine, which is a template already, the only version of a new item."""
        item.templates[str(item.content_version)] = machine.vm
        name = f"{item.name}.vmtx"
        item.files[name] = File(name, sum(disk.capacity for disk in machine.disks.values()))

    def remove_item(self, item: Item) -> None:
        """Removes an item with its files; machines are left to the caller."""
        for file in item.files.values():
            self._remove(item, file)
        if item.check_out is not None:
            self.end_check_out(item)
        del self.items[item.item]

    def move(self, library: Library, datastore: str) -> None:
        """Moves the contents to another datastore."""
        items = self.items_of(library)
        for item in items:
            for file in item.files.values():
                self._remove(item, file)
        library.datastore = datastore
        for item in items:
            for file in item.files.values():
                self._store(item, file)

    def begin_check_out(self, item: Item, check_out: CheckOut) -> None:
        """Notes that a machine is checked out."""
        item.check_out = check_out
        self.check_outs[check_out.vm] = item.item

    def end_check_out(self, item: Item) -> None:
        """Forgets the check-out of an item."""
        if item.check_out is not None:
            del self.check_outs[item.check_out.vm]
            item.check_out = None

    def path(self, item: Item, file: File) -> str:
        """Where a file is, for instance `[datastore1] contentlib-b3c6/0b8f/photon-5.ovf`."""
        datastore = self.datastore_of(self.library_of(item))
        return f"[{datastore.name}] contentlib-{item.library}/{item.item}/{file.name}"

    def _store(self, item: Item, file: File) -> None:
        if file.cached and item.type != VM_TEMPLATE:
            self.datastore_of(self.library_of(item)).used += file.size
            self._paths.add(self.path(item, file))

    def _remove(self, item: Item, file: File) -> None:
        if file.cached and item.type != VM_TEMPLATE:
            self.datastore_of(self.library_of(item)).used -= file.size
            self._paths.discard(self.path(item, file))


def require_texts(spec: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT where a name is empty or too long, or a description is too long; unset ones are left alone."""
    name, description = spec.get("name"), spec.get("description")
    if name is not None and not name.strip():
        raise errors.invalid_argument(f"{_MESSAGES}.name_empty", "The name must not be empty.")
    for label, text, longest in (("name", name, _LONGEST_NAME), ("description", description, _LONGEST_DESCRIPTION)):
        if text is not None and len(text) > longest:
            raise errors.invalid_argument(
                f"{_MESSAGES}.{label}_too_long",
                f"The {label} has {{0}} characters; it must not have more than {{1}}.",
                str(len(text)),
                str(longest),
            )
