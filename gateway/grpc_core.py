"""Configures gRPC's core, which reads its settings from the environment when `grpc` is imported."""

from __future__ import annotations

import os

__all__ = ["configure_grpc_core"]


def configure_grpc_core() -> None:
    """Sets what the environment does not set already. Call this before anything imports `grpc`."""
    # It writes lines in its own format to standard error; failures are reported as errors anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Its newer listener passes what it reads from one thread to the next. With the one before it, on which Python's
    # asynchronous server was built, a call needs a fifth less CPU, and half the time on a busy machine.
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
