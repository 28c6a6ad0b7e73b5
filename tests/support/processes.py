"""Server processes of the cluster suites: started into a log file, stopped politely, crashed or frozen on purpose."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LOG_TAIL = 2_000


def tied(argv: Sequence[str | Path]) -> list[str]:
    """Return ``argv`` so that the process ends when the thread that starts it does, even if that is killed.

    A killed test process (a worker of xdist after a time-out, say) tears no fixture down. It is ended by SIGKILL: a
    kube-apiserver that is asked politely while its etcd ends too never does. Where the system has no `setpriv`, the
    servers of a killed process stay behind.
    """
    command = [str(part) for part in argv]
    setpriv = _setpriv()
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command


def stop_answering(process: subprocess.Popen[bytes]) -> None:
    """Send SIGSTOP and return when the whole process has stopped: its threads may answer for a moment longer."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


@functools.cache
def _setpriv() -> str | None:
    return shutil.which("setpriv")


class ServerProcess:
    """One started process with its log.

    Attributes:
        name: For messages.
        log: File with standard output and error.
    """

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                tied(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,  # Ctrl-C is for pytest, which then stops the servers in order
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ensure_alive(self) -> None:
        """Raise with the end of the log if the process has ended.

        Raises:
            RuntimeError: it has.
        """
        if self._process.poll() is not None:
            raise RuntimeError(
                f"{self.name} ended with code {self._process.returncode}; its log ends:\n{self.log_tail()}"
            )

    def log_tail(self) -> str:
        """Return the end of the log, for error messages."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:]

    def freeze(self) -> None:
        """Stop answering without closing anything (SIGSTOP), until `thaw`."""
        stop_answering(self._process)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Crash: SIGKILL, then wait."""
        self._process.kill()
        self._process.wait()

    def stop(self, grace: float = 10.0) -> None:
        """Ask the process to end (SIGTERM, thawed first) and wait; kill it after ``grace`` seconds."""
        if self._process.poll() is not None:
            return
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
