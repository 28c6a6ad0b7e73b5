"""Development tools: how the real servers of the test suites are built, and the command behind `make check`."""
