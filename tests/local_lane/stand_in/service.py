"""Stands for an image of the examples that is nobody's: serves HTTP at its pod's address and ends on SIGTERM.

    python service.py [--port PORT] [anything that the image would understand]

Every path answers 200. The log has the names of its environment variables, never their values: some are secret.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers probes."""

    def do_GET(self) -> None:
        """Answer 200 to every path."""
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Stay silent: a line for each probe hides the others."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    options, arguments = parser.parse_known_args()
    server = ThreadingHTTPServer((os.environ["POD_IP"], options.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(
        f"serving on port {options.port}; arguments: {arguments}; variables: {' '.join(sorted(os.environ))}", flush=True
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
