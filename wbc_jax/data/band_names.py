"""Which bands there are; importing this imports no JAX."""

BANDS = ("nonlinear", "repeat", "rgb")


def is_gray(bands: str) -> bool:
    """Whether the setting starts from a grayscale image, one channel instead of three."""
    return bands != "rgb"
