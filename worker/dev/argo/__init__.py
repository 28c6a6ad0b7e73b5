"""A simulated Argo Workflows controller: a client of the Kubernetes API that walks the DAGs of Workflows.

Dev mode and the tests need runs that end, fail, wait and are stopped as on a cluster, without pods. It speaks to the
API over HTTP only, so it works on the embedded API and on a real kube-apiserver alike; what a task *does* is a port
(`runner.TaskRunner`).
"""

from worker.dev.argo.controller import ArgoController
from worker.dev.argo.runner import ContractRunner, TaskCall, TaskResult, TaskRunner
from worker.dev.argo.template_runner import TemplateRunner

__all__ = ["ArgoController", "ContractRunner", "TaskCall", "TaskResult", "TaskRunner", "TemplateRunner"]
