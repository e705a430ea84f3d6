"""Which files are meant to be pictures, by the ending of their names, and what is said of others.

is_read("slide.PNG")                              # True: where it cannot be read, that is an error
is_meant("slide.czi")                             # True: a picture, though of no format read here
is_archive("slide-1.zip")                         # True: pictures may lie in it, unseen
passed_over(["a.txt", "b.csv", "c.heic"])         # two notes, with counts by ending
beside(["loose.png", "labels.csv"])               # a note of one picture
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import PurePosixPath

from PIL import Image

from wbc_jax.datasets.decoding import FORMATS
from wbc_jax.datasets.in_words import listed
from wbc_jax.printable import printable

# Of pictures in formats that are not read: a division may leak through them unseen.
_OF_CAMERAS = ".arw .cr2 .cr3 .dng .heic .heif .hif .jxl .nef .orf .pef .raf .raw .rw2"
_OF_SCANNERS = (
    ".bif .czi .dcm .dicom .ims .lif .lsm .mrxs .nd2 .ndpi .oib .oif .oir .scn .svs .vsi .zvi"
)
_OTHERS = (
    ".cur .dcx .dds .dib .emf .eps .exr .fit .fits .flc .fli .hdr .icns .ico .mha .mhd .nii .nrrd"
    " .pcx .ps .psd .qoi .ras .sgi .svg .tga .wmf .xbm .xcf .xpm"
)
NOT_READ = frozenset(f"{_OF_CAMERAS} {_OF_SCANNERS} {_OTHERS}".split())
ARCHIVES = frozenset([".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"])


def is_read(file: str) -> bool:
    """Returns whether a file is named like a picture of a format that `decoding` reads."""
    return _ending(file) in _read_endings()


def is_meant(file: str) -> bool:
    """Returns whether a file is named like a picture, of a format that is read or not."""
    return is_read(file) or _ending(file) in NOT_READ


def is_archive(file: str) -> bool:
    """Returns whether a file is named like an archive, in which pictures may lie."""
    return _ending(file) in ARCHIVES


def passed_over(files: Iterable[str]) -> list[str]:
    """Returns what a reader must know of files that were not taken for pictures.

    Args:
        files: their names or paths.
    """
    pictures: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for file in files:
        ending = _ending(file)
        (pictures if ending in NOT_READ else others)[ending] += 1
    notes = []
    if count := pictures.total():
        said = "picture is in a format" if count == 1 else "pictures are in formats"
        notes.append(
            f"{count:,} {said} not read here, and no part of the comparison: "
            f"{_by_ending(pictures)}. Save such pictures as PNG."
        )
    if count := others.total():
        said = "file is no picture and was" if count == 1 else "files are no pictures and were"
        notes.append(f"{count:,} {said} passed over: {_by_ending(others)}.")
    return notes


def beside(files: Iterable[str]) -> list[str]:
    """Returns what a reader must know of files that lie beside the parts, in none of them.

    Args:
        files: their names.
    """
    pictures = [printable(file) for file in files if is_meant(file)]
    if not pictures:
        return []
    said = "picture lies" if len(pictures) == 1 else "pictures lie"
    return [
        f"{len(pictures):,} {said} beside the parts, in none of them, and no part of the "
        f"comparison: {listed(pictures, at_most=3)}."
    ]


@cache
def _read_endings() -> frozenset[str]:
    known = Image.registered_extensions().items()
    return frozenset([ending for ending, name in known if name in FORMATS] + [".mpo"])


def _ending(file: str) -> str:
    return PurePosixPath(file).suffix.lower()


def _by_ending(counts: Counter[str]) -> str:
    """Returns how many files there are of each ending, the most frequent first."""
    ordered: Sequence[tuple[str, int]] = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return listed([f"{n:,} {printable(ending) or 'without ending'}" for ending, n in ordered])
