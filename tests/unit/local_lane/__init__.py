"""Tests of the local lane's own logic: no processes, no API server."""
