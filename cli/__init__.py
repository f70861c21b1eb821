"""The command ``nas``: arguments in, text out."""
