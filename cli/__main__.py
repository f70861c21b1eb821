"""``python -m nas_explorer.cli`` is ``nas``."""

from .main import main

main()
