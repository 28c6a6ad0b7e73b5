"""A subset of the Kubernetes API, served over real HTTP from memory.

Dev mode, the demo and most tests need an API server that costs nothing to start and can be told to fail. What it
answers is compared, case by case, with a real kube-apiserver by ``tests/api``: a difference is a bug of this package.
"""

from worker.dev.kubernetes.server import KubernetesApi

__all__ = ["KubernetesApi"]
