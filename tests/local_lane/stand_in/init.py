"""Stands for what an init container of the examples runs: says what it would do, ends with EXIT_CODE."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    print(f"would run {sys.argv[1:]}; variables: {' '.join(sorted(os.environ))}", flush=True)
    sys.exit(int(os.environ.get("EXIT_CODE", "0")))
