"""The command ``platform-worker``: its list of commands, and how each is loaded when it is called and not before.

The short descriptions stand here a second time, next to the module that has the command, so that ``--help`` imports
none of them; a test holds the two against each other.
"""

from __future__ import annotations

import importlib
import os
import traceback
from typing import Any

import click

from worker import __version__
from worker.cli.exits import CliError, Exit, translate

#: Command → module below ``worker.cli`` that defines ``command``, and its one line in the list; in the order of the
#: list.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("serve:run", "Consume events, plan and submit Workflows; observe while holding the lease."),
    "observe": ("serve:observe", "Only follow Workflows: fold their ends into the records and tell them."),
    "dev": ("dev:command", "Run everything on embedded servers until Ctrl-C."),
    "demo": ("demo:command", "Show the main job on embedded servers, check every result, and end."),
    "publish": ("publish:command", "Publish Applications, ApplicationClaims or CloudEvents."),
    "plan": ("plan:command", "Show what events would change, component by component, and why."),
    "status": ("status:command", "Show what is recorded of all applications, or of one in detail."),
    "explain": ("explain:command", "Show everything that became of one event."),
    "retry": ("requests:retry", "Run again what did not succeed."),
    "delete": ("requests:delete", "Take away everything under a name."),
    "stop": ("requests:stop", "Stop the current run of an application."),
    "dlq": ("dlq:group", "List, show and replay dead letters."),
    "state": ("state:group", "Show or rebuild the recorded state."),
    "streams": ("streams:group", "Create the streams, consumer and bucket, or check them for drift."),
    "doctor": ("doctor:command", "Look at the whole installation and say what is missing."),
    "schema": ("schema:group", "Export the JSON Schemas and the AsyncAPI document."),
    "completion": ("completion:command", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, and whose errors end in a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"worker.cli.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one say which was meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only for a typing error

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            guess = f"did you mean {near[0]!r}?" if near else "see --help for the list"
            raise click.UsageError(f"there is no command {args[0]!r}; {guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that was raised on purpose becomes one sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None
        except Exception as error:
            debug = bool(ctx.params.get("debug"))
            if debug:
                traceback.print_exc()
            told = translate(error)
            if told is None:
                name = type(error).__name__
                fix = "" if debug else "call platform-worker --debug … to see where"
                told = CliError(Exit.FAILED, f"unexpected {name}: {error}", fix)
            raise told from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Settings come from the environment (NATS_URL, …): see README.md. Exit codes: see docs/cli.md.",
)
@click.version_option(__version__, prog_name="platform-worker", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Print tracebacks of errors.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:  # noqa: ARG001 - read by LazyGroup.invoke
    """Turn platform events on NATS JetStream into Argo Workflows, exactly once in effect."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False  # rich reads the variable by itself, click does not
