"""Published architectures as values, with the figures that their papers print."""
