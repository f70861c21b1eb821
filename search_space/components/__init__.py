"""The components that networks are made of."""
