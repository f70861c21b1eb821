"""Smaller networks made from trained ones."""
