"""The components of networks."""
