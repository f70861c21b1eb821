"""Measure one architecture."""
