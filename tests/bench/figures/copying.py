"""Copies a file to and from a guest through the gateway, compared with curl at the same URL."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from gateway.contract import load_contract
from tests.bench import contenders
from tests.bench.contenders import SERVERS, Contender
from tests.bench.lab import Lab
from tests.bench.processes import BenchError
from tests.bench.programs import program
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_SIZE = 1024**3
_NETWORKS = {"1 Gbit/s": 125.0, "2.5 Gbit/s": 312.5, "no limit": math.inf}
"""The speed of the host's network in MB/s."""
_SERVICE = "vcenter.gateway.v1.GuestService"
_IDENTITY = (("authorization", "Basic YTpi"),)
_PIECE = 256 * 1024
_CREDENTIALS = {
    "interactive_session": False,
    "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
    "user_name": "root",
    "password": "x",
}


def measure(lab: Lab) -> Section:
    """One file in both directions, at the speeds of three networks, while the gateway's memory is measured."""
    size = _SIZE // 16 if lab.quick else _SIZE
    found: dict[str, list[float]] = {}
    grown: list[float] = []

    def add(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(size / 1e6 / seconds)

    for _ in range(lab.rounds):
        for network, rate in _NETWORKS.items():
            with _gateway(lab, rate) as (vcenter, gateway), _channel(gateway.address) as channel:
                for direction, copy in (("down", _download), ("up", _upload)):
                    copy(channel, _PIECE)  # Loads everything that is loaded lazily.
                    gateway.process.reset_peak_rss()
                    before = gateway.process.rss()
                    add(f"gateway, {direction}, {network}", _timed(copy, channel, size))
                    grown.append(gateway.process.peak_rss() - before)
                    add(f"curl, {direction}, {network}", _timed(_curl, vcenter, direction, size))
    figures = [
        Figure(
            f"{direction}, {network}, of curl's throughput",
            "x",
            ratios(found[f"gateway, {direction}, {network}"], found[f"curl, {direction}, {network}"]),
            0.8,
            at_least=True,
        )
        for network in _NETWORKS
        for direction in ("down", "up")
    ]
    return Section(
        "copying",
        "Copying files to and from guests",
        f"{size // 1024**2} MiB by DownloadFile and UploadFile in pieces of 256 KiB, with a checksum on the way, from "
        "a caller in Python; and by curl at the transfer URL itself, without a checksum. The server behind the URL "
        "sends and takes no more than the network named would; without a limit, all of them share two cores.",
        "MB/s",
        [Series(label, values) for label, values in found.items()],
        [*figures, Figure("growth of the gateway's memory during a copy", "MB", grown, 8)],
    )


@contextlib.contextmanager
def _gateway(lab: Lab, rate: float) -> Iterator[tuple[str, Contender]]:
    with program(str(SERVERS / "files.py"), *([] if math.isinf(rate) else [str(rate)])) as server:
        vcenter = server.hear()
        with contenders.gateway(lab.folder, vcenter.removeprefix("http://")) as gateway:
            yield vcenter, gateway


@contextlib.contextmanager
def _channel(address: str) -> Iterator[Any]:
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield channel


def _timed(copy: Callable[..., None], *arguments: Any) -> float:
    began = time.perf_counter()
    copy(*arguments)
    return time.perf_counter() - began


def _message(name: str, **fields: Any) -> bytes:
    return bytes(load_contract().message_class(f"vcenter.gateway.v1.{name}")(**fields).SerializeToString())


def _download(channel: Any, size: int) -> None:
    call = channel.unary_stream(f"/{_SERVICE}/DownloadFile")
    request = _message("DownloadFileRequest", vm="vm-1", credentials=_CREDENTIALS, path=f"/{size}", chunk_size=_PIECE)
    if sum(len(message) for message in call(request, metadata=_IDENTITY)) < size:
        raise BenchError("a download is not complete")


def _upload(channel: Any, size: int) -> None:
    start = {"vm": "vm-1", "credentials": _CREDENTIALS, "path": "/new", "size": size}
    first, piece = _message("UploadFileRequest", start=start), _message("UploadFileRequest", chunk=bytes(_PIECE))

    def requests() -> Iterator[bytes]:
        yield first
        for _ in range(size // _PIECE):
            yield piece

    channel.stream_unary(f"/{_SERVICE}/UploadFile")(requests(), metadata=_IDENTITY)


def _url(vcenter: str, size: int, **spec: Any) -> str:
    body = json.dumps({"credentials": {}, "spec": {"path": f"/{size}", **spec}}).encode()
    address = f"{vcenter}/api/vcenter/vm/vm-1/guest/filesystem?action=create"
    with urllib.request.urlopen(urllib.request.Request(address, body, method="POST")) as answer:  # noqa: S310
        url: str = json.load(answer)
        return url


def _curl(vcenter: str, direction: str, size: int) -> None:
    if direction == "down":
        subprocess.run(["/usr/bin/curl", "-s", "-o", "/dev/null", _url(vcenter, size)], check=True)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(size)  # A sparse file, which is read as zeros.
        command = ["/usr/bin/curl", "-s", "-H", "Expect:", "-T", file.name, _url(vcenter, size, attributes={})]
        subprocess.run(command, check=True)
