"""A run's network for other programs, compared with the original before it is kept."""
