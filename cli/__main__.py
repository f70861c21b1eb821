"""``python -m nas_explorer.cli`` is ``nas``."""

from .entry import main

main()
