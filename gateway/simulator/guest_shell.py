"""The shells of guests: they execute scripts over time, and write the output of programs to files.

Nothing runs in the background: a shell knows its remaining work and when that continues, and code that looks at its
process lets it continue up to now. The remaining work consists of values, so that a machine can be copied while its
programs run.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.simulator import errors
from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest, Pause
from gateway.simulator.guest_commands import COMMANDS, Context
from gateway.simulator.guest_programs import SYNTAX_ERROR, UNKNOWN_COMMAND, is_known, outcome
from gateway.simulator.guest_script import BadScriptError, Command, Redirect, parse, text_of

__all__ = ["Shell", "script_of"]

_SHELLS = {"bash": "-c", "sh": "-c", "cmd": "/c", "powershell": "-command"}
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_INTERPRETED = b"#!"
_BATCH = (".cmd", ".bat")
_NOWHERE = ("/dev/null", "nul")
_PREFIXES = ("exec", "setsid")
"""Words before a command. A simulated program has one process and one session, with everything that it starts."""
_MAX_STEPS = 10_000
"""Maximum number of commands without a pause, so that a script that calls itself ends."""


def script_of(node: Node) -> str | None:
    """The text of a script that names its interpreter; None for any other program."""
    return node.content.decode(errors="replace") if node.content.startswith(_INTERPRETED) else None


@dataclass(slots=True)
class _Frame:
    """A running script: its remaining commands, and where its streams are connected."""

    commands: list[Command]
    streams: dict[int, str | None]
    """Paths; None for discarded output, and `|` for the next command."""
    code: int = 0
    piped: bytes = b""
    """What the previous command has written for this one."""
    arguments: tuple[str, ...] = ()
    """`$0` and the next ones."""


@dataclass(slots=True)
class Shell:
    """A program of a guest, with everything that it starts."""

    guest: Guest
    account: Account
    directory: str
    variables: dict[str, str]
    now: datetime
    pid: int
    """Its process."""
    _frames: list[_Frame] = field(default_factory=list)
    _exit_code: int | None = None

    def begin(self, name: str, arguments: str) -> Pause:
        """Starts the program with that file name, and runs it up to its first pause."""
        plain = _plain(name)
        if _SHELLS.get(plain) is not None:
            self._run(arguments, self._arguments_of(arguments), plain, dict.fromkeys(range(3)))
        else:
            self._push(f"{plain} {arguments}", dict.fromkeys(range(3)))
        return self.go_on(self.now)

    def interpret(self, script: str) -> Pause:
        """Starts a file that is a script."""
        self._push(script, dict.fromkeys(range(3)))
        return self.go_on(self.now)

    def go_on(self, now: datetime) -> Pause:
        """Continues after a pause."""
        self.now = now
        for _ in range(_MAX_STEPS):
            if not self._frames:
                break
            frame = self._frames[-1]
            if self._exit_code is not None or not frame.commands:
                self._frames.pop()
                code, self._exit_code = frame.code if self._exit_code is None else self._exit_code, None
                if not self._frames:
                    return Pause(exit_code=code)
                self._frames[-1].code = code
                continue
            pause = self._step(frame, frame.commands.pop(0))
            if pause is None or pause:
                return Pause(pause)
        return Pause(exit_code=1)

    def _step(self, frame: _Frame, command: Command) -> timedelta | None:
        """Executes one command; returns how long it takes from then on, None for endlessly."""
        if (command.operator == "&&" and frame.code) or (command.operator == "||" and not frame.code):
            return timedelta()
        windows = not self.guest.posix
        own = {"?": str(frame.code), "errorlevel": str(frame.code), "$": str(self.pid)}
        variables = {**self.variables, **own, **{str(index): word for index, word in enumerate(frame.arguments)}}
        words = [text_of(word, variables, windows=windows) for word in command.words]
        piped, frame.piped = frame.piped, b""
        try:
            streams = self._streams(frame.streams, command.redirects, variables)
        except errors.VapiError:
            frame.code = 1
            return timedelta()
        if command.is_piped:
            streams[1] = "|"
        return self._carry_out(frame, words, streams, piped)

    def _carry_out(
        self, frame: _Frame, words: list[str], streams: dict[int, str | None], piped: bytes
    ) -> timedelta | None:
        if not words:
            return timedelta()
        while words[0] in _PREFIXES and self.guest.posix:
            is_last = words.pop(0) == "exec"
            if not words:
                frame.streams = streams
                return timedelta()
            if is_last:
                frame.commands.clear()
        if words[0] == "exit":
            last = words[-1] if len(words) > 1 else ""
            self._exit_code = int(last) if last.isdecimal() else frame.code
            return timedelta()
        if self._assign(words):
            frame.code = 0
            return timedelta()
        if words[0] == "read":
            frame.code = self._read(words, self._input(streams, piped))
            return timedelta()
        name = _plain(self.guest.files.name_of(self._path(words[0])) or words[0])
        if _SHELLS.get(name) is not None:
            self._run(" ".join(words[1:]), words[1:], name, streams, piped)
            return timedelta()
        script = self._script_at(words[0])
        if script is not None:
            self._push(script, streams)
            return timedelta()
        known = COMMANDS.get(name)
        if known is None and not is_known(name):
            self._write(streams[2], f"sh: {words[0]}: not found\n".encode())
            frame.code = UNKNOWN_COMMAND
            return timedelta()
        takes = outcome(name if self.guest.posix else f"{name}.exe", words[1:])
        frame.code = takes.exit_code
        if known is not None:
            context = self._context()
            context.input = self._input(streams, piped)
            try:
                written = known(context, words[1:])
                self.directory = context.directory
            except errors.VapiError as failure:
                self._write(streams[2], f"{name}: {failure.messages[0].default_message}\n".encode())
                frame.code, written = 1, b""
            if streams[1] == "|":
                frame.piped = written
            elif not self._write(streams[1], written):
                frame.code = 1
        return takes.after

    def _run(self, rest: str, words: list[str], shell: str, streams: dict[int, str | None], piped: bytes = b"") -> None:
        """Starts a nested shell: with a script in its arguments, in a file, or in its input."""
        option = _SHELLS[shell]
        lowered = [word.lower() for word in words]
        if option in lowered:
            words = words[lowered.index(option) + 1 :]
            if self.guest.posix:
                self._push(words[0] if words else "", streams, arguments=tuple(words[1:]))
                return
            rest = _without_quotes(" ".join(words))
            script = self._script_at(rest)
            self._push(rest if script is None else script, streams, batch=script is not None)
            return
        operands = [word for word in words if not word.startswith("-")]
        if self.guest.posix and operands:
            node = self._find(operands[0])
            if node is None:
                self._write(streams[2], f"sh: {operands[0]}: cannot open\n".encode())
                self._push("", streams, code=UNKNOWN_COMMAND)
                return
            self._push(node.content.decode(errors="replace"), streams, arguments=tuple(operands))
            return
        self._push(self._input(streams, piped).decode(errors="replace"), streams)

    def _push(
        self,
        script: str,
        streams: dict[int, str | None],
        *,
        batch: bool = False,
        code: int = 0,
        arguments: tuple[str, ...] = (),
    ) -> None:
        try:
            commands = parse(script, windows=not self.guest.posix, batch=batch)
        except BadScriptError:
            commands, code = [], SYNTAX_ERROR
        kept = {number: None if path == "|" else path for number, path in streams.items()}
        self._frames.append(_Frame(commands, kept, code, arguments=arguments))

    def _read(self, words: list[str], content: bytes) -> int:
        """Reads a line into the last variable; returns the exit code."""
        line, newline, _ = content.decode(errors="replace").partition("\n")
        self.variables[words[-1]] = line
        return int(not newline)

    def _assign(self, words: list[str]) -> bool:
        """Assigns variables if the words are assignments; returns whether they are."""
        if self.guest.posix:
            given = words[1:] if words[0] == "export" else words
        elif words[0].lower() == "set" and len(words) > 1:
            given = [" ".join(words[1:]).strip('"')]
        else:
            return False
        found = [_ASSIGNMENT.fullmatch(word) for word in given]
        if not all(found) or not found:
            return words[0] == "export"
        self.variables.update((match[1], match[2]) for match in found if match)
        return True

    def _streams(
        self, streams: dict[int, str | None], redirects: list[Redirect], variables: dict[str, str]
    ) -> dict[int, str | None]:
        """Where the streams of a command are connected; files for output are created."""
        result = dict(streams)
        for redirect in redirects:
            if redirect.target is None:
                result[redirect.number] = result[redirect.other or 0]
                continue
            path = self._path(text_of(redirect.target, variables, windows=not self.guest.posix))
            is_nowhere = path.lower().endswith(_NOWHERE)
            result[redirect.number] = None if is_nowhere else path
            if not is_nowhere and redirect.sign == ">":
                self._context().write(path, b"")
        return result

    def _write(self, path: str | None, content: bytes) -> bool:
        """Appends to a file; returns whether that was possible."""
        if path is None or not content:
            return True
        context = self._context()
        try:
            before = context.read(path) if self.guest.files.exists(self.account, path) else b""
            context.write(path, before + content)
        except errors.VapiError:
            return False
        return True

    def _input(self, streams: dict[int, str | None], piped: bytes) -> bytes:
        path = streams[0]
        if piped or path is None:
            return piped
        try:
            return self._context().read(path)
        except errors.VapiError:
            return b""

    def _context(self) -> Context:
        return Context(self.guest, self.account, self.directory, self.variables, self.now)

    def _find(self, word: str) -> Node | None:
        try:
            node = self.guest.files.find(self.account, self._path(word))
        except OSError:
            return None
        return node if node.kind == "FILE" else None

    def _script_at(self, word: str) -> str | None:
        """The text of a file that is a script; None for any other word."""
        if not re.search(r"[/\\]", word):
            return None
        node = self._find(word)
        if node is None:
            return None
        if node.name.lower().endswith(_BATCH):
            return node.content.decode(errors="replace")
        return script_of(node)

    def _path(self, text: str) -> str:
        return self._context().path(text)

    def _arguments_of(self, text: str) -> list[str]:
        windows = not self.guest.posix
        try:
            commands = parse(text.replace("\n", " ") if windows else text, windows=windows)
        except BadScriptError:
            return ["-c", text.partition("-c")[2]]
        if windows:
            return text.split()
        return [text_of(word, {}, windows=False) for command in commands[:1] for word in command.words]


def _plain(name: str) -> str:
    return name.strip('"').lower().removesuffix(".exe")


def _without_quotes(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
