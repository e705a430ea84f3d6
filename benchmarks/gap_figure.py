"""Draws the gap between protocols again, from published figures instead of runs.

python -m benchmarks.gap_figure docs/figures/gap.json --plot=docs/figures/gap

Any pooled.json that `launch.py --mode=pool` has written can be drawn as well. docs/figures/gap.json
keeps of such files what the figure shows, to the digits that docs/results.md prints, so that the
figure can be drawn without the days of training behind it.
"""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command_line import add_outputs, create_parser, run
from benchmarks.outputs import write_plot
from wbc_jax.errors import UserError
from wbc_jax.reporting.measures import MEASURES
from wbc_jax.reporting.pool_plots import gap
from wbc_jax.reporting.pooled_page import gap_in_words


def main(arguments: Sequence[str]) -> None:
    """Draws FILE.svg and FILE.png.

    Raises:
        UserError: the file cannot be read or holds no pooled figures.
    """
    options = _parse(arguments)
    if options.plot is None:
        raise UserError("--plot is missing: name the file to draw, such as --plot=docs/figures/gap")
    try:
        pooled = json.loads(options.pooled.read_text(encoding="utf-8"))
        groups, measures = pooled["groups"], MEASURES[pooled.get("task", "classification")]
        figure = gap(groups, pooled["protocols"], measures)
        words = gap_in_words(groups, measures)
    except OSError as error:
        raise UserError(f"{options.pooled} cannot be read ({error.strerror})") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{options.pooled} holds no pooled figures ({error!r}); give a pooled.json that "
            "launch.py --mode=pool has written"
        ) from error
    write_plot(options.plot, figure, alt=words)


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("gap_figure", __doc__)
    parser.add_argument("pooled", type=Path, metavar="POOLED", help="A pooled.json.")
    add_outputs(parser, plot=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
