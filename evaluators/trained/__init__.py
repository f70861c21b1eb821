"""Diagnostics of trained networks, each of one metric."""
