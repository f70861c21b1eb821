"""Searchers, which propose architectures, and the search loop with its engines."""
