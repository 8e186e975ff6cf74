"""Where a shot begins, and what it shows besides: one look at every frame finds cuts, gradual
transitions, bars and fades."""
