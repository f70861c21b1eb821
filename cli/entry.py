"""The entry point of the command ``nas``: Ctrl-C is one line from the first import on."""

import sys


def main() -> None:
    """Run the command and exit."""
    try:
        from .main import main as command

        command()
    except KeyboardInterrupt:  # before the command could handle it
        print("nas: interrupted", file=sys.stderr)
        sys.exit(1)
