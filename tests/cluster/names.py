"""The cluster's name server: addresses of services and pods, from what the API server has. CoreDNS does the same."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.cluster.cluster import Cluster, RefusedError

__all__ = ["name_server"]

_DOMAIN = "svc.cluster.local"
_A = 1


@contextmanager
def name_server(cluster: Cluster, address: str) -> Iterator[None]:
    """Answers at port 53 of an address, with names that are a second old at most."""
    names: dict[str, list[str]] = {}
    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))
        sock.settimeout(0.5)
        threads = [
            threading.Thread(target=_refresh, args=(cluster, names, stop)),
            threading.Thread(target=_answer, args=(sock, names, stop)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _refresh(cluster: Cluster, names: dict[str, list[str]], stop: threading.Event) -> None:
    with Cluster.of(cluster.plane) as own:  # a session of requests' is for one thread
        while not stop.wait(0.5):
            with suppress(RefusedError, OSError):
                fresh = _addresses(own)
                names.update(fresh)
                for gone in names.keys() - fresh.keys():
                    del names[gone]


def _addresses(cluster: Cluster) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for service in cluster.request("GET", "api/v1/services").json()["items"]:
        address = service["spec"].get("clusterIP")
        found[_name(service)] = [] if address in (None, "", "None") else [address]
    for entry in cluster.request("GET", "apis/discovery.k8s.io/v1/endpointslices").json()["items"]:
        service = entry["metadata"]["labels"].get("kubernetes.io/service-name")
        name = f"{service}.{entry['metadata']['namespace']}.{_DOMAIN}"
        is_headless = "service.kubernetes.io/headless" in entry["metadata"]["labels"]
        if is_headless and name in found:
            for endpoint in entry.get("endpoints") or ():
                if endpoint["conditions"].get("ready"):
                    found[name] += endpoint["addresses"]
    return found


def _name(service: dict[str, dict[str, str]]) -> str:
    return f"{service['metadata']['name']}.{service['metadata']['namespace']}.{_DOMAIN}"


def _answer(sock: socket.socket, names: dict[str, list[str]], stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(TimeoutError):
            query, peer = sock.recvfrom(512)
            with suppress(IndexError, struct.error, UnicodeDecodeError):
                sock.sendto(_reply(query, names), peer)


def _reply(query: bytes, names: dict[str, list[str]]) -> bytes:
    """RFC 1035, as far as a resolver in a pod asks for addresses."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    question = query[12 : at + 5]
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    found = names.get(".".join(labels).lower())
    addresses = found if found and kind == _A else []
    code = 0 if found is not None else 3
    header = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(addresses), 0, 0)
    answers = [b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 5, 4) + socket.inet_aton(address) for address in addresses]
    return header + question + b"".join(answers)
