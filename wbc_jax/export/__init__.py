"""A trained run as one folder that runs with JAX alone, on any platform."""
