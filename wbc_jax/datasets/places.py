"""Where a user's images lie, where prepared ones are kept, and what to do about bad ones.

places = Places(data_dir=Path("images"), cache_dir=Path("cache"))
prepare("lisc", places)
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where images come from on this machine; no part of a run's config.

    Attributes:
        data_dir: folder or zip of a user's images; only read. None: the user named none.
        cache_dir: where prepared sets and arrays are kept; made if it is not there.
        download: fetch the images where they are not found and their licence allows it.
        on_bad_image: "error" refuses a set with files that cannot be used, "skip" leaves them out.
    """

    data_dir: Path | None
    cache_dir: Path
    download: bool = False
    on_bad_image: str = "error"
