"""Real servers and generated data that the suites share."""
