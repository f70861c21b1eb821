"""The short training and its score."""
