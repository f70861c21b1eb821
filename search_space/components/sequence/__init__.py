"""Scans over sequences of positions, and their lifting to maps."""
