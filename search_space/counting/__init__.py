"""The number of architectures of a search space, and membership tests."""
