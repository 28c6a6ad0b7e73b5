"""CEL rules of custom resources (``x-kubernetes-validations``), as a kube-apiserver compiles and evaluates them.

The language is cel-expr-python, Google's own implementation; here is what Kubernetes adds: types from schemas, its
function library, messages, transitions and ratcheting. Imported only when a definition has rules (see ``registry``).
"""

from worker.dev.kubernetes.cel.compiler import compile_rules
from worker.dev.kubernetes.cel.validator import Rules

__all__ = ["Rules", "compile_rules"]
