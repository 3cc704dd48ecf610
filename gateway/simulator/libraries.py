"""The content libraries: which ones exist, what they contain, and where it is stored.

Initially, there are two libraries:

- `templates` (`TEMPLATES`): local, on `datastore-11`, not published. It contains the OVF template `photon-5`
  (`OVF_ITEM`) and, in an inventory that has a template, the virtual machine template `golden-image`
  (`VM_TEMPLATE_ITEM`), whose only version is that template.
- `mirror` (`MIRROR`): subscribed, on `datastore-12`. It contains the ISO image `debian-12` (`ISO_ITEM`).

A file of an item uses space of the datastore of its library. The disks of virtual machine templates are files of
machines, which are counted elsewhere.
"""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from gateway.simulator import errors
from gateway.simulator.library import OVF, VM_TEMPLATE, CheckOut, File, Item, Library, Subscription
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.ovf_package import PHOTON
from gateway.simulator.places import Datastore, Places

__all__ = ["ISO_ITEM", "MIRROR", "OVF_ITEM", "PUBLISHED", "PUBLISHER", "TEMPLATES", "VM_TEMPLATE_ITEM", "Libraries"]

TEMPLATES, MIRROR = "b3c6d9a1-52f4-4c9e-8d07-1f2a3b4c5d6e", "e0a4f7c2-93b1-4d58-a6e7-2c81d05f9b34"
OVF_ITEM, VM_TEMPLATE_ITEM = "0b8f6a52-7d31-4e9c-8a64-f15e20c9d7b3", "7c95d3e8-1f60-4b2a-9e47-d80a6c3b5f12"
ISO_ITEM = "41d8b6f0-c2e5-4739-8b1d-95f7a03e6c28"

_MESSAGES = "com.vmware.vdcs.cls-main"
_MIB = 1 << 20

PUBLISHER = "https://publisher.example.com/cls/vcsp/lib/2f64c8a0/lib.json"
"""A published library in another vCenter."""
_ISO = "debian-12.5.0-amd64-netinst.iso"
PUBLISHED = (
    Item(
        "c5e8a3d7-60f9-4b14-8d2c-e7b1f05a9364",
        "2f64c8a0",
        "debian-12",
        "iso",
        datetime(2026, 1, 1, tzinfo=UTC),
        files={_ISO: File(_ISO, 629 * _MIB)},
    ),
)
"""The items of that library."""


class Libraries:
    """All libraries and items by identifier."""

    def __init__(self, places: Places, files: set[str], started: datetime, template: VirtualMachine | None) -> None:
        """`files` are the paths of all files on datastores; items add theirs, so that CD-ROM drives find them."""
        self._places = places
        self._paths = files
        self._random = Random("content library")  # noqa: S311 - identifiers are no secrets
        self.libraries: dict[str, Library] = {}
        self.items: dict[str, Item] = {}
        self.certificates: dict[str, str] = {}
        """The trusted certificates as PEM texts, by the SHA-256 of the certificate."""
        self.configuration: dict[str, Any] = {}
        """The changed settings of all libraries."""
        self.check_outs: dict[str, str] = {}
        """The items of the checked-out machines, by machine."""
        self._fill(started, template)

    def _fill(self, started: datetime, template: VirtualMachine | None) -> None:
        templates = Library(TEMPLATES, "templates", "LOCAL", "datastore-11", started)
        mirror = Library(MIRROR, "mirror", "SUBSCRIBED", "datastore-12", started)
        mirror.subscription = Subscription(PUBLISHER)
        mirror.synchronized = started
        self.libraries = {library.library: library for library in (templates, mirror)}
        ovf = Item(OVF_ITEM, TEMPLATES, "photon-5", OVF, started, "Photon OS 5 with its tools", package=PHOTON)
        self.items[OVF_ITEM] = ovf
        self.add_files(
            ovf,
            (
                File("photon-5.ovf", 11_418),
                File("photon-5.mf", 213),
                File("photon-5-disk1.vmdk", 712 * _MIB),
            ),
        )
        [published] = PUBLISHED
        iso = Item(ISO_ITEM, MIRROR, published.name, published.type, started, source=published.item)
        self.items[ISO_ITEM] = iso
        self.add_files(iso, (replace(file) for file in published.files.values()))
        if template is not None:
            golden = Item(
                VM_TEMPLATE_ITEM, TEMPLATES, "golden-image", VM_TEMPLATE, started, "What all servers start from"
            )
            self.items[VM_TEMPLATE_ITEM] = golden
            self.hold_template(golden, template)

    def new_id(self) -> str:
        """A free identifier."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def library(self, identifier: str) -> Library:
        """The library; NOT_FOUND if it does not exist."""
        library = self.libraries.get(identifier)
        if library is None:
            text = "The library with identifier '{0}' does not exist."
            raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.library_not_found", text, identifier)
        return library

    def item(self, identifier: str) -> Item:
        """The item; NOT_FOUND if it does not exist."""
        item = self.items.get(identifier)
        if item is None:
            text = "The library item with identifier '{0}' does not exist."
            raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.library_item_not_found", text, identifier)
        return item

    def library_of(self, item: Item) -> Library:
        """The library that contains the item."""
        return self.libraries[item.library]

    def items_of(self, library: Library) -> list[Item]:
        """The items of a library, the oldest first."""
        return [item for item in self.items.values() if item.library == library.library]

    def is_named(self, library: Library, name: str) -> bool:
        """Whether an item of the library has the name, ignoring case."""
        return any(item.name.casefold() == name.casefold() for item in self.items_of(library))

    def datastore_of(self, library: Library) -> Datastore | None:
        """The datastore of the library's contents; None if the datastore is gone."""
        return self._places.datastores.get(library.datastore)

    def usable_datastore_of(self, library: Library) -> Datastore:
        """The datastore of the library's contents; RESOURCE_INACCESSIBLE if it is inaccessible."""
        datastore = self.datastore_of(library)
        if datastore is None or not datastore.accessible:
            raise errors.resource_inaccessible(
                f"{_MESSAGES}.storage_inaccessible", "The datastore '{0}' cannot be accessed.", library.datastore
            )
        return datastore

    def add_item(self, library: Library, name: str, kind: str, now: datetime, **more: Any) -> Item:
        """Adds an item without files."""
        item = Item(self.new_id(), library.library, name, kind, now, **more)
        self.items[item.item] = item
        return item

    def add_files(self, item: Item, files: Iterable[File]) -> None:
        """Adds files to an item. The caller checks whether there is enough space."""
        for file in files:
            item.files[file.name] = file
            self._store(item, file)

    def replace_files(self, item: Item, files: Iterable[File], now: datetime, user: str | None = None) -> None:
        """Replaces the files of an item, as a new version of its content."""
        for file in item.files.values():
            self._remove(item, file)
        item.files.clear()
        self.add_files(item, files)
        item.content_changed(now, user)

    def cache(self, item: Item, *, cached: bool) -> None:
        """Copies the missing files of a subscribed item to the library's storage, or removes all files from it.

        The caller checks whether there is enough space.
        """
        for file in item.files.values():
            self._remove(item, file)
            file.cached = cached
            self._store(item, file)

    def hold_template(self, item: Item, machine: VirtualMachine) -> None:
        """Makes a machine, which is already a template, the only version of a new item."""
        item.templates[str(item.content_version)] = machine.vm
        name = f"{item.name}.vmtx"
        item.files[name] = File(name, sum(disk.capacity for disk in machine.disks.values()))

    def remove_item(self, item: Item) -> None:
        """Removes an item with its files; the caller handles its machines."""
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
        """Records that a machine is checked out."""
        item.check_out = check_out
        self.check_outs[check_out.vm] = item.item

    def end_check_out(self, item: Item) -> None:
        """Removes the check-out of an item."""
        if item.check_out is not None:
            del self.check_outs[item.check_out.vm]
            item.check_out = None

    def removed(self, kind: str, identifier: str) -> None:
        """Follows removals elsewhere: a machine that no longer exists is not checked out."""
        if kind == "VirtualMachine" and identifier in self.check_outs:
            self.end_check_out(self.items[self.check_outs[identifier]])

    def _store(self, item: Item, file: File) -> None:
        if file.cached:
            self._use(item, file.size)
            self._paths.add(self._path(item, file))

    def _remove(self, item: Item, file: File) -> None:
        if file.cached:
            self._use(item, -file.size)
            self._paths.discard(self._path(item, file))

    def _use(self, item: Item, size: int) -> None:
        datastore = self.datastore_of(self.library_of(item))
        if datastore is not None and item.type != VM_TEMPLATE:
            datastore.used += size

    def _path(self, item: Item, file: File) -> str:
        """The path of the file on its datastore, such as `[datastore1] contentlib-b3c6/0b8f/debian.iso`."""
        datastore = self.datastore_of(self.library_of(item))
        return f"[{datastore.name if datastore else ''}] contentlib-{item.library}/{item.item}/{file.name}"
