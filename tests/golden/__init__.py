"""Golden Workflows: what the worker submits for each scenario, kept as YAML beside the code that makes it."""
