"""What carries tasks out in crash tests: it keeps what was done, in which order, and can be held."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.crash.history import Executed
from worker.dev.argo.runner import ContractRunner, TaskCall, TaskResult


@dataclass
class RecordingRunner:
    """Carries tasks out and keeps what it did, in the order in which it did it."""

    inner: ContractRunner = field(default_factory=lambda: ContractRunner(delay=0.01))
    executed: list[Executed] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    _held: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, component: str) -> None:
        """Let tasks of ``namespace/application/component`` begin and not end, until ``release``."""
        self.begun.discard(component)
        self._held[component] = asyncio.Event()

    def release(self, component: str) -> None:
        """Let held tasks end, and later ones pass."""
        self._held.pop(component).set()

    async def run(self, call: TaskCall) -> TaskResult:
        """Carry one task out."""
        parameters = call.parameters
        app = f"{parameters['namespace']}/{parameters['application']}"
        value = parameters.get("size") or parameters.get("repository") or ""
        key = f"{app}/{parameters['component']}"
        self.begun.add(key)
        if key in self._held:
            await self._held[key].wait()
        result = await self.inner.run(call)
        if result.phase == "Succeeded":
            self.executed.append(Executed(app, parameters["component"], call.workflow, call.entry, value))
        return result
