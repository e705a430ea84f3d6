"""Drawn blood smears: the data set that needs no download."""
