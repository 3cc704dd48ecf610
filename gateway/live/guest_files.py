"""Copies files to and from a guest. An uploaded file has a temporary name until it is complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from logging import getLogger
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.calls import Call
from gateway.errors import VCENTER_DOMAIN, Failure, GatewayError, Reason
from gateway.live.endings import Endings, afterwards
from gateway.live.guest import Guest
from gateway.live.messages import Messages
from gateway.live.required import refuse
from gateway.live.wire import joined
from gateway.vcenter.retry import TOO_MANY_STREAMS_SECONDS

__all__ = ["MAX_CHUNK", "GuestFiles"]

MAX_CHUNK = 1024 * 1024
"""Bytes in one message."""
_MIN_CHUNK, _CHUNK = 1024, 256 * 1024
_MOST_BITS = 0o7777
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_RANGE_NOT_SATISFIABLE = "HTTP_416"

_log = getLogger(__name__)


class GuestFiles:
    """The transfers of one process. At most `most` are in flight, so that their memory is limited."""

    def __init__(self, message: Messages, endings: Endings, most: int) -> None:
        self._message = message
        self._chunk_number = message.type("DownloadFileResponse").DESCRIPTOR.fields_by_name["chunk"].number
        self._endings = endings
        self._most = most
        self._under_way = 0

    async def upload(self, call: Call, guest: Guest, start: Any) -> Any:
        """Writes the file whose content follows in the call's requests. Raises GatewayError."""
        attributes, after_move = _checked(start)
        with self._place():
            await _require_free(guest, start)
            temporary = _beside(start.path)
            content = _Content(call, start)
            is_over = is_moving = False
            try:
                await guest.write(temporary, start.size, content.chunks(), attributes)
                content.require_complete()
                is_moving = True
                await guest.do("FilesService/MoveFile", path=temporary, new_path=start.path, overwrite=start.overwrite)
                is_over = True
            except GatewayError as error:
                is_over = True
                failure = error.failure if is_moving else error.failure.without_doubt()
                if not await self._remove(call, guest, temporary):
                    failure = failure.with_(metadata={"left_over": temporary})
                raise GatewayError(failure) from None
            finally:
                if not is_over:
                    await self._remove(call, guest, temporary)
            if after_move:
                try:
                    await guest.do("FilesService/UpdateFile", path=start.path, file_attributes=after_move)
                except GatewayError as error:
                    raise GatewayError(error.failure.leaving_open()) from None
        return self._message("UploadFileResponse", size=content.size, sha256=content.sha256)

    async def download(self, call: Call, guest: Guest) -> AsyncGenerator[Message | bytes, None]:
        """Sends the file. Raises GatewayError."""
        request: Any = call.message
        offset, chunk_size = request.offset, request.chunk_size if request.HasField("chunk_size") else _CHUNK
        if offset < 0:
            raise refuse("offset", "must not be negative")
        if not _MIN_CHUNK <= chunk_size <= MAX_CHUNK:
            raise refuse("chunk_size", f"must be from {_MIN_CHUNK} to {MAX_CHUNK}")
        with self._place():
            info = (await guest.do("FilesService/GetFile", path=request.path)).file
            if offset > info.size:
                raise _shorter(info.size)
            attributes = self._attributes(info.attributes)
            started = self._message("DownloadStarted", size=info.size, attributes=attributes)
            yield self._message("DownloadFileResponse", started=started)
            digest, sent = hashlib.sha256(), 0
            if offset < info.size:
                try:
                    async with guest.reading(request.path, offset) as pieces:
                        async for chunk in _grouped(pieces, chunk_size):
                            for piece in chunk:
                                digest.update(piece)
                                sent += len(piece)
                            yield self._carried(chunk)
                except GatewayError as error:
                    raise (_shorter() if error.failure.reason == _RANGE_NOT_SATISFIABLE else error) from None
            ended = self._message("DownloadEnded", size=sent, sha256=digest.hexdigest())
            yield self._message("DownloadFileResponse", ended=ended)

    def _carried(self, chunk: list[bytes]) -> bytes:
        """The message with a part of the file, whose chunks are then no longer needed."""
        message = joined(self._chunk_number, chunk)
        chunk.clear()
        return message

    async def _remove(self, call: Call, guest: Guest, path: str) -> bool:
        """Removes a temporary file, even if the waiting task is cancelled. Returns whether it is gone."""

        async def remove() -> bool:
            try:
                await guest.on(afterwards(call)).do("FilesService/DeleteFile", path=path)
            except GatewayError as error:
                if error.failure.code != code_pb2.NOT_FOUND:
                    _log.warning("a temporary file was left in a guest, request %s: %s", call.request_id, path)
                    return False
            return True

        return await self._endings.whole(remove())

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self._under_way >= self._most:
            text = f"{self._most} files are being copied to and from guests, which is the limit"
            raise GatewayError(Failure.of(Reason.TOO_MANY_TRANSFERS, text, retry_delay=TOO_MANY_STREAMS_SECONDS))
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _attributes(self, info: Any) -> Any:
        told = self._message("GuestFileAttributes")
        for name, source in (("modified", "last_modified"), ("accessed", "last_accessed")):
            if info.HasField(source):
                getattr(told, name).CopyFrom(getattr(info, source))
        if info.HasField("posix_attributes"):
            posix = info.posix_attributes
            told.owner, told.group = posix.owner, posix.group
            with contextlib.suppress(ValueError):
                told.mode = int(posix.permissions, 8)
        if info.HasField("win_attributes"):
            told.hidden, told.read_only = info.win_attributes.hidden, info.win_attributes.read_only
        return told


class _Content:
    """The content of a file from the requests of a call."""

    def __init__(self, call: Call, start: Any) -> None:
        self._call = call
        self._start = start
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of the content so far."""
        return self._digest.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content. Raises GatewayError if it does not match the announcement."""
        requests = self._call.requests
        assert requests is not None  # noqa: S101 - an rpc that streams its requests
        async for request in requests:
            chunk: bytes = request.chunk  # type: ignore[attr-defined]
            if request.WhichOneof("message") != "chunk":
                raise refuse("start", "must be set in the first message, and in no other")
            del request  # Has the same bytes once more.
            if len(chunk) > MAX_CHUNK:
                raise refuse("chunk", f"must have at most {MAX_CHUNK} bytes")
            self.size += len(chunk)
            if self.size > self._start.size:
                raise _mismatch(f"the file has more than the {self._start.size} bytes that were announced")
            self._digest.update(chunk)
            if chunk:
                yield chunk
        self.require_complete()

    def require_complete(self) -> None:
        """Raises GatewayError (DATA_LOSS) unless everything announced has arrived."""
        if self.size != self._start.size:
            raise _mismatch(f"only {self.size} of the {self._start.size} announced bytes arrived")
        wanted = self._start.sha256
        if wanted and self.sha256 != wanted.lower():
            raise _mismatch("the SHA-256 of the file does not match the announced one")


def _checked(start: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes of the new file for vCenter, and those to set at the end. Raises GatewayError."""
    if start.size < 0:
        raise refuse("start.size", "must not be negative")
    if start.HasField("sha256") and not _SHA256.fullmatch(start.sha256):
        raise refuse("start.sha256", "must have 64 hexadecimal digits")
    given = start.attributes
    if given.HasField("mode") and not 0 <= given.mode <= _MOST_BITS:
        raise refuse("start.attributes.mode", f"must be from 0 to {_MOST_BITS}, which is octal {_MOST_BITS:o}")
    posix: dict[str, Any] = {}
    for name, wire in (("owner", "owner_id"), ("group", "group_id")):
        if given.HasField(name):
            if getattr(given, name) < 0:
                raise refuse(f"start.attributes.{name}", "must not be negative")
            posix[wire] = getattr(given, name)
    if given.HasField("mode"):
        posix["permissions"] = f"{given.mode:04o}"
    windows = {"hidden": given.hidden} if given.HasField("hidden") else {}
    # vCenter would notice an attribute of the other family too late, when the file is in its place.
    is_posix = start.path.startswith("/")
    if (windows or given.HasField("read_only")) if is_posix else posix:
        system = "Linux" if is_posix else "Windows"
        raise refuse("start.attributes", f"must not have attributes that files of {system} do not have")
    found: dict[str, Any] = {}
    for name, wire in (("modified", "last_modified"), ("accessed", "last_accessed")):
        if given.HasField(name):
            found[wire] = getattr(given, name)
    if posix:
        found["posix"] = posix
    if windows:
        found["windows"] = windows
    # A read-only file could not be moved.
    return found, {"windows": {"read_only": True}} if given.read_only else {}


async def _require_free(guest: Guest, start: Any) -> None:
    """Raises GatewayError if the target exists, before the whole file is sent for nothing."""
    try:
        found = (await guest.do("FilesService/GetFile", path=start.path)).file
    except GatewayError as error:
        if error.failure.code == code_pb2.NOT_FOUND:
            return
        raise
    if "DIRECTORY" in found.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[found.type].name:
        raise refuse("start.path", "is the path of a directory")
    if not start.overwrite:
        text = f"the file {start.path} exists, and overwrite is not set"
        raise GatewayError(Failure(code_pb2.ALREADY_EXISTS, "ALREADY_EXISTS", text, domain=VCENTER_DOMAIN))


def _beside(path: str) -> str:
    """The path of a temporary file in the same directory, so that the guest can move it atomically."""
    end = max(path.rfind("/"), path.rfind("\\") if not path.startswith("/") else -1)
    return f"{path[: end + 1]}.vcenter-gateway-{os.urandom(8).hex()}"


async def _grouped(pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[list[bytes]]:
    """The same bytes in groups of chunks with exactly this total size, except for the last one."""
    waiting: list[bytes] = []
    length = 0
    async for piece in pieces:
        begin = 0
        while length + len(piece) - begin >= size:
            end = begin + size - length
            waiting.append(piece[begin:end])
            yield waiting
            waiting, length, begin = [], 0, end
        if begin < len(piece):
            waiting.append(piece[begin:])
            length += len(piece) - begin
    if waiting:
        yield waiting


def _mismatch(text: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.FILE_MISMATCH, text))


def _shorter(size: int | None = None) -> GatewayError:
    text = "the file is shorter than the offset" if size is None else f"the file has {size} bytes, less than the offset"
    return GatewayError(Failure.of(Reason.FILE_CHANGED, text))
