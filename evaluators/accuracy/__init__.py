"""Accuracy after a short training: data, splits, recipe, training loop."""
