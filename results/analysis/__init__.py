"""Analysis of a study's candidates: fronts, effects, comparisons, tables."""
