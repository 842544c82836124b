"""Learning from what nobody has painted: two networks that teach each other."""
