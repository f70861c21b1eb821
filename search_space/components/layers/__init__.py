"""Modules that several components share."""
