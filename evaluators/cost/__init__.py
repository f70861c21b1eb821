"""Exact costs: parameters, multiply-adds, activations, memory."""
