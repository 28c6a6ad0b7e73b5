"""``plan``: what an event would change, before it is sent.

Offline it compares with nothing (everything is new); ``--live`` compares with what is recorded. Nothing is written
either way.
"""

from __future__ import annotations

from typing import Any

import click

from contracts.names import EVENTS_STREAM
from contracts.violations import ContractViolation
from worker.cli.documents import DocumentError, Outgoing, read_files
from worker.cli.exits import Exit
from worker.cli.output import STYLES, TABLE, console, emit, output_option, show_table, text, working
from worker.cli.plan_view import PlanView, TaskLine, of_broken, of_rejection, understand, view
from worker.domain.events import Delivery
from worker.domain.record import Record
from worker.errors import Rejected

_SYMBOLS = {"create": "+", "change": "~", "remove": "-", "retain": "="}
#: The place in the stream of an event that has none yet.
_NOWHERE = Delivery(EVENTS_STREAM, "", 1)


@click.command(name="plan")
@click.argument("file", metavar="FILE")
@click.option("--live", is_flag=True, help="Compare with what is recorded (needs NATS_URL).")
@click.option("--all-parameters", is_flag=True, help="Show also parameters that have their template's default.")
@output_option
def command(file: str, live: bool, all_parameters: bool, output: str) -> None:
    """Show what events would change, component by component, and why.

    FILE has one or more Applications, ApplicationClaims or CloudEvents; - is standard input. Without --live nothing is
    contacted, and the comparison is with an empty record: everything is created.

    Exit code 2 if something in FILE is wrong: the errors are part of the plan.
    """
    views = _plans(file, live=live, tell=output != TABLE)
    if output != TABLE:
        documents = [one.to_json() for one in views]
        emit(documents[0] if len(documents) == 1 else documents, output)
    else:
        _show(views, live=live, everything=all_parameters)
    if any(one.errors for one in views):
        raise click.exceptions.Exit(Exit.INVALID)


def _plans(file: str, *, live: bool, tell: bool) -> list[PlanView]:
    """Return a plan for each document; of a file that cannot be read one that says so, if ``tell``.

    Raises:
        ContractViolation: The file cannot be read, and nobody asked for a plan that tells it.
    """
    try:
        documents = read_files([file])
    except DocumentError as error:
        return [of_broken(error)]
    except ContractViolation as violation:
        if not tell:
            raise
        return [of_broken(DocumentError(violation, file, ("default", "")))]
    if live:
        from worker.cli.live_plan import live_plans  # noqa: PLC0415 - connects

        with working("reading the record …"):
            return live_plans(documents)
    return [_offline(one) for one in documents]


def _offline(outgoing: Outgoing) -> PlanView:
    try:
        event = understand(outgoing, _NOWHERE)
    except Rejected as error:
        return of_rejection(outgoing, error)
    return view(outgoing, event, Record(event.app), {}, "default")


def _show(views: list[PlanView], *, live: bool, everything: bool) -> None:
    out = console()
    for one in views:
        against = "what is recorded" if live else "an empty record (offline)"
        out.print(text(f"{one.namespace}/{one.name or '?'}", "bold"), text(f"compared with {against}", "dim"))
        if one.tasks:
            rows = [_row(number, task) for number, task in enumerate(one.tasks, 1)]
            show_table(out, ("#", "action", "component", "type", "pattern", "template", "after", "why"), rows)
            _show_parameters(out, one, everything=everything)
        for name in one.unchanged:
            out.print(text(f"  unchanged  {name}", "dim"))
        for name, kind, reason in one.skipped:
            out.print(text(f"  skipped    {name} ({kind}): {reason}", "dim"))
        for warning in one.warnings:
            out.print(text(f"  warning    {warning}", "yellow"))
        for error in one.errors:
            out.print(text(f"  error      {error.path}: {error.message}", "red"))
        out.print(text(_summary(one), "bold"))


def _row(number: int, task: TaskLine) -> tuple[object, ...]:
    action = text(f"{_SYMBOLS[task.action]} {task.action}", STYLES[task.action])
    place = "" if task.action == "retain" else number
    after = ", ".join(task.depends_on)
    return (place, action, task.component, task.type, task.pattern, task.template, after, task.reason)


def _show_parameters(out: Any, one: PlanView, *, everything: bool) -> None:
    for task in one.tasks:
        told = {k: v for k, v in task.parameters.items() if everything or not _is_usual(task.template, k, v)}
        for name, value in told.items():
            out.print(text(f"  {task.component}", "cyan"), text(f"{name} = {value}"), soft_wrap=True)


def _is_usual(template: str, name: str, value: str) -> bool:
    """Tell whether a parameter says nothing that the table does not: a default, or one that every task has."""
    from contracts.templates import TEMPLATES, common_inputs  # noqa: PLC0415 - reads a file; --output json does not need it

    declared = TEMPLATES[template].inputs.get(name)
    return (declared is not None and declared.default == value) or name in set(common_inputs()) - {"vcluster"}


def _summary(one: PlanView) -> str:
    counts = {action: sum(task.action == action for task in one.tasks) for action in _SYMBOLS}
    parts = [f"{count} to {action}" for action, count in counts.items() if count]
    parts += [f"{len(one.unchanged)} unchanged"] if one.unchanged else []
    parts += [f"{len(one.skipped)} skipped"] if one.skipped else []
    parts += [f"{len(one.errors)} problem{'s' if len(one.errors) > 1 else ''}"] if one.errors else []
    ends = f"the event would be {one.outcome}" if one.outcome != "waiting" else "the event would wait"
    return f"{', '.join(parts) or 'nothing to do'}: {ends}" + (f" ({one.note})" if one.note else "")
