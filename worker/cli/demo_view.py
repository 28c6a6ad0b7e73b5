"""The demo on a screen: a live table while it runs, lines where there is no screen, and the comparison at the end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from worker.cli.demo_run import Outcome, Progress
from worker.cli.output import clean, console, lines, show_table, table, text
from worker.cli.watch import say_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from worker.cli.demo_results import Result

_REF = "SecretRef"
_MARKS = {"Succeeded": ("●", "green"), "Running": ("◐", "cyan"), "Failed": ("●", "red"), "Error": ("●", "red")}


@contextlib.contextmanager
def live() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows progress: a table that changes on a terminal, lines on stderr elsewhere."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.live import Live  # noqa: PLC0415 - only on a terminal

    with Live(console=console(stderr=True), refresh_per_second=12, transient=True) as screen:
        yield lambda progress: screen.update(_picture(progress))


def _lines() -> Callable[[Progress], None]:
    seen = 0
    doing = ""

    def show(progress: Progress) -> None:
        nonlocal seen, doing
        if progress.doing and progress.doing != doing:
            click.echo(progress.doing, err=True)
        doing = progress.doing
        for entry in progress.told[seen:]:
            say_line(entry)
        seen = len(progress.told)

    return show


def _picture(progress: Progress) -> RenderableType:
    if not progress.results:
        from rich.spinner import Spinner  # noqa: PLC0415

        return Spinner("dots", text(progress.doing))
    rows = [
        (
            result.step.title,
            result.application,
            result.disposition,
            result.entries[-1].kind if result.entries else "",
            _dots(result),
        )
        for result in progress.results
    ]
    return table(("event", "application", "disposition", "now", "tasks"), rows)


def _dots(result: Result) -> RenderableType:
    """Return a mark for each task of the run, and the names of those that run or have failed."""
    from rich.text import Text  # noqa: PLC0415

    dots, names = Text(), Text()
    for component in result.accepted.data.get("components", []) if result.accepted else []:
        if component["action"] not in {"create", "change", "remove"}:
            continue
        phase = _phase(result.tasks, component["name"], removed=component["action"] == "remove")
        mark, style = _MARKS.get(phase, ("○", "dim"))
        dots.append(mark, style)
        if phase not in {"", "Pending", "Succeeded"}:
            names.append(f" {clean(component['name'])}", style)
    return dots + names


def _phase(tasks: Mapping[str, str], component: str, *, removed: bool) -> str:
    if not removed:
        return tasks.get(f"c-{component}", "")
    return next((phase for task, phase in tasks.items() if task.startswith(f"teardown-{component}-")), "")


def show_outcome(outcome: Outcome) -> None:
    """Print what became of each event, and where that is not what it had to become."""
    out = console()
    rows = []
    for result in outcome.results:
        deviations = result.deviations()
        mark = text("✔", "green") if not deviations else text("✘", "red")
        became, wanted = _became(result), _wanted(result)
        cell = became if became == wanted else f"{became or 'nothing'} instead of {wanted}"
        rows.append((mark, result.step.title, result.application, cell, _what(result)))
    columns = ("", "event", "application", "became", "what the ledger says")
    show_table(out, columns, rows, title="Read back from PLATFORM_STATUS and PLATFORM_DLQ")
    for result in outcome.results:
        if result.claims:
            _show_claims(out, result)
    for result in outcome.results:
        for deviation in result.deviations():
            out.print(text(f"✘ {result.step.title}: {deviation}", "red"))
    if outcome.strangers:
        out.print(text(f"✘ {outcome.strangers} entries of ledger and DLQ belong to no published event", "red"))
    good = sum(not result.deviations() for result in outcome.results)
    summary = f"{good} of {len(outcome.results)} events became what they had to become, in {outcome.seconds:.1f} s"
    out.print(text(summary, "bold green" if outcome.ok else "bold red"))


def _show_claims(out: Console, result: Result) -> None:
    """Print the claims of an application in the order in which they were made, and what they bind."""
    rows: list[tuple[object, ...]] = []
    for number, claim in enumerate(result.claims, 1):
        state = text("ready", "green") if claim.ready else text(claim.message, "red")
        secrets = (
            [claim.secret]
            if claim.secret
            else [f"{field.removesuffix(_REF)}: {name}" for field, name in claim.bound.items()]
        )
        named = lines([claim.name, *(f"  {secret}" for secret in secrets)])
        rows.append((number, claim.component, claim.kind, state, named))
    columns = ("#", "made for", "claim", "", "its name; below, its connection secret or those that it binds")
    show_table(out, columns, rows, title=f"Claims of {result.application}, in the order in which they were made")


def _wanted(result: Result) -> str:
    want = result.step.expect
    if not want.stored:
        return "not stored"
    return " → ".join(dict.fromkeys(filter(None, (want.disposition, want.end))))


def _became(result: Result) -> str:
    return " → ".join(dict.fromkeys(filter(None, (result.disposition, result.end))))


def _what(result: Result) -> str:
    if not result.stored:
        return f"the stream has this event already, as sequence {result.sequence}"
    parts: dict[str, list[str]] = {}
    for component, action in result.actions.items():
        parts.setdefault(action, []).append(component)
    told = [f"{action} {', '.join(names)}" for action, names in parts.items()]
    told += [f"skipped {', '.join(result.skipped)}"] if result.skipped else []
    told += [_error(error) for error in result.errors]
    told += [f"dead letter {letter.sequence} ({letter.error_class})" for letter in result.letters]
    return "; ".join(told)


def _error(error: dict[str, str]) -> str:
    who = f"{error['component']}: " if error.get("component") else ""
    where = f" (at {error['path']})" if error.get("path") else ""
    return f"{who}{error.get('message', '')}{where}"
