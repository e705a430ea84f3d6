"""Sweep files made on the fly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_sweep_file(
    path: Path,
    shared: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    reference: str,
    seeds: tuple[int, ...] = (0, 1, 2),
    config: str = "configs/cnn.py:smoke",
) -> Path:
    """Writes a sweep of settings that share some changes and have some of their own."""
    listed = [(name, {**shared, **changes}) for name, changes in settings.items()]
    path.write_text(
        "from wbc_jax.sweeps.definition import Setting, Sweep\n"
        "def get_sweep(preset='smoke'):\n"
        f"    listed = {listed!r}\n"
        f"    settings = tuple(Setting({config!r}, changes, name) for name, changes in listed)\n"
        f"    return Sweep('Which is best?', settings, {reference!r}, {seeds!r})\n",
        encoding="utf-8",
    )
    return path
