"""Log lines on stderr: a JSON object each for machines, a coloured line each for terminals.

What every line about an event carries (its id, application, generation, trace) is bound once, in a context variable, so
that no call has to pass it. No line carries a secret: configured secret values and passwords in addresses are
replaced, and of foreign exceptions only type and place are told, because their text may quote a payload.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_fields: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default={})  # noqa: B039 - never mutated
_BUILT_IN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "repeated"}
_PASSWORD = re.compile(r"(://)[^/@\s]+@")
_HIDDEN = "***"
_FRAMES = 8
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
#: Libraries whose INFO is of interest to nobody but their authors.
_QUIET = ("aiohttp.access", "asyncio", "faststream", "nats", "opentelemetry", "urllib3")


@contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Add fields to every line that is logged inside the block, in this task and those it starts."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def bound() -> Mapping[str, Any]:
    """Return the fields of the current context."""
    return _fields.get()


def configure(
    level: str, form: str, *, stream: TextIO | None = None, secrets: Iterable[str] = (), repeats: Repeats | None = None
) -> None:
    """Send all logging to ``stream`` (stderr).

    Args:
        level: Least important level that is written: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``json`` or ``text``.
        stream: Where to.
        secrets: Values that are replaced wherever they appear.
        repeats: Filter of repeated lines; ``None`` takes the default one.
    """
    out = stream or sys.stderr
    redact = Redactor(secrets)
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter(redact) if form == "json" else TextFormatter(redact, colours=out.isatty()))
    handler.addFilter(repeats or Repeats())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class Redactor:
    """Takes secrets out of a line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Replace ``secrets``, longest first, and passwords in addresses."""
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return ``text`` without secrets."""
        if self._known is not None:
            text = self._known.sub(_HIDDEN, text)
        return _PASSWORD.sub(rf"\1{_HIDDEN}@", text) if "://" in text else text


class Repeats(logging.Filter):
    """Lets a few warnings of one kind through per period and tells with the next one how many it kept back.

    The kind is where the line is written and its template, not its values: an outage that meets a thousand events in a
    thousand lines tells no more than ten.
    """

    def __init__(self, burst: int = 10, period: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Let ``burst`` lines of one kind through per ``period`` seconds."""
        super().__init__()
        self._burst = burst
        self._period = period
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on one line; lines below WARNING always pass."""
        if record.levelno < logging.WARNING:
            return True
        kind, now = (record.name, str(record.msg)), self._clock()
        start, count = self._seen.get(kind, (now, 0))
        if now - start >= self._period:
            record.repeated = max(0, count - self._burst)
            start, count = now, 0
        self._seen[kind] = (start, count + 1)
        return count < self._burst


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        return self._redact(json.dumps(line, default=str, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """One line for a person."""

    def __init__(self, redact: Redactor, *, colours: bool) -> None:
        super().__init__()
        self._redact = redact
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        message = " ".join(record.getMessage().split("\n"))
        extras = "  ".join(f"{name}={value}" for name, value in _extras(record).items())
        level = record.levelname
        if self._colours:
            level = f"\033[{_COLOURS.get(level, '0')}m{level:<7}\033[0m"
            extras = f"\033[2m{extras}\033[0m" if extras else ""
        return self._redact(f"{moment} {level:<7} {message}{'  ' if extras else ''}{extras}")


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """Gather what a line says besides its message: the context, the call's extras, and where an exception came from."""
    extras = dict(_fields.get())
    extras.update({name: value for name, value in vars(record).items() if name not in _BUILT_IN})
    repeated = getattr(record, "repeated", 0)
    if repeated:
        extras["repeated"] = repeated
    if record.exc_info and record.exc_info[1] is not None:
        extras["error"] = describe(record.exc_info[1])
    return extras


def describe(error: BaseException) -> str:
    """Tell type and place of an exception, not its text, which may quote a payload and so a secret."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    place = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    text = f"{type(error).__name__} at {place}" if place else type(error).__name__
    return f"{text}, caused by {describe(cause)}" if cause is not None else text
