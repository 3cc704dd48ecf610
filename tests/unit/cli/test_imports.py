"""What a gateway loads when it starts."""

import subprocess
import sys

import pytest

LOAD = "import sys, gateway.cli.serve, gateway.admin; print(*sys.modules)"
"""What a worker loads: whoever serves the admin port, a simulator or TLS loads the rest when it does."""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a new process."""
    return set(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["aiohttp", "cryptography", "gateway.simulator", "jwt", "opentelemetry", "requests"])
def test_not_loaded(loaded: set[str], module: str) -> None:
    """A worker holds nothing that takes megabytes and that it does not use."""
    assert "gateway.server.gateway" in loaded
    assert module not in loaded
