"""Adapters to the outside, against the real thing."""
