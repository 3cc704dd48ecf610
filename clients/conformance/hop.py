"""The network between a client and the gateway, which can break, and which sees whether a client cancels.

A client cannot be tested for the loss of its gateway by a gateway that works. So every call of the conformance cases
passes this relay. It forwards bytes, closes connections when a case says so, and counts the `RST_STREAM` frames that
the client sends: the only trace that a cancelled call leaves on the wire.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

__all__ = ["Hop"]

_PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_FRAME_HEAD = 9
_RST_STREAM = 3
_CHUNK = 1 << 16


class Hop:
    """Forwards connections from an address of its own to a gateway, until it is closed."""

    def __init__(self, gateway: str) -> None:
        host, _, port = gateway.rpartition(":")
        self._gateway = (host, int(port))
        self._changed = threading.Condition()
        self._resets = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Hop:
        return self

    def __exit__(self, *exc: object) -> None:
        self.refuse()

    @property
    def resets(self) -> int:
        """How many streams clients have cancelled so far."""
        return self._resets

    def wait_for_reset(self, seen: int, seconds: float) -> bool:
        """Whether a client has cancelled a stream since `resets` was `seen`, or does so within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._resets > seen, seconds)

    def cut(self) -> None:
        """Closes all connections. A client may connect again."""
        with self._changed:
            connections, self._open = self._open, set()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Closes all connections and refuses new ones."""
        with suppress(OSError):
            # A thread that waits in accept() holds the socket open; this wakes it.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                gateway = socket.create_connection(self._gateway)
            except OSError:
                client.close()
                continue
            for end in (client, gateway):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._open |= {client, gateway}
            threading.Thread(target=self._forward, args=(client, gateway, _Frames()), daemon=True).start()
            threading.Thread(target=self._forward, args=(gateway, client, None), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, frames: _Frames | None) -> None:
        """Forwards what one side sends until it closes the connection, and then closes the other."""
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                target.sendall(data)
                if frames and (resets := frames.resets_in(data)):
                    with self._changed:
                        self._resets += resets
                        self._changed.notify_all()
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._changed:
            self._open -= {source, target}
        source.close()


class _Frames:
    """Finds the frames in what a client sends over one connection."""

    def __init__(self) -> None:
        self._head = b""
        self._skip = _PREFACE

    def resets_in(self, data: bytes) -> int:
        """How many RST_STREAM frames begin in the next bytes."""
        resets = 0
        while data:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            missing = _FRAME_HEAD - len(self._head)
            self._head += data[skipped : skipped + missing]
            data = data[skipped + missing :]
            if len(self._head) == _FRAME_HEAD:
                resets += self._head[3] == _RST_STREAM
                self._skip = int.from_bytes(self._head[:3])
                self._head = b""
        return resets
