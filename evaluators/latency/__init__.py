"""Latency under a stated contract: what runs, how often, on which device, with which reference."""
