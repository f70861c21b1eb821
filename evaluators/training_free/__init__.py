"""Scores of untrained networks, each an evaluator of one metric."""
