"""The benchmark of searchers on a table of finished trainings."""
