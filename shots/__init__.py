"""Where a shot begins: one look at every frame, cuts and gradual transitions."""
