"""Deciding what to measure next, and running the search."""
