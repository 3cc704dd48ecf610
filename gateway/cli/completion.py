"""`completion`: the scripts that let shells complete commands, options, rpcs, values, files and names."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import BashComplete, add_completion_class, get_completion_class, split_arg_string

__all__ = ["COMPLETE_VARIABLE", "completion"]

COMPLETE_VARIABLE = "_VCENTER_GATEWAY_COMPLETE"

# Bash splits words at colons, as in HOST:PORT, and takes a completion as the text after the last colon.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            printf -v value '%%q' "$value"
            COMPREPLY+=("$value")
        fi
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Completion in Bash that reads the line as it was typed."""

    source_template = _BASH
    _cut = ""
    """The part of the completed word that Bash keeps."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environb.get(b"COMP_LINE", b"")[: int(os.environ.get("COMP_POINT", "0"))].decode(errors="replace")
        words = split_arg_string(line)
        incomplete = "" if not words or line[-1:].isspace() else words.pop()
        self._cut = incomplete[: max(incomplete.rfind(":"), incomplete.rfind("=")) + 1]
        return words[1:], incomplete

    def format_completion(self, item: click.shell_completion.CompletionItem) -> str:
        return f"{item.type},{item.value.removeprefix(self._cut)}"


add_completion_class(_Bash)


@click.command(
    epilog="""
\b
Examples:
  echo 'eval "$(vcenter-gateway completion bash)"' >> ~/.bashrc
  echo 'eval "$(vcenter-gateway completion zsh)"' >> ~/.zshrc
  vcenter-gateway completion fish \\
      > ~/.config/fish/completions/vcenter-gateway.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints a script that completes commands, rpcs and names.

    To complete names, such as those of machines, the script asks the gateway of the current context or of the options
    on the line, and waits two seconds at most.
    """
    from gateway.cli import cli

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"there is no completion for {shell}")
    source = completer(cli, {}, "vcenter-gateway", COMPLETE_VARIABLE).source()
    click.echo(re.sub(r"\n+$", "", source))
