"""The guest commands with an effect: they read and write files, and print facts about the guest."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from gateway.simulator import errors
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_files import file_errors, new_node, permission_denied, place, remove
from gateway.simulator.guest_systems import full_name_of

__all__ = ["COMMANDS", "Context"]

_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755
_LINES = 10


@dataclass(slots=True)
class Context:
    """The account, guest, directory and time of a running command."""

    guest: Guest
    account: Account
    directory: str
    """The working directory. `cd` changes it."""
    variables: Mapping[str, str]
    now: datetime
    input: bytes = b""

    def path(self, text: str) -> str:
        """An absolute path, without the quotes that Windows keeps around it."""
        text = text.strip('"') if not self.guest.posix else text
        text = text.replace("~", self.account.home, 1) if text.startswith("~") else text
        return self.guest.files.join(self.directory, text)

    def read(self, path: str) -> bytes:
        """The content of a file. Raises VapiError."""
        with file_errors(path):
            node = self.guest.files.find(self.account, path)
            if node.kind == "DIRECTORY":
                raise IsADirectoryError(path)
            if not self.guest.files.readable(self.account, node):
                raise PermissionError(path)
        return node.content

    def write(self, path: str, content: bytes) -> None:
        """Creates or overwrites a file. Raises VapiError."""
        node = new_node(self.guest, self.account, path, "FILE", self.now, _FILE_MODE)
        node.content = content
        place(self.guest, self.account, path, node, overwrite=True)

    def two(self, words: list[str]) -> tuple[str, str]:
        """Source and target of a copy; a target directory gets the copy under the source's name."""
        source, target = (self.path(word) for word in [*_operands(words), ".", "."][:2])
        with file_errors(target):
            if self.guest.files.exists(self.account, target):
                node = self.guest.files.find(self.account, target)
                if node.kind == "DIRECTORY":
                    target = self.guest.files.join(target, self.guest.files.name_of(source))
        return source, target


def _cat(context: Context, words: list[str]) -> bytes:
    paths = [context.path(word) for word in _operands(words)]
    return b"".join(map(context.read, paths)) if paths else context.input


def _head(context: Context, words: list[str]) -> bytes:
    content = _cat(context, [word for word in words if not word.startswith("-")])
    return b"".join(content.splitlines(keepends=True)[: _lines(words)])


def _tail(context: Context, words: list[str]) -> bytes:
    content = _cat(context, [word for word in words if not word.startswith("-")])
    return b"".join(content.splitlines(keepends=True)[-_lines(words) :])


def _lines(words: list[str]) -> int:
    """The number of an option such as `-3`."""
    return next((int(word[1:]) for word in words if re.fullmatch(r"-[1-9]\d{0,8}", word)), _LINES)


def _df(context: Context, words: list[str]) -> bytes:
    unit, name = (1024**3, "G") if "-h" in words else (1024, "")
    lines = [f"Filesystem {'Size' if name else '1K-blocks'} Used Available Mounted on"]
    for path, mount in sorted(context.guest.mounts.items()):
        sizes = (mount.capacity, mount.capacity - mount.free_space, mount.free_space)
        lines.append(" ".join([mount.filesystem, *(f"{size // unit}{name}" for size in sizes), path]))
    return "".join(f"{line}\n" for line in lines).encode()


def _word_count(context: Context, words: list[str]) -> bytes:
    content = _cat(context, [word for word in words if not word.startswith("-")])
    count = len(content) if "-c" in words else content.count(b"\n")
    return f"{count}\n".encode()


def _ls(context: Context, words: list[str]) -> bytes:
    names = []
    for word in _operands(words) or [context.directory]:
        with file_errors(word):
            node = context.guest.files.find(context.account, context.path(word))
        names += [child.name for child in node.children.values()] if node.kind == "DIRECTORY" else [word]
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def _touch(context: Context, words: list[str]) -> bytes:
    for path in map(context.path, _operands(words)):
        if context.guest.files.exists(context.account, path):
            with file_errors(path):
                node = context.guest.files.find(context.account, path)
            node.modified = node.accessed = context.now
        else:
            context.write(path, b"")
    return b""


def _mkdir(context: Context, words: list[str]) -> bytes:
    for path in map(context.path, _operands(words)):
        node = new_node(context.guest, context.account, path, "DIRECTORY", context.now, _DIRECTORY_MODE)
        place(context.guest, context.account, path, node)
    return b""


def _rm(context: Context, words: list[str]) -> bytes:
    for path in map(context.path, _operands(words)):
        remove(context.guest, context.account, path)
    return b""


def _cp(context: Context, words: list[str]) -> bytes:
    source, target = context.two(words)
    with file_errors(source):
        node = deepcopy(context.guest.files.find(context.account, source))
    node.name = context.guest.files.name_of(target)
    node.created = node.modified = node.accessed = context.now
    node.owner = node.group = context.account.uid
    place(context.guest, context.account, target, node, overwrite=True)
    return b""


def _mv(context: Context, words: list[str]) -> bytes:
    source, target = context.two(words)
    with file_errors(source):
        context.guest.files.move(context.account, source, target, replace=True)
    return b""


def _cd(context: Context, words: list[str]) -> bytes:
    path = context.path((_operands(words) or [context.account.home])[0])
    with file_errors(path):
        context.guest.files.find(context.account, path)
    context.directory = path
    return b""


def _echo(context: Context, words: list[str]) -> bytes:
    if not context.guest.posix and [word.lower() for word in words] == ["off"]:
        return b""
    return (" ".join(word for word in words if word != "-n") + ("" if "-n" in words else "\n")).encode()


def _date(context: Context, words: list[str]) -> bytes:
    return f"{context.now:%a %b %d %H:%M:%S UTC %Y}\n".encode()


def _environment(context: Context, words: list[str]) -> bytes:
    return "".join(f"{name}={value}\n" for name, value in sorted(context.variables.items())).encode()


def _hostname(context: Context, words: list[str]) -> bytes:
    return f"{context.guest.host_name}\n".encode()


def _pwd(context: Context, words: list[str]) -> bytes:
    return f"{context.directory}\n".encode()


def _uname(context: Context, words: list[str]) -> bytes:
    name = full_name_of(context.guest.guest_os)[1]
    return (f"Linux {context.guest.host_name} {name}\n" if "-a" in words else "Linux\n").encode()


def _whoami(context: Context, words: list[str]) -> bytes:
    return f"{context.account.name}\n".encode()


def _kill(context: Context, words: list[str]) -> bytes:
    _terminate(context, words[-1].removeprefix("-") if words else "", is_check="-0" in words[:-1])
    return b""


def _taskkill(context: Context, words: list[str]) -> bytes:
    lowered = [word.lower() for word in words]
    _terminate(context, lowered[lowered.index("/pid") + 1] if "/pid" in lowered[:-1] else "")
    return b""


def _terminate(context: Context, pid: str, *, is_check: bool = False) -> None:
    """Ends a process, which is also the only one of its group. Raises VapiError."""
    guest = context.guest
    process = guest.processes.get(int(pid) if pid.isdecimal() else -1)
    if process is None or process.finished is not None:
        raise errors.of_type("NOT_FOUND", "vmsg.GuestProcessNotFound.summary", "No such process", pid)
    if not guest.may_terminate(context.account, process):
        raise permission_denied()
    if not is_check:
        guest.terminate(process, context.now)


def _operands(words: list[str]) -> list[str]:
    return [word for word in words if not re.fullmatch(r"-.+|/[a-zA-Z]", word)]


COMMANDS: Mapping[str, Callable[[Context, list[str]], bytes]] = {
    "cd": _cd,
    "date": _date,
    "df": _df,
    "echo": _echo,
    "@echo": _echo,
    "env": _environment,
    "head": _head,
    "hostname": _hostname,
    "kill": _kill,
    "pwd": _pwd,
    "tail": _tail,
    "taskkill": _taskkill,
    "touch": _touch,
    "uname": _uname,
    "wc": _word_count,
    "whoami": _whoami,
    **dict.fromkeys(("cat", "type"), _cat),
    **dict.fromkeys(("cp", "copy"), _cp),
    **dict.fromkeys(("ls", "dir"), _ls),
    **dict.fromkeys(("mkdir", "md"), _mkdir),
    **dict.fromkeys(("mv", "move"), _mv),
    **dict.fromkeys(("rm", "del"), _rm),
}
"""The commands by name, each with its effect and output; a name without `.exe` matches both forms."""
