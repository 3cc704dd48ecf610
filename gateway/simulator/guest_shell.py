"""What programs of a guest leave in its files: redirected output, and what the commands for files do.

Of a command line or a script, the commands that are known here are carried out, one after the other; how long they take
and how others exit is decided in `guest_programs`. That is enough to write the output of a program into a file, and to
look at files that were uploaded.
"""

import re
import shlex
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

from gateway.simulator import errors
from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_files import file_errors, new_node, place, remove
from gateway.simulator.guest_programs import run
from gateway.simulator.guest_systems import full_name_of

__all__ = ["Shell", "script_of"]

_SEPARATORS = frozenset({"&&", "||", ";", "&", "\n"})
_TOKEN = re.compile(
    r"""(?P<redirect>\d?(?:>>|>|<))(?P<duplicate>&\d)?|(?P<separator>&&|\|\||[;&\n])|(?P<word>(?:"[^"]*"|'[^']*'|[^\s"'<>;&|])+)"""
)
_SHELLS = {"bash": "-c", "sh": "-c", "cmd": "/c", "powershell": "-command"}
_INTERPRETED = b"#!"


def script_of(node: Node) -> str | None:
    """The text of a script that says what interprets it; None for any other program."""
    return node.content.decode(errors="replace") if node.content.startswith(_INTERPRETED) else None


@dataclass(slots=True)
class Shell:
    """A shell in a guest: for whom it runs, in which directory, and when."""

    guest: Guest
    account: Account
    directory: str
    now: datetime

    def run(self, name: str, arguments: str) -> bool:
        """Carries out what a program with these arguments does to files; whether the last command of it succeeded."""
        plain = name.lower().removesuffix(".exe")
        option = _SHELLS.get(plain)
        if option is None:
            return self.script(f"{plain} {arguments}")
        match = re.search(rf"{re.escape(option)}\s+(.*)", arguments, re.IGNORECASE | re.DOTALL)
        return self.script(_inner(match[1].strip())) if match else True

    def script(self, text: str) -> bool:
        """Carries out commands one after the other; `&&` and `||` look at how the last one ended."""
        succeeded, operator = True, ";"
        command = _Command()
        for token in [*_TOKEN.finditer(text), None]:
            separator = token["separator"] if token is not None else ";"
            if separator is None and token is not None:
                command.add(token)
                continue
            if command.words and not (operator == "&&" and not succeeded) and not (operator == "||" and succeeded):
                if command.words[0] == "exit":
                    return succeeded if len(command.words) == 1 else command.words[-1] == "0"
                succeeded = self._carry_out(command)
            command, operator = _Command(), separator or ";"
        return succeeded

    def _carry_out(self, command: "_Command") -> bool:
        name = self.guest.files.name_of(self._path(command.words[0])).lower().removesuffix(".exe")
        known, words = _COMMANDS.get(name), command.words[1:]
        try:
            output = known(self, words) if known is not None else ""
            succeeded = known is not None or run(name, shlex.join(words)).exit_code == 0
        except errors.VapiError as failure:
            output, succeeded = f"{name}: {failure.messages[0].default_message}\n", False
        try:
            for operator, target in command.redirects:
                self._redirect(operator, target, output if operator[0] != "2" else "")
        except errors.VapiError:
            return False
        return succeeded

    def _redirect(self, operator: str, target: str, output: str) -> None:
        if operator.endswith("<"):
            return
        path = self._path(target)
        before = self._read(path) if operator.endswith(">>") and self.guest.files.exists(self.account, path) else b""
        self._write(path, before + output.encode())

    def _path(self, text: str) -> str:
        """An absolute path; the empty file of every system stands for itself."""
        text = text.replace("~", self.account.home, 1) if text.startswith("~") else text
        return self.guest.files.join(self.directory, text)

    def _read(self, path: str) -> bytes:
        with file_errors(path):
            node = self.guest.files.find(self.account, path)
            if node.kind == "DIRECTORY":
                raise IsADirectoryError(path)
            if not self.guest.files.readable(self.account, node):
                raise PermissionError(path)
        return node.content

    def _write(self, path: str, content: bytes) -> None:
        if path.lower().endswith(("/dev/null", "\\nul")):
            return
        node = new_node(self.guest, self.account, path, "FILE", self.now, 0o644)
        node.content = content
        place(self.guest, self.account, path, node, overwrite=True)

    def cat(self, words: list[str]) -> str:
        return "".join(self._read(self._path(word)).decode(errors="replace") for word in _operands(words))

    def ls(self, words: list[str]) -> str:
        names = []
        for word in _operands(words) or [self.directory]:
            with file_errors(word):
                node = self.guest.files.find(self.account, self._path(word))
            names += [child.name for child in node.children.values()] if node.kind == "DIRECTORY" else [word]
        return "".join(f"{name}\n" for name in sorted(names))

    def touch(self, words: list[str]) -> str:
        for path in map(self._path, _operands(words)):
            if self.guest.files.exists(self.account, path):
                with file_errors(path):
                    node = self.guest.files.find(self.account, path)
                node.modified = node.accessed = self.now
            else:
                self._write(path, b"")
        return ""

    def mkdir(self, words: list[str]) -> str:
        for path in map(self._path, _operands(words)):
            place(
                self.guest, self.account, path, new_node(self.guest, self.account, path, "DIRECTORY", self.now, 0o755)
            )
        return ""

    def rm(self, words: list[str]) -> str:
        for path in map(self._path, _operands(words)):
            remove(self.guest, self.account, path)
        return ""

    def cp(self, words: list[str]) -> str:
        source, target = self._two(words)
        with file_errors(source):
            node = deepcopy(self.guest.files.find(self.account, source))
        node.name = self.guest.files.name_of(target)
        node.created = node.modified = node.accessed = self.now
        node.owner = node.group = self.account.uid
        place(self.guest, self.account, target, node, overwrite=True)
        return ""

    def mv(self, words: list[str]) -> str:
        source, target = self._two(words)
        with file_errors(source):
            self.guest.files.move(self.account, source, target, replace=True)
        return ""

    def _two(self, words: list[str]) -> tuple[str, str]:
        """Where a copy comes from and goes to; a directory takes it under its own name."""
        source, target = (self._path(word) for word in [*_operands(words), ".", "."][:2])
        with file_errors(target):
            if self.guest.files.exists(self.account, target):
                node = self.guest.files.find(self.account, target)
                if node.kind == "DIRECTORY":
                    target = self.guest.files.join(target, self.guest.files.name_of(source))
        return source, target

    def cd(self, words: list[str]) -> str:
        path = self._path((_operands(words) or [self.account.home])[0])
        with file_errors(path):
            self.guest.files.find(self.account, path)
        self.directory = path
        return ""


@dataclass(slots=True)
class _Command:
    """One command: its words, and where its output goes."""

    words: list[str] = field(default_factory=list)
    redirects: list[tuple[str, str]] = field(default_factory=list)
    _waiting: str | None = None

    def add(self, token: re.Match[str]) -> None:
        if token["redirect"] is not None:
            self._waiting = None if token["duplicate"] else token["redirect"]
        elif self._waiting is not None:
            self.redirects.append((self._waiting, _unquoted(token["word"])))
            self._waiting = None
        else:
            self.words.append(_unquoted(token["word"]))


def _unquoted(word: str) -> str:
    return re.sub(r"""(["'])(.*?)\1""", r"\2", word)


def _inner(text: str) -> str:
    """A script without the quotes around it."""
    if text[:1] == "'" or (text[:1] == '"' and text.count('"') > 2 and not text.endswith('"')):
        try:
            return shlex.split(text)[0]
        except ValueError:
            return ""
    return text[1:-1] if text[:1] == '"' and text.endswith('"') and len(text) > 1 else text


def _operands(words: list[str]) -> list[str]:
    return [word for word in words if not re.fullmatch(r"-.+|/[a-zA-Z]", word)]


def _echo(shell: Shell, words: list[str]) -> str:
    return " ".join(word for word in words if word != "-n") + ("" if "-n" in words else "\n")


def _whoami(shell: Shell, words: list[str]) -> str:
    return f"{shell.account.name}\n"


def _hostname(shell: Shell, words: list[str]) -> str:
    return f"{shell.guest.host_name}\n"


def _uname(shell: Shell, words: list[str]) -> str:
    return f"Linux {shell.guest.host_name} {full_name_of(shell.guest.guest_os)[1]}\n" if "-a" in words else "Linux\n"


def _date(shell: Shell, words: list[str]) -> str:
    return f"{shell.now:%a %b %d %H:%M:%S UTC %Y}\n"


def _environment(shell: Shell, words: list[str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in sorted(shell.guest.environment.items()))


def _pwd(shell: Shell, words: list[str]) -> str:
    return f"{shell.directory}\n"


_COMMANDS: dict[str, Callable[[Shell, list[str]], str]] = {
    "cd": Shell.cd,
    "date": _date,
    "echo": _echo,
    "env": _environment,
    "hostname": _hostname,
    "pwd": _pwd,
    "touch": Shell.touch,
    "uname": _uname,
    "whoami": _whoami,
    **dict.fromkeys(("cat", "type"), Shell.cat),
    **dict.fromkeys(("cp", "copy"), Shell.cp),
    **dict.fromkeys(("ls", "dir"), Shell.ls),
    **dict.fromkeys(("mkdir", "md"), Shell.mkdir),
    **dict.fromkeys(("mv", "move"), Shell.mv),
    **dict.fromkeys(("rm", "del"), Shell.rm),
}
