"""What is feasible under constraints, known before an architecture is drawn."""
