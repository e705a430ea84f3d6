"""What a benchmark leaves behind, where its flags ask for it.

write_result(options.json, {"benchmark": "scaling", ...})
write_plot(options.plot, figure, alt="Time grows with the number of images")
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.command_line import say
from wbc_jax.atomic_files import write_json
from wbc_jax.reporting.figure_files import save_figure


def write_result(path: Path | None, result: Mapping[str, Any]) -> None:
    """Writes the figures as JSON; nothing, where no file was named."""
    if path is not None:
        write_json(path, result)
        say(f"wrote {path}")


def write_plot(path: Path | None, figure: Figure, *, alt: str) -> None:
    """Writes FILE.svg and FILE.png; nothing, where no file was named.

    Args:
        path: with either ending, or none.
        figure: to draw.
        alt: its content in words.
    """
    if path is not None:
        plot = path.with_suffix("")
        save_figure(figure, plot.parent, plot.name, alt=alt)
        say(f"wrote {plot}.svg and {plot}.png")
