"""The walk through a search space: a chooser makes each decision."""
