"""Full trainings of chosen networks, with the one reading of the test split."""
