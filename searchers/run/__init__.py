"""The search itself: its options, its loop, its worker."""
