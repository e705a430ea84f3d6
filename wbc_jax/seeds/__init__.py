"""Seed points: one point on every cell of a smear's picture."""
