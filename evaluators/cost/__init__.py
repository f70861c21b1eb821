"""Exact costs: parameters, multiply-adds, activations, memory."""

from ...search_space import LOADED as LOADED  # set before any file here is loaded
