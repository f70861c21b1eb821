"""Exact costs: parameters, multiply-adds, activations, memory."""

from ...search_space import LOADED as LOADED  # so that it is before any file here is loaded
