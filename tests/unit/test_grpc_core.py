"""The settings of gRPC's core."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gateway.grpc_core import configure_grpc_core


def _complaints(**environment: str) -> str:
    """What gRPC's core says about its settings when it is imported."""
    told = {**os.environ, "GRPC_VERBOSITY": "ERROR", **environment}
    imported = subprocess.run(
        [sys.executable, "-c", "import grpc"], env=told, capture_output=True, text=True, check=True
    )
    return imported.stderr


def test_grpc_knows_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of gRPC that no longer has the chosen listener is noticed; gRPC itself would only ignore the choice."""
    monkeypatch.delenv("GRPC_EXPERIMENTS", raising=False)
    configure_grpc_core()
    assert "Unknown experiment" not in _complaints()
    assert "Unknown experiment" in _complaints(GRPC_EXPERIMENTS="-no_such_listener")


def test_the_environment_takes_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever examines gRPC can choose its settings."""
    monkeypatch.setenv("GRPC_VERBOSITY", "DEBUG")
    monkeypatch.setenv("GRPC_EXPERIMENTS", "event_engine_listener")
    configure_grpc_core()
    assert os.environ["GRPC_VERBOSITY"] == "DEBUG"
    assert os.environ["GRPC_EXPERIMENTS"] == "event_engine_listener"
