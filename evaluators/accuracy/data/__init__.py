"""Data sets: sources, reading, splitting and preparation of images."""
