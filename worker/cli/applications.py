"""The argument NAMESPACE/APP that several commands take."""

from __future__ import annotations

from typing import Any

import click

from worker.domain.events import AppKey


class ApplicationName(click.ParamType[AppKey]):
    """``namespace/name``, or a bare name in the namespace ``default``."""

    name = "NAMESPACE/APP"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AppKey:
        """Read the argument."""
        if isinstance(value, AppKey):
            return value
        namespace, slash, name = str(value).rpartition("/")
        if not name or "/" in namespace or (slash and not namespace):
            self.fail(f"{value!r} is no application: write NAMESPACE/APP, for example team-a/shop", param, ctx)
        return AppKey(namespace or "default", name)


APPLICATION = ApplicationName()


def any_detail(subject: str) -> str:
    """Return the subjects that differ from ``subject`` in their last token only: all events, or all error classes."""
    return f"{subject.rpartition('.')[0]}.*"
