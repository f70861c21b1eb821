"""Evaluators: they measure one architecture."""
