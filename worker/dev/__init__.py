"""Everything that `platform-worker dev` and `demo` run instead of a cluster.

A real nats-server, an embedded Kubernetes API and a simulated Argo controller, used by neither `run` nor `observe`.
Tests extend the same classes, so what the demo shows is what the suites exercise.
"""
