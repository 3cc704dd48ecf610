"""A content library, its items, and the files of an item; what prevents changes to them.

`libraries.py` contains all of them, and the initial ones.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.simulator import errors
from gateway.simulator.ovf_package import OvfPackage

__all__ = [
    "OVF",
    "SECURITY_POLICY",
    "VM_TEMPLATE",
    "Change",
    "CheckOut",
    "File",
    "Item",
    "Library",
    "Subscriber",
    "Subscription",
    "Usage",
    "require_texts",
]

SECURITY_POLICY = "6f1b0c3d-8e52-4a97-b4d6-07c9e5a81f23"
"""The only security policy of libraries: items are verified when they are added."""

VM_TEMPLATE = "vm-template"
OVF = "ovf"
"""The type of items that contain virtual machine templates."""

_MESSAGES = "com.vmware.vdcs.cls-main"
_LONGEST_NAME, _LONGEST_DESCRIPTION = 80, 2000


@dataclass(slots=True)
class File:
    """A file of an item; `size` in bytes."""

    name: str
    size: int
    version: int = 1
    cached: bool = True
    content: bytes | None = field(default=None, repr=False)
    """The uploaded content; None for a file that the simulator made up."""

    @property
    def checksum(self) -> str:
        """The SHA-256 of the real or assumed content."""
        if self.content is not None:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha256(f"{self.name}/{self.size}/{self.version}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckOut:
    """A machine that is checked out from an item, by whom and since when."""

    vm: str
    user: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an item's content; vCenter does not know who made some of them."""

    version: str
    time: datetime
    user: str | None = None
    message: str | None = None


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
    """The item that this one was copied from."""
    version: int = 1
    """Counts the changes of properties; the version of the metadata is the same number."""
    content_version: int = 1
    modified: datetime | None = None
    templates: dict[str, str] = field(default_factory=dict)
    """The machines of a virtual machine template's remaining versions, by version, the latest last."""
    check_out: CheckOut | None = None
    package: OvfPackage | None = None
    """The contents of the item's OVF package; None if it is not an OVF package."""
    changes: list[Change] = field(default_factory=list)
    """The changes of its content since it was created, oldest first."""

    @property
    def cached(self) -> bool:
        """Whether all its files are on the library's storage."""
        return all(file.cached for file in self.files.values())

    @property
    def size(self) -> int:
        """The total size of all files in bytes; 0 as long as some are missing."""
        return sum(file.size for file in self.files.values()) if self.cached else 0

    @property
    def template(self) -> str | None:
        """The machine of the latest version; None if it is not a virtual machine template."""
        return next(reversed(self.templates.values()), None)

    def changed(self, now: datetime) -> None:
        """Records a change of properties."""
        self.version, self.modified = self.version + 1, now

    def content_changed(self, now: datetime, user: str | None = None, message: str | None = None) -> str:
        """Records a change of the content, and returns its new version."""
        self.content_version, self.modified = self.content_version + 1, now
        version = str(self.content_version)
        self.changes.append(Change(version, now, user, message))
        return version


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a subscribed library gets its items, and when."""

    url: str
    authentication: str = "NONE"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    thumbprint: str | None = None
    automatic: bool = True
    on_demand: bool = False
    """Whether files are only copied when somebody asks for them."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscribed library that a published library tells about changes."""

    library: str
    name: str
    vcenter: Mapping[str, Any] | None = None
    """The other vCenter that has the library; None if it is this one."""
    placement: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What uses a library, as a URN such as `urn:vmomi:vm:vm-12`, and since when."""

    urn: str
    time: datetime


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
    authentication: str = "NONE"
    """How subscribed libraries have to authenticate, if it is published."""
    password: str | None = field(default=None, repr=False)
    """What they have to authenticate with."""
    persist_json: bool = False
    subscribers: dict[str, Subscriber] = field(default_factory=dict)
    """By the identifier of their subscription."""
    subscription: Subscription | None = None
    synchronized: datetime | None = None
    synchronizing: bool = False
    security_policy: str | None = None
    usage_protects_items: bool = False
    usages: dict[str, Usage] = field(default_factory=dict)
    """What uses the library, by the identifier of the usage."""
    state: str = "ACTIVE"
    state_message: str | None = None
    migrating: bool = False
    contents_deleted: bool = False
    """Whether the contents were deleted without vCenter's knowledge."""

    @property
    def local(self) -> bool:
        """Whether it owns its items."""
        return self.type == "LOCAL"

    def changed(self, now: datetime) -> None:
        """Records a change of properties."""
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

    def require_subscribed(self) -> None:
        """INVALID_ELEMENT_TYPE for a local library."""
        if self.local:
            raise errors.of_type(
                "INVALID_ELEMENT_TYPE",
                f"{_MESSAGES}.invalid_library_type",
                "The library '{0}' is not a subscribed library.",
                self.library,
            )

    def require_published(self) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE for a local library that is not published."""
        if not self.published:
            text = "The library '{0}' is not published."
            raise errors.not_allowed(f"{_MESSAGES}.library_not_published", text, self.library)

    def require_version(self, version: str | None) -> None:
        """CONCURRENT_CHANGE if a change was based on another version; None is any version."""
        if version not in (None, str(self.version)):
            text = "The library has version '{0}', not '{1}'."
            raise errors.of_type(
                "CONCURRENT_CHANGE",
                f"{_MESSAGES}.library_version_mismatch",
                text,
                str(self.version),
                str(version),
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
        """NOT_ALLOWED_IN_CURRENT_STATE for a library whose contents were deleted."""
        if self.contents_deleted:
            raise errors.not_allowed(
                f"{_MESSAGES}.library_contents_deleted",
                "The content of the library '{0}' has been deleted from its storage backing.",
                self.library,
            )


def require_texts(spec: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT for an empty or too long name, or a too long description; unset ones are valid."""
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
