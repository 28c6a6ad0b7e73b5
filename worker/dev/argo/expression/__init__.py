"""The part of the expression language of Argo's `{{=…}}` tags (expr-lang with sprig) that the platform's templates use.

What is not implemented is refused by name instead of guessed: a template that works here has to work on a cluster.
"""

from worker.dev.argo.expression.evaluate import evaluate
from worker.dev.argo.expression.functions import BUILTINS
from worker.dev.argo.expression.parser import ExpressionError, UnsupportedError, parse
from worker.dev.argo.expression.syntax import Node, identifiers

__all__ = ["BUILTINS", "ExpressionError", "Node", "UnsupportedError", "evaluate", "identifiers", "parse"]
