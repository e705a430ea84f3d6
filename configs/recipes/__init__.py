"""Recipes: a network with settings of our own, chosen without TEST; see docs/results.md."""
