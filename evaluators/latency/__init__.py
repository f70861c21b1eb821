"""Latency under a written contract: what is run, how often, on what, beside which yardstick."""
