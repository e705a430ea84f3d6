"""A pure training step, what it needs, and the loop around it."""
