"""Pages to look at, of evaluations and trainings."""
