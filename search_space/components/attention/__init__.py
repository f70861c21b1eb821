"""The choices that attention is a product of: support, score, position, projection."""
