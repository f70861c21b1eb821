"""What the operations of a module cost, counted from a trace."""
