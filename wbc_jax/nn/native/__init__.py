"""Kernels in C for the CPU, called by XLA; compiled on first use for the processor at hand."""
