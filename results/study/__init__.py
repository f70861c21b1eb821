"""Studies: the stored records of searches."""
