"""The platform worker: events on NATS JetStream become Argo Workflows, exactly once in effect.

Layers point inwards (import-linter checks it): entry points, bootstrap, adapters, pipeline, ports, domain, errors,
contracts.
Read `worker/pipeline.py` first: it is one message's way through the whole program.
"""

from __future__ import annotations

#: Kept equal to ``project.version`` of pyproject.toml by a test.
__version__ = "0.1.0"
