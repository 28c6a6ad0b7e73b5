"""Follows the Workflows to their ends and writes what became of them into the records and the status stream."""
