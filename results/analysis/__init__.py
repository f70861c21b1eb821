"""What the candidates of a study say: fronts, effects, comparisons, tables."""
