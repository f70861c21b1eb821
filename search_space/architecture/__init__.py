"""The value that describes a network, and what is made of it."""
