"""Benchmarks: ``make bench``. Each prints a ratio against a bare baseline of the same run; none of them is a test."""
