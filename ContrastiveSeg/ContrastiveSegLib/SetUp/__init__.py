"""What must be installed, whether it is and works, and how it gets installed."""
