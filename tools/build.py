"""Build the real servers that the cluster suites start, from the Go modules pinned beside this file.

One folder here is one module (`go.mod`, `go.sum`, sometimes a `main.go`). Binaries are kept in a cache folder of the
user, one for each module and named after everything that decides its binaries, so that switching branches back and
forth builds nothing twice, and a change of one module leaves those of the others alone.

    python tools/build.py               build what is missing, print the path of each
    python tools/build.py NAME…         only these
    python tools/build.py --print-dir   print the folder of each module, build nothing
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    Tool("kubeconform", "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", minutes=0.5),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _KUBERNETES_VERSION, minutes=5),
    Tool(
        "kube-controller-manager",
        "kubernetes",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        _KUBERNETES_VERSION,
        minutes=1.5,
    ),
    Tool("keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator", minutes=8),
    Tool("keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter", minutes=1),
)
_BY_NAME = {tool.name: tool for tool in TOOLS}


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


def binary(name: str) -> Path:
    """Return where a binary of this checkout belongs, whether it is built or not.

    Raises:
        BuildError: there is no usable Go toolchain.
    """
    return module_folder(_BY_NAME[name].module) / name


def module_folder(module: str) -> Path:
    """Return the folder where the binaries of a module belong.

    Its name is a hash over all that decides their content: the module, the commands and the version of Go.

    Raises:
        BuildError: there is no usable Go toolchain.
    """
    digest = hashlib.sha256(go_version().encode())
    for tool in TOOLS:
        if tool.module == module:
            digest.update("\0".join(_command(tool, Path(tool.name))).encode())
    folder = HERE / module
    for path in sorted([*folder.glob("go.*"), *folder.glob("*.go")]):
        digest.update(f"\0{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return cache_root() / f"{module}-{digest.hexdigest()[:16]}"


def module_source(name: str, import_path: str) -> Path:
    """Return the folder with the source of a Go module that a tool is built from, for files that it ships.

    Args:
        name: The tool.
        import_path: Of the module, for example ``github.com/kedacore/keda/v2``.

    Raises:
        BuildError: Go cannot find or download it.
    """
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", import_path]
    folder = HERE / _BY_NAME[name].module
    result = subprocess.run(command, cwd=folder, env=_environment(), check=False, capture_output=True, text=True)
    if result.returncode or not result.stdout.strip():
        raise BuildError(f"the source of {import_path} is not there: {result.stderr.strip()}; run: make tools")
    return Path(result.stdout.strip())


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


def _command(tool: Tool, output: Path) -> list[str]:
    ldflags = " ".join(("-s", "-w", *tool.ldflags))
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ldflags]
    return ["go", "build", *flags, "-o", str(output), tool.package]


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Wait until nobody else builds the same binary: two builds at once take each twice as long."""
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{target.name}: waiting for another process that builds it …", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(tool: Tool, target: Path) -> None:
    """Build ``tool`` to ``target``, which appears whole or not at all, unless somebody else has meanwhile.

    Raises:
        BuildError: the Go build failed; its own output stands above the message.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target), tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{tool.name}-") as folder:
        if target.exists():
            return
        output = Path(folder) / tool.name
        started = time.monotonic()
        with _Progress(tool):
            result = subprocess.run(_command(tool, output), cwd=HERE / tool.module, env=_environment(), check=False)
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
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to build: {', '.join(_BY_NAME)}; default: all")
    parser.add_argument("--print-dir", action="store_true", help="print the folders of the binaries and build nothing")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in _BY_NAME]
    if unknown:
        parser.error(f"there is no {unknown[0]}: choose from {', '.join(_BY_NAME)}")
    try:
        wanted = [_BY_NAME[name] for name in arguments.names] or list(TOOLS)
        if arguments.print_dir:
            for module in dict.fromkeys(tool.module for tool in wanted):
                print(module_folder(module))
            return 0
        for tool in wanted:
            target = binary(tool.name)
            if not target.exists():
                build(tool, target)
            print(target)
    except BuildError as error:
        print(f"tools: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
