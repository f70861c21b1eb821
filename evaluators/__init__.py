"""Evaluators, which measure the metrics of one architecture."""
