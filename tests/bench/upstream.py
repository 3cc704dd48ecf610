"""nginx in place of vCenter: canned bodies, immediately or after a delay, and a count of the received calls."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import LOAD_CORES, BenchError, Process, free_port, started

__all__ = ["Site", "Upstream", "nginx"]

_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
_CONFIGURATION = """
user root;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
load_module {module};
events {{ worker_connections 9000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/json;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    tcp_nodelay on;
    open_file_cache max=100;
    open_file_cache_valid 1h;
    # The official SDK speaks JSON-RPC, and wants its own number back.
    map $request_body $rpc_id {{ '~"id": ?"(?<number>[0-9]+)"' $number; }}
    server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
{servers}
}}
"""
_SERVER = """
    server {{
        listen 127.0.0.1:{port} backlog=8192;
        root {root};
        location / {{ {wait} }}
        # Not a call: the gateway reads the version at most once a minute.
        location = /sdk/vimServiceVersions.xml {{ access_log {probes}; return 404; }}
        location = /api {{
            echo_read_request_body;
            echo '{{"jsonrpc":"2.0","id":"$rpc_id","result":{rpc_result}}}';
        }}
        location @body {{ try_files $uri.json =404; }}
    }}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """One state of vCenter: a folder of bodies, and the duration of each response in seconds."""

    folder: Path
    latency: float = 0.0


class Upstream:
    """A running nginx."""

    def __init__(self, process: Process, ports: Mapping[Site, int], status_port: int, probes: Path) -> None:
        self.process = process
        self._ports = ports
        self._status_port = status_port
        self._probes = probes

    def address(self, site: Site) -> str:
        """Host and port of a site."""
        return f"127.0.0.1:{self._ports[site]}"

    def calls(self) -> int:
        """The calls that all sites have received so far, including this request, without those for the version."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/", timeout=10) as answer:
            text = answer.read().decode()
        # Active connections: 1 / server accepts handled requests / 16630948 16630948 31070465 / ...
        return int(text.splitlines()[2].split()[2]) - len(self._probes.read_bytes().splitlines())


@contextlib.contextmanager
def nginx(folder: Path, sites: Sequence[Site], rpc_result: str) -> Iterator[Upstream]:
    """Serves the sites on their own ports, from one process on the cores of the load generator.

    `rpc_result` is the JSON-RPC response to GetCdrom, the only supported operation.
    """
    if not _MODULE.is_file():
        raise BenchError(f"nginx has no {_MODULE.name}: apt-get install libnginx-mod-http-echo")
    folder.mkdir(parents=True, exist_ok=True)
    ports = {site: free_port() for site in sites}
    status = free_port()
    probes = folder / "probes.log"
    probes.write_bytes(b"")
    servers = "".join(
        _SERVER.format(
            port=port,
            root=site.folder,
            rpc_result=rpc_result,
            probes=probes,
            wait=f"echo_sleep {site.latency}; echo_exec @body;" if site.latency else "try_files $uri.json =404;",
        )
        for site, port in ports.items()
    )
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, module=_MODULE, status=status, servers=servers))
    with started(["nginx", "-c", str(file)], folder / "nginx.log", LOAD_CORES) as process:
        process.wait_for_port(status)
        yield Upstream(process, ports, status, probes)
