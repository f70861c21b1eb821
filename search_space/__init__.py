"""What a backbone is and what may vary in it."""
