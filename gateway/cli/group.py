"""A group of commands that helps with a mistyped name."""

from __future__ import annotations

import click

__all__ = ["Group"]

_FEW = 8
"""So many names fit in a message."""


class Group(click.Group):
    """Suggests a command for one that does not exist, or names the existing ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            import difflib  # Imported here because only mistakes need it, as elsewhere in this package.

            names = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], names, n=1)
            known = f"; there are {', '.join(names)}" if len(names) <= _FEW else ""
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {close[0]}?" if close else known))
        return super().resolve_command(ctx, args)
