"""`completion`: the script that a shell needs in order to complete commands, options and rpc names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gateway.cli import cli

__all__ = ["completion"]

_COMMAND = "vcenter-gateway"
_VARIABLE = "_VCENTER_GATEWAY_COMPLETE"


@click.command(
    epilog="""
\b
Examples:
  echo 'eval "$(vcenter-gateway completion bash)"' >> ~/.bashrc
  echo 'eval "$(vcenter-gateway completion zsh)"' >> ~/.zshrc
  vcenter-gateway completion fish > ~/.config/fish/completions/vcenter-gateway.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints a script that completes commands, options and rpcs."""
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(completer(cli, {}, _COMMAND, _VARIABLE).source())
