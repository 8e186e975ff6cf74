"""Painting as it happens: a camera or the screen, in a window, with keys."""
