"""Running a search: options, loop, worker."""
