"""Which flags each mode reads: one that is given to another mode is a mistake, not a wish unheard.

require_read("evaluate", ["workdir", "config.eval.test_time_flips"])          # raises UserError
"""

from collections.abc import Iterable

from wbc_jax.errors import UserError

_TRAINING = ("train", "evaluate")
_OF_IMAGES = (*_TRAINING, "prepare", "audit", "sweep")
_PREDICT = ("predict",)
_SWEEP = ("sweep",)
# Flags that are not here, such as those of caches and data, may be given to any mode.
READERS: dict[str, tuple[str, ...]] = {
    "config": ("train", "describe", "prepare", "audit"),
    "workdir": (*_TRAINING, "compare", "pool", "audit", "sweep", "predict", "export"),
    "download": _OF_IMAGES,
    "on_bad_image": _OF_IMAGES,
    "profile": ("train",),
    "seeds": ("train",),
    **dict.fromkeys(("coordinator", "num_processes", "process_id"), _TRAINING),
    "runs": ("compare", "pool"),
    "input": ("audit", "predict"),
    "parts": ("audit",),
    "run": ("predict", "export"),
    **dict.fromkeys(("detector", "single_cells", "window", "why"), _PREDICT),
    "input_size": ("export",),
    **dict.fromkeys(("sweep", "executor", "slurm", "jobs", "seeds_at_once", "dry_run"), _SWEEP),
}
_INSTEAD = {
    "config": "a run is taken with its own config, and a sweep's stand in its file",
    "seeds": "a sweep's seeds stand in its file, and one run's is --config.seed",
    "runs": "one run is --run, or --workdir where it is evaluated",
    "run": "several are --runs, and --workdir is the one that is trained or evaluated",
}


def require_read(mode: str, given: Iterable[str]) -> None:
    """Checks that a mode reads what it is given.

    Args:
        mode: of `launch.py`.
        given: names of the flags on the command line; overrides of the config with their fields.

    Raises:
        UserError: it does not read one of them.
    """
    for flag in given:
        name = flag.partition(".")[0]
        readers = READERS.get(name, (mode,))
        if mode not in readers:
            hint = f" ({_INSTEAD[name]})" if name in _INSTEAD else ""
            raise UserError(
                f"--{flag} has no meaning for --mode={mode}, it is for --mode="
                f"{', '.join(readers)}: leave it out{hint}"
            )
