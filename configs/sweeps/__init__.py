"""Sweeps: a question each, and the runs that answer it; see docs/ablations.md."""
