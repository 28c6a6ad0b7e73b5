"""Runs the real `crossplane render` with the real functions of the pipeline, as processes on loopback.

Neither is part of the project and nothing here fetches them: where they are not on PATH, goldens are held against their
digests only. Where they are, their versions have to be the pinned ones, else the goldens would say something untrue.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.platform.goldens import claim_of, load_all, observed_of, others_of
from tests.support.processes import ServerProcess
from worker.dev.loopback import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.platform.goldens import Layout

_TIMEOUT = 60
_SUFFIX = "7xk2p"  # in a cluster the API server makes one up
_LONGEST_BASE = 58  # to which it cuts what stands before the suffix


class MissingRendererError(Exception):
    """A program that rendering needs is not on PATH."""


class RendererError(Exception):
    """The renderer cannot be used, or refused its input; the message has its own words."""


class Renderer:
    """The functions of the pipeline, running for the time of a ``with`` block."""

    def __init__(self, layout: Layout) -> None:
        """Look for the programs.

        Raises:
            MissingRendererError: one is not on PATH.
            RendererError: one has another version than the pinned one.
        """
        self._layout = layout
        self._programs: dict[str, str] = {}
        for name in layout.versions():
            path = shutil.which(name)
            if path is None:
                raise MissingRendererError(f"{name} is not on PATH")
            self._programs[name] = path
        for name, wanted in layout.versions().items():
            found = self._version(name)
            if found != wanted:
                raise RendererError(f"{self._programs[name]} is {name} {found}: the goldens are rendered with {wanted}")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="platform-render-")))
            functions = load_all(self._layout.functions)
            for function in functions:
                name, address = function["metadata"]["name"], f"{LOOPBACK}:{free_port()}"
                command = [self._programs[name], "--insecure", "--address", address]
                process = ServerProcess(name, command, self._folder / f"{name}.log", os.environ)
                stack.callback(process.stop)
                function["metadata"]["annotations"] = {
                    "render.crossplane.io/runtime": "Development",
                    "render.crossplane.io/runtime-development-target": f"dns:///{address}",
                }
            self._write("functions", *functions)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def render(self, name: str) -> str:
        """Return what Crossplane makes of a case, with the warnings of the functions.

        Raises:
            RendererError: it makes nothing of it.
        """
        return self.render_case(self._layout, name)

    def render_case(self, layout: Layout, name: str) -> str:
        """Return what Crossplane makes of a case of any API whose functions are those of this renderer.

        Raises:
            RendererError: it makes nothing of it.
        """
        there = others_of(layout, name)
        return self.compose(claim_of(layout, name), observed_of(layout, name), layout=layout, there=there)

    def compose(
        self,
        claim: dict[str, Any],
        observed: Sequence[dict[str, Any]] = (),
        composition: object = None,
        layout: Layout | None = None,
        there: Sequence[dict[str, Any]] = (),
    ) -> str:
        """Return what Crossplane makes of any claim, given what it observes, and perhaps by another Composition.

        `there` is what else exists, for Compositions that ask for it.

        Raises:
            RendererError: it makes nothing of it.
        """
        layout = layout or self._layout
        files = [
            self._write("composite", composite_of(claim)),
            layout.composition,
            self._folder / "functions.yaml",
        ]
        if composition is not None:
            files[1] = self._write("composition", composition)
        options = [f"--xrd={layout.definition}", "--include-function-results", f"--timeout={_TIMEOUT}s"]
        if observed:
            options.append(f"--observed-resources={self._write('observed', *observed)}")
        if there:
            options.append(f"--required-resources={self._write('there', *there)}")
        command = [self._programs["crossplane"], "render", *map(str, files), *options]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * _TIMEOUT)
        if result.returncode:
            raise RendererError(f"{claim['metadata']['name']}: {result.stderr.strip()}")
        return result.stdout

    def _write(self, name: str, *documents: object) -> Path:
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return path

    def _version(self, name: str) -> str:
        path = self._programs[name]
        if name == "crossplane":
            result = subprocess.run([path, "version", "--client"], capture_output=True, text=True, check=False)
            match = re.search(r"v\d\S*", result.stdout)
            return match[0] if match else f"of unknown version ({(result.stdout + result.stderr).strip()})"
        # The functions do not tell their version, but Go writes it into every program that it builds from a module.
        stamp = re.search(rb"mod\tgithub\.com/crossplane-contrib/%b\t([^\t\n]+)" % name.encode(), _read(path))
        return stamp[1].decode() if stamp else "of unknown version"


def composite_of(claim: dict[str, Any]) -> dict[str, Any]:
    """Return the composite resource that Crossplane would make of a claim."""
    name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
    reference = {"apiVersion": claim["apiVersion"], "kind": claim["kind"], "name": name, "namespace": namespace}
    return {
        "apiVersion": claim["apiVersion"],
        "kind": f"X{claim['kind']}",
        "metadata": {
            "name": f"{name}-"[:_LONGEST_BASE] + _SUFFIX,
            "labels": {"crossplane.io/claim-name": name, "crossplane.io/claim-namespace": namespace},
        },
        "spec": {**claim["spec"], "claimRef": reference},
    }


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
