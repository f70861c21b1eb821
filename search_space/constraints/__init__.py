"""Feasibility under hard constraints, known before an architecture is sampled."""
