"""Ports on loopback that a server can give up and take again.

A server under test is killed and restarted on the same port while clients keep dialling it. A port of the kernel's
ephemeral range is unsafe for that: an outgoing connection may be given the same number in between, and a client that
dials it may even connect to itself. So ports come from below that range.
"""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
#: Below Linux's default ephemeral range (32768-60999), above the registered ports of well-known servers.
_RANGE = range(20_000, 32_000)
_choose = random.SystemRandom()


def is_free(port: int) -> bool:
    """Return whether a server could listen on a TCP port of loopback now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on now.

    Another process may take it before its user binds it: whoever starts a server on it tries again with another one.

    Raises:
        OSError: no free port was found in 200 tries.
    """
    for port in _choose.sample(_RANGE, 200):
        if is_free(port):
            return port
    raise OSError(f"no free TCP port on {LOOPBACK} between {_RANGE.start} and {_RANGE.stop - 1}: stop local servers")
