"""Costs of a module's operations, counted from a trace."""
