"""The model behind the searcher ``pareto``: pure functions on numpy arrays, and its candidates."""
