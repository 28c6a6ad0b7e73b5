"""Exit codes, and the one place where an error becomes a sentence on stderr and an exit code.

Scripts decide on the code, people on the sentence; neither should have to read a traceback. The table of
``docs/cli.md`` is held against this enumeration by a test.
"""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """What the process tells its caller."""

    OK = 0
    FAILED = 1
    """It was tried and did not succeed: a run failed, drift was found, the demo deviated."""
    INVALID = 2
    """The input (arguments, settings, a file) is wrong; nothing was sent."""
    NOT_FOUND = 3
    """Nothing is known under that name."""
    UNAVAILABLE = 4
    """NATS or the Kubernetes API does not answer, or refuses this installation."""
    REFUSED = 5
    """Understood and not done on purpose: a duplicate, or older than what is recorded."""
    INTERRUPTED = 130
    """Ended by Ctrl-C or SIGTERM."""


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILED: "tried, and failed: a run failed, drift was found, the demo deviated",
    Exit.INVALID: "invalid input: arguments, settings or a file; nothing was sent",
    Exit.NOT_FOUND: "nothing is known under that name",
    Exit.UNAVAILABLE: "NATS or the Kubernetes API does not answer, or refuses this installation",
    Exit.REFUSED: "not done on purpose: a duplicate, or older than what is recorded",
    Exit.INTERRUPTED: "ended by Ctrl-C or SIGTERM",
}


class CliError(click.ClickException):
    """One sentence for people, with the fix, and the exit code for programs."""

    def __init__(self, code: Exit, message: str, fix: str = "") -> None:
        """Build the sentence from ``message`` (what and why) and ``fix`` (what to do about it)."""
        super().__init__(f"{message}; {fix}" if fix else message)
        self.exit_code = int(code)  # type: ignore[misc]  # a class variable of click, one value per error here

    def show(self, file: IO[Any] | None = None) -> None:
        """Print ``error: …`` to stderr, red on a terminal."""
        click.secho("error: ", fg="red", bold=True, err=True, nl=False, file=file, color=self.show_color)
        click.echo(self.format_message(), err=True, file=file)


def translate(error: Exception) -> CliError | None:
    """Return what people are told of an error that this project raises on purpose; ``None`` for any other."""
    from contracts.violations import ContractViolation  # noqa: PLC0415 - only where an error has to be told
    from worker.errors import Deferred, Misconfigured, NewerRecord, Rejected, Unavailable, WorkerError  # noqa: PLC0415
    from worker.settings import SettingsError  # noqa: PLC0415

    match error:
        case ContractViolation() | Rejected():
            where = f" (at {error.path})" if error.path not in {"", "$"} else ""  # the whole document is no place
            return CliError(Exit.INVALID, f"{error.message}{where}", error.fix)
        case SettingsError():
            return CliError(Exit.INVALID, str(error))
        case Misconfigured():
            return CliError(Exit.UNAVAILABLE, str(error), error.fix)
        case Unavailable() | NewerRecord():
            return CliError(Exit.UNAVAILABLE, str(error))
        case Deferred():
            return CliError(Exit.FAILED, str(error), "try again")
        case WorkerError():
            return CliError(Exit.FAILED, str(error))
    return None
