"""The walk through a search space: at each open decision a chooser is asked."""
