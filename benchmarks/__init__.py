"""Measurements: against PyTorch in one run, against size, against the clock. See each module."""
