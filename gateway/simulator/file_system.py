"""A small in-memory file system, of Linux or of Windows: directories, files, symbolic links, and permissions.

It fails like an operating system, with FileNotFoundError, PermissionError and similar ones. Other modules map these to
the errors of vCenter's API.
"""

import ntpath
import posixpath
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.simulator.guest_accounts import Account

__all__ = ["FileSystem", "Kind", "Node"]

Kind = Literal["FILE", "DIRECTORY", "SYMLINK"]

_READ, _WRITE, _EXECUTE = 4, 2, 1
_STICKY = 0o1000
_MOST_LINKS = 40


@dataclass(slots=True)
class Node:
    """A file, directory or symbolic link."""

    name: str
    kind: Kind
    created: datetime
    modified: datetime
    accessed: datetime
    owner: int = 0
    group: int = 0
    mode: int = 0o644
    """Permissions, on Linux."""
    hidden: bool = False
    read_only: bool = False
    """Both on Windows."""
    target: str | None = None
    """The target of a symbolic link."""
    content: bytes = field(default=b"", repr=False)
    children: "dict[str, Node]" = field(default_factory=dict, repr=False)
    """Of a directory; on Windows by names in lower case."""

    @classmethod
    def new(cls, name: str, kind: Kind, now: datetime, mode: int, *, owner: int = 0) -> "Node":
        """A node created now, owned by that user and the group with the same number."""
        return cls(name, kind, now, now, now, owner, owner, mode)

    @property
    def size(self) -> int:
        """In bytes, as the operating systems show it."""
        if self.kind == "SYMLINK":
            return len((self.target or "").encode())
        return len(self.content) if self.kind == "FILE" else 4096

    @property
    def usage(self) -> int:
        """The total size of all files in it, in bytes."""
        return len(self.content) + sum(child.usage for child in self.children.values())


class FileSystem:
    """A tree of nodes. Paths are absolute; those of Windows begin with a drive, which is a directory of the root."""

    def __init__(self, root: Node, *, posix: bool) -> None:
        self.root = root
        self.posix = posix

    def parts(self, path: str) -> list[str]:
        """The names in a path."""
        if self.posix:
            return [part for part in posixpath.normpath(path).split("/") if part]
        drive, rest = ntpath.splitdrive(ntpath.normpath(path))
        return [drive or "C:", *(part for part in rest.split("\\") if part)]

    def name_of(self, path: str) -> str:
        """The last name of a path."""
        return self.parts(path)[-1] if self.parts(path) else ""

    def parent_of(self, path: str) -> str:
        """The path of the parent directory."""
        return posixpath.dirname(posixpath.normpath(path)) if self.posix else ntpath.dirname(ntpath.normpath(path))

    def join(self, directory: str, name: str) -> str:
        """The path of an entry in a directory."""
        return posixpath.join(directory, name) if self.posix else ntpath.join(directory, name)

    def find(self, account: Account, path: str, *, follow: bool = True) -> Node:
        """The node at a path; for a symbolic link its target, unless `follow` is false."""
        node, way, waiting, links = self.root, [""], self.parts(path), 0
        while waiting:
            name = waiting.pop(0)
            if node.kind != "DIRECTORY":
                raise FileNotFoundError(path)
            self._require(account, node, _EXECUTE, path)
            child = node.children.get(self._key(name))
            if child is None:
                raise FileNotFoundError(path)
            if child.target is not None and (waiting or follow):
                links += 1
                if links > _MOST_LINKS:
                    raise FileNotFoundError(path)
                waiting = self.parts(posixpath.join("/".join(way) or "/", child.target)) + waiting
                node, way = self.root, [""]
            else:
                node = child
                way.append(name)
        return node

    def exists(self, account: Account, path: str) -> bool:
        """Whether something is at a path, even a link whose target does not exist."""
        try:
            self.find(account, path, follow=False)
        except FileNotFoundError:
            return False
        return True

    def readable(self, account: Account, node: Node) -> bool:
        """Whether the account may read a file, or list a directory."""
        return self._may(account, node, _READ)

    def writable(self, account: Account, node: Node) -> bool:
        """Whether the account may change a file, or the entries of a directory."""
        return self._may(account, node, _WRITE)

    def executable(self, account: Account, node: Node) -> bool:
        """Whether the account may start a program, or enter a directory."""
        if not self.posix:
            return node.kind == "DIRECTORY" or node.name.lower().endswith((".exe", ".bat", ".cmd"))
        # Not even an administrator can start a file that no one may execute.
        return self._may(account, node, _EXECUTE) and bool(node.mode & 0o111)

    def put(self, account: Account, path: str, node: Node, *, replace: bool = False) -> None:
        """Puts a node at a path, whose parent directory must exist."""
        directory = self.find(account, self.parent_of(path))
        if directory.kind != "DIRECTORY":
            raise FileNotFoundError(path)
        old = directory.children.get(self._key(node.name))
        if old is not None:
            if old.kind == "DIRECTORY":
                raise IsADirectoryError(path)
            if not replace:
                raise FileExistsError(path)
            self._require_removable(account, directory, old, path)
        self._require(account, directory, _WRITE, path)
        directory.children[self._key(node.name)] = node
        directory.modified = node.created

    def remove(self, account: Account, path: str) -> Node:
        """Removes and returns what is at a path, a directory with all its contents."""
        node = self.find(account, path, follow=False)
        parts = self.parts(path)
        if len(parts) < (1 if self.posix else 2):
            raise PermissionError(path)
        directory = self.find(account, self.parent_of(path))
        self._require_removable(account, directory, node, path)
        return directory.children.pop(self._key(parts[-1]))

    def move(self, account: Account, path: str, new_path: str, *, replace: bool = False) -> None:
        """Moves what is at a path to another path."""
        node = self.find(account, path, follow=False)
        was, self_name = self.parts(path), self.name_of(new_path)
        if self.parts(new_path)[: len(was)] == was and len(self.parts(new_path)) > len(was):
            raise ValueError(f"{new_path} is within {path}")
        self._require_removable(account, self.find(account, self.parent_of(path)), node, path)
        moved = deepcopy(node) if node.kind != "DIRECTORY" else node
        before, moved.name = moved.name, self_name
        try:
            self.put(account, new_path, moved, replace=replace)
        except OSError:
            moved.name = before
            raise
        if [self._key(part) for part in was] != [self._key(part) for part in self.parts(new_path)]:
            self.remove(account, path)

    def _key(self, name: str) -> str:
        return name if self.posix else name.casefold()

    def _may(self, account: Account, node: Node, what: int) -> bool:
        if not self.posix:
            return not (what == _WRITE and node.kind == "FILE" and node.read_only)
        if account.administrator:
            return True
        shift = 6 if account.uid == node.owner else 3 if account.uid == node.group else 0
        return bool(node.mode >> shift & what)

    def _require(self, account: Account, node: Node, what: int, path: str) -> None:
        if not self._may(account, node, what):
            raise PermissionError(path)

    def _require_removable(self, account: Account, directory: Node, node: Node, path: str) -> None:
        self._require(account, directory, _WRITE, path)
        if not self.posix and node.kind == "FILE" and node.read_only:
            raise PermissionError(path)
        owns = account.administrator or account.uid in (node.owner, directory.owner)
        if self.posix and directory.mode & _STICKY and not owns:
            raise PermissionError(path)
