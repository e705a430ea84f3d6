"""Recipes: a network with settings chosen on smears held out of TRAIN; see docs/results.md."""
