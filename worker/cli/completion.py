"""``completion``: the script that makes a shell complete this command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_PLATFORM_WORKER_COMPLETE"
_SHELLS = {
    "bash": 'eval "$(platform-worker completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(platform-worker completion zsh)"   # in ~/.zshrc',
    "fish": "platform-worker completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command(name="completion", epilog="\b\n" + "\n".join(_SHELLS.values()))
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has all three
    click.echo(made(ctx.find_root().command, {}, "platform-worker", _VARIABLE).source())
