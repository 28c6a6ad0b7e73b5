"""What the outside can see of the worker: log lines, metrics and traces. The domain knows nothing of it."""
