"""The stored record of a search."""
