"""Measurements and trainings whose results the project ships."""
