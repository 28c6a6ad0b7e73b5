"""The platform worker: events on NATS JetStream become Argo Workflows, exactly once in effect.

Layers point inwards (import-linter checks it): entry points, bootstrap, adapters, pipeline, ports, domain, errors, contracts.
Read `worker/pipeline.py` first: it is one message's way through the whole program.
"""
