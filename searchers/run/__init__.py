"""The run of a search: options, loop, worker."""
