"""Recovers which original smear each blood cell image was made from, and how it was distorted.

python -m wbc_jax.leakage.provenance --data_dir=DIR                27 minutes of one processor
python -m wbc_jax.leakage.provenance --data_dir=DIR --recorded     from the recorded maps: 8
python -m wbc_jax.leakage.provenance --data_dir=DIR --nochecks     without the checks: 19

DIR holds the images and, beside them, the originals with `labels.csv`. Written to --output:
sources.tsv, sources_simple.tsv, maps.tsv and overlaps.tsv, which are kept with the builder;
checks.json; and provenance.png, copies beside their originals. From recorded maps overlaps.tsv is
not made anew. Method: docs/provenance.md.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import app, flags

from wbc_jax.atomic_files import write_json
from wbc_jax.cores import num_cores
from wbc_jax.datasets.blood_cells import sources
from wbc_jax.errors import UserError, exit_with, of_the_place
from wbc_jax.flag_mistakes import expanded
from wbc_jax.leakage import originals, overlaps, recovery, tables
from wbc_jax.leakage.cells import find_nuclei
from wbc_jax.leakage.provenance_checks import check
from wbc_jax.leakage.provenance_picture import examples, provenance_sheet
from wbc_jax.leakage.recovery import Recovered
from wbc_jax.reporting.figure_files import save_figure
from wbc_jax.reporting.output_folder import make_output_folder


def provenance(
    place: Path, output: Path, *, processes: int, recorded: bool, checks: bool
) -> dict[str, Any]:
    """Recovers, checks and writes.

    Args:
        place: folder or zip of the images and their originals.
        output: folder for what is written.
        processes: how many work at once.
        recorded: take the recorded maps.
        checks: compare copies with others' originals, too.

    Returns:
        What was counted; empty without checks.

    Raises:
        UserError: the images or the originals are not there, or `output` cannot be written.
    """
    copies, tree = recovery.find_copies(place), originals.find_originals(place)
    labels, names = originals.load_labels(tree), originals.names(tree)
    divided = originals.division(labels, names)
    make_output_folder(output)  # and tried: what follows takes half an hour
    images = {name: originals.read(tree, name) for name in names}
    nuclei = find_nuclei(images)
    scenes: Mapping[str, str]
    if recorded:
        scenes, recovered = sources.load_scenes(), load_recovered()
    else:
        pairs = overlaps.find_overlaps(images)
        scenes = sources.join_scenes((pair.first, pair.second) for pair in pairs)
        recovered = recovery.recover(place, scenes, processes=processes, files=copies.files())
        tables.write_overlaps(output, pairs, nuclei, dict(labels), divided)
    tables.write_tables(output, recovered, nuclei)
    sheet = provenance_sheet(place, examples(recovered))
    save_figure(sheet, output, "provenance", alt="Copies beside the originals they were made from")
    if not checks:
        return {}
    counted = check(place, recovered, scenes, processes=processes)
    write_json(output / "checks.json", counted)
    return counted


def load_recovered() -> dict[str, Recovered]:
    """Returns what the recorded tables say."""
    maps = sources.load_maps()
    return {
        file: Recovered(
            file,
            source.original or "",
            source.inliers,
            source.runner_up,
            source.correlation,
            maps.get(file),
        )
        for file, source in sources.load_sources().items()
    }


def main(argv: list[str]) -> None:
    """Runs the command; a user's mistake is one message and exit code 2."""
    given = flags.FLAGS
    try:
        if argv[1:]:
            raise UserError(f"argument {argv[1]!r} is not a flag; see --help")
        if not given.data_dir:
            raise UserError("the images are needed: add --data_dir=DIR or set WBC_DATA_DIR")
        counted = provenance(
            expanded("data_dir", given.data_dir),
            expanded("output", given.output),
            processes=given.processes,
            recorded=given.recorded,
            checks=given.checks,
        )
    except UserError as error:
        exit_with(str(error))
    except OSError as error:
        if (message := of_the_place(error)) is None:
            raise
        exit_with(f"{message}; make room, or name another folder with --output")
    for kind, row in counted.get("resolved", {}).items():
        print(f"{kind}: {row['resolved']} of {row['copies']} resolved")
    print(f"written to {given.output}")


def _define_flags() -> None:
    flags.DEFINE_string(
        "data_dir",
        os.environ.get("WBC_DATA_DIR"),
        "Folder (or zip) of the images and their originals; only read. Default: WBC_DATA_DIR.",
    )
    flags.DEFINE_string("output", "runs/provenance", "Folder for what is written.")
    flags.DEFINE_integer(
        "processes",
        num_cores(),
        "How many work at once; of no influence on the result.",
        lower_bound=1,
    )
    flags.DEFINE_bool(
        "recorded", False, "Take the sources and maps kept with the builder; make the rest anew."
    )
    flags.DEFINE_bool("checks", True, "Compare copies with others' originals, too.")


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except SystemExit as help_was_shown:  # with 1, by absl's convention
        raise SystemExit(0) from help_was_shown
    except flags.Error as error:
        exit_with(f"{error}; see --help")


if __name__ == "__main__":
    _define_flags()
    app.run(main, flags_parser=_parse)
