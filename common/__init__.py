"""What everything stands on: errors, files that are there whole or not at all, memory, weights."""
