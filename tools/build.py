"""Build the real servers that the cluster suites start, from the Go modules pinned beside this file.

One folder here is one module (`go.mod`, `go.sum`, sometimes a `main.go`). Binaries are kept in a cache folder of the
user, named after everything that decides their content, so that switching branches back and forth builds nothing twice.

    python tools/build.py               build what is missing
    python tools/build.py --print-dir   say where the binaries are, build nothing
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: The go directives of the modules ask for it; said here too, so that the error names it before anything is downloaded.
MINIMUM_GO = (1, 26)
_PROGRESS_SECONDS = 15


@dataclass(frozen=True)
class Tool:
    """One binary.

    Attributes:
        name: File name of the binary.
        module: Folder beside this file that holds its go.mod.
        package: Go package to build, by import path or relative to the module.
        ldflags: Linker flags beside ``-s -w``.
        minutes: Roughly how long a cold build takes on two cores, for people who wait.
    """

    name: str
    module: str
    package: str
    ldflags: tuple[str, ...] = ()
    minutes: float = 1


_KUBERNETES_VERSION = (
    "-X k8s.io/component-base/version.gitVersion=v1.36.4",
    "-X k8s.io/component-base/version.gitMajor=1",
    "-X k8s.io/component-base/version.gitMinor=36",
)

TOOLS = (
    Tool("etcd", "etcd", ".", minutes=1),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _KUBERNETES_VERSION, minutes=5),
)


class BuildError(Exception):
    """A tool cannot be built; the message says what to do."""


def go_version() -> str:
    """Return the version of the Go toolchain on PATH, for example ``go1.26.8``.

    Raises:
        BuildError: there is none, or it is older than the modules need.
    """
    wanted = ".".join(map(str, MINIMUM_GO))
    try:
        answer = subprocess.run(
            ["go", "env", "GOVERSION"], check=True, capture_output=True, text=True, cwd=HERE / "etcd"
        )
    except FileNotFoundError:
        raise BuildError(
            f"go is not on PATH: install Go {wanted} or newer to build the control plane of the tests"
        ) from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"go does not work: {error.stderr.strip()}") from error
    version = answer.stdout.strip()
    numbers = tuple(int(part) for part in version.removeprefix("go").split(".")[:2] if part.isdigit())
    if numbers < MINIMUM_GO:
        raise BuildError(f"{version} is too old: install Go {wanted} or newer to build the control plane of the tests")
    return version


def cache_root() -> Path:
    """Return the folder that holds all versions of all tools."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "platform-worker" / "tools"


def binary_folder() -> Path:
    """Return the folder where the binaries of this checkout belong, whether they are built or not.

    Its name is a hash over all that decides their content: the modules, the commands and the version of Go.

    Raises:
        BuildError: there is no usable Go toolchain.
    """
    digest = hashlib.sha256(go_version().encode())
    for tool in TOOLS:
        digest.update("\0".join(_command(tool, Path(tool.name))).encode())
        module = HERE / tool.module
        for path in sorted([*module.glob("go.*"), *module.glob("*.go")]):
            digest.update(f"\0{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return cache_root() / digest.hexdigest()[:16]


def _command(tool: Tool, output: Path) -> list[str]:
    ldflags = " ".join(("-s", "-w", *tool.ldflags))
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ldflags]
    return ["go", "build", *flags, "-o", str(output), tool.package]


def build(tool: Tool, target: Path) -> None:
    """Build ``tool`` to ``target``, which appears whole or not at all.

    Raises:
        BuildError: the Go build failed; its own output stands above the message.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{tool.name}-") as folder:
        output = Path(folder) / tool.name
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        started = time.monotonic()
        with _Progress(tool):
            result = subprocess.run(_command(tool, output), cwd=HERE / tool.module, env=environment, check=False)
        if result.returncode:
            raise BuildError(f"building {tool.name} failed with code {result.returncode}; see Go's output above")
        output.replace(target)
    print(f"{tool.name}: built in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


class _Progress:
    """Says every quarter of a minute that a build still runs: Go itself is silent for minutes."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> None:
        print(
            f"{self._tool.name}: building once, about {self._tool.minutes:g} min on two cores if Go's cache is cold …",
            file=sys.stderr,
            flush=True,
        )
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _report(self) -> None:
        started = time.monotonic()
        while not self._done.wait(_PROGRESS_SECONDS):
            print(f"{self._tool.name}: … {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Build the real servers that the cluster suites start.")
    parser.add_argument("--print-dir", action="store_true", help="print the folder of the binaries and build nothing")
    arguments = parser.parse_args()
    try:
        folder = binary_folder()
        missing = [tool for tool in TOOLS if not (folder / tool.name).exists()]
        for tool in [] if arguments.print_dir else missing:
            build(tool, folder / tool.name)
    except BuildError as error:
        print(f"tools: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
