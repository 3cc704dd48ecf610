"""Runs commands in the process of the test, with an environment of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli

Invoke = Callable[..., Result]


@pytest.fixture
def invoke() -> Invoke:
    """Runs a command and returns its result; `env` replaces variables, `stdin` is its standard input."""

    def run(*arguments: str, stdin: str | None = None, **env: str | None) -> Result:
        # Without the contexts of whoever runs the tests.
        variables = {"XDG_CONFIG_HOME": "/nonexistent", **env}
        return CliRunner().invoke(cli, arguments, input=stdin, env=variables, prog_name="vcenter-gateway")

    return run
