"""An audit as the command line runs it: compare, write the files, say what was found.

text, is_leaky = run_on_input(Path("images"), parts=[], workdir=None)
text, is_leaky = run_on_division(data, seed=0, fold=0, workdir=None)
"""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from wbc_jax.data.load import Data
from wbc_jax.datasets.prepare import read_split
from wbc_jax.leakage import comparison, fingerprints, shortlist, twins
from wbc_jax.leakage.audit import Read, audit_division, audit_folder
from wbc_jax.leakage.picture_parts import Picture, open_parts
from wbc_jax.reporting.audit_findings import Findings, Pair
from wbc_jax.reporting.audit_report import audit_summary, write_audit
from wbc_jax.reporting.output_folder import make_output_folder, require_apart

RULES = {
    "bytes": "identical files",
    "pixels": "identical width, height and RGB values",
    "hash": (
        f"at most {twins.MOST_BITS} of 64 bits of the perceptual hash differ in any flip or "
        f"quarter turn, and the gray values correlate above {twins.LEAST_CORRELATION}"
    ),
    "keypoints": (
        f"at least {twins.LEAST_INLIERS} key points agree on an affine map, and under it the gray "
        f"values correlate above {twins.LEAST_CORRELATION} over what both show, which is at "
        f"least {comparison.LEAST_COMMON:.0%} of the smaller one"
    ),
    "compared in full": (
        f"of each picture of the smaller part: all within {twins.MOST_BITS} bits by hash (at most "
        f"the {twins.MOST_NEAR} nearest), and the {shortlist.MOST_CANDIDATES} others that most key "
        "points vote for"
    ),
    "size": f"pictures are compared at no more than {fingerprints.LONGEST_SIDE} pixels a side",
}

Image = UInt8[np.ndarray, "_ _ 3"]


def run_on_input(
    place: Path, *, parts: list[str], workdir: Path | None, on_bad_image: str = "error"
) -> tuple[str, bool]:
    """Audits a folder or zip whose first folders are the parts of a division.

    Args:
        place: a folder, a zip, or a folder within a zip.
        parts: names of the parts to compare; none: all there are.
        workdir: where the files are written; by default `runs/audit-NAME`.
        on_bad_image: "error" refuses pictures that cannot be read, "skip" lists them.

    Returns:
        What the terminal shows, and whether any pair was found.

    Raises:
        UserError: there are not two parts with pictures, some cannot be read, or `workdir` lies
            among them or cannot be written.
    """
    output = workdir or Path("runs") / f"audit-{_name(place)}"
    require_apart(output, [place / part for part in parts] or [place])
    read = open_parts(place, parts).read  # what cannot be audited is refused before there is a file
    make_output_folder(output)
    return _write(audit_folder(place, parts, on_bad_image=on_bad_image), output, read)


def run_on_division(data: Data, *, seed: int, fold: int, workdir: Path | None) -> tuple[str, bool]:
    """Audits the division of a protocol.

    Args:
        data: its images, divided.
        seed: it was drawn by.
        fold: which of its folds.
        workdir: where the files are written; by default `runs/audit-PROTOCOL-seedN[-foldN]`.

    Returns:
        What the terminal shows, and whether any pair was found.

    Raises:
        UserError: `workdir` cannot be written.
    """
    name = f"{data.protocol.name}-seed{seed}" + (f"-fold{fold}" if fold else "")
    output = workdir or Path("runs") / f"audit-{name}"
    make_output_folder(output)

    @cache
    def reader() -> Read:
        splits = data.protocol.splits
        examples = (example for split in splits for example in read_split(data.prepared, split))
        images = {example.filename: example.image for example in examples}
        return lambda picture: images[picture.file]

    title = (
        f"protocol {data.protocol.name} of {data.prepared.spec.name}, seed {seed}, fold {fold}: "
        f"{data.protocol.description}"
    )
    findings = audit_division(
        data.partition._asdict(), reader, title, knows_copies=data.prepared.spec.knows_copies
    )
    # The encoded images are read only where there is a pair to be drawn.
    return _write(findings, output, lambda picture: reader()(picture))


def _name(place: Path) -> str:
    """Returns what a folder or zip is called: a zip without its ending, a folder with its dots."""
    real = place.resolve()
    return real.stem if real.is_file() else real.name


def _write(findings: Findings, output: Path, read: Read) -> tuple[str, bool]:
    def show(pair: Pair) -> tuple[Image, Image]:
        first, second = (
            fingerprints.shrink(fingerprints.decode(file, read(Picture(part, file))))
            for part, file in pair.ends
        )
        return first, second

    page = write_audit(findings, output, show, rules=RULES)
    return audit_summary(findings, page), bool(findings.pairs)
