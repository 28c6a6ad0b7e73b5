"""A simulated provider: what Crossplane with its compositions and providers does to claims, without any server behind.

It watches the claims in an API, makes them ready after a while with the status and the connection Secret that the
contract promises, or lets them fail on request. It speaks HTTP only, so it works on the embedded API and on a real one.
"""

from worker.dev.provider.provider import SimulatedProvider

__all__ = ["SimulatedProvider"]
