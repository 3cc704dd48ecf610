"""A gateway with a service account, and one caller whom it knows by a token."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.server.guards import make_guards
from gateway.settings import Settings
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, System, running_system

__all__ = ["BEARER", "TOKEN", "guarded", "service_settings", "write_password"]

TOKEN = "0f8e4c5d7a9b41c2a3e6d8f7b5c4a392"
BEARER = (("authorization", f"Bearer {TOKEN}"),)


def write_password(folder: Path, password: str = PASSWORD) -> Path:
    path = folder / "password"
    path.write_text(password + "\n")
    return path


def service_settings(folder: Path, **auth: Any) -> Settings:
    """The settings of a gateway with a service account and one caller, `ci`, with a token."""
    tokens = folder / "tokens.yaml"
    tokens.write_text(f"tokens: [{{identity: ci, sha256: '{hashlib.sha256(TOKEN.encode()).hexdigest()}'}}]")
    account = {"mode": "service-account", "user": ADMINISTRATOR, "password_file": str(write_password(folder))}
    return Settings.model_validate(
        {"simulator": {"enabled": True}, "auth": {**account, "tokens_file": str(tokens), **auth}}
    )


@asynccontextmanager
async def guarded(settings: Settings, **options: Any) -> AsyncIterator[System]:
    """A system that is guarded as the settings say."""
    guards = make_guards(settings)
    async with running_system(admission=guards.admission, audit=guards.audit, **options) as system:
        yield system
