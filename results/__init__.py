"""Keep, compare and show what was measured."""
