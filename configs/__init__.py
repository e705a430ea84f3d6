"""Configurations: `base.py` has every field once, the others override what the paper states."""
