"""kubeconform, strict and without the network: by the schemas of the API server that the tests have."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.platform.openapi_schemas import LOCATION, write_schemas
from tests.support.control_plane import MissingBinariesError, binaries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.control_plane_api import ControlPlaneApi


@dataclass(frozen=True)
class Kubeconform:
    """The program with the schemas of one API server."""

    program: Path
    schemas: Path

    def judge(self, documents: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the report on some documents."""
        result = subprocess.run(
            [self.program, "-strict", "-summary", "-output", "json", "-schema-location", f"{self.schemas}/{LOCATION}"],
            input=yaml.safe_dump_all(documents),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stdout, result.stderr
        return result.returncode, json.loads(result.stdout)


def with_schemas(api: ControlPlaneApi, kinds: Iterable[tuple[str, str]], folder: Path) -> Kubeconform:
    """Return the program with the server's schemas of some kinds, each with its apiVersion; written into a folder."""
    try:
        program = binaries("kubeconform")["kubeconform"]
    except MissingBinariesError as error:
        pytest.fail(str(error), pytrace=False)
    write_schemas(api, kinds, folder)
    return Kubeconform(program, folder)
