"""Runtimes: what runs a network on a device, and how its latency is measured there."""

from pathlib import Path


def ruler_script() -> Path:
    """Return the script of the ruler, which can be copied to another device."""
    return Path(__file__).with_name("nas_ruler.py")
