"""The flags of sweeps and seeds, and what `--mode=sweep` does; imports little: every mode reads it.

exit_code = command_line.run(workdir, places)
"""

from pathlib import Path

from absl import flags

from wbc_jax.accelerators import has_accelerator
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.flag_mistakes import expanded

_FAILED = 1
_SWEEP = flags.DEFINE_string(
    "sweep", None, "Sweep, FILE or FILE:PRESET, as in configs/sweeps/; presets as of --config."
)
_EXECUTOR = flags.DEFINE_enum(
    "executor", "local", ["local", "slurm"], "What runs a sweep: this machine, or its SLURM."
)
_SLURM = flags.DEFINE_list(
    "slurm",
    [],
    "Options of SLURM's jobs by submitit's names: timeout_min=240,gpus_per_node=1,"
    "slurm_partition=gpu.",
)
_JOBS = flags.DEFINE_integer(
    "jobs", 1, "Runs of a sweep at a time on this machine; each takes all cores it can get."
)
_SEEDS_AT_ONCE = flags.DEFINE_bool(
    "seeds_at_once",
    None,
    "One job trains all seeds of a setting. By default where the executor is local and there is "
    "an accelerator's JAX; else each seed has a job of its own.",
)
_SEEDS = flags.DEFINE_list(
    "seeds", [], "Seeds to train, 0,1,2: each in the directory of its solo run, WORKDIR-seedN."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run",
    False,
    "Prepare a sweep's images and print its runs, with parameters and about how long they take.",
)


def seeds() -> list[int]:
    """Returns the seeds that training is asked for; none: that of the config.

    Raises:
        UserError: they are no seeds, one is there twice, or the config's is given, too.
    """
    texts = [text for text in _SEEDS.value if text]  # none after a last comma
    if _SEEDS.present and not texts:
        raise UserError("--seeds= names no seed; name some, such as 0,1,2, or leave it out")
    numbers = [int(text) for text in texts if text.isdecimal()]
    if len(set(numbers)) < len(texts):
        raise UserError(f"--seeds={','.join(texts)} must be different whole numbers, such as 0,1,2")
    if numbers and "config.seed" in flags.FLAGS:  # there where it is given
        raise UserError("--seeds and --config.seed both name seeds: leave one of the two out")
    return numbers


def directory_of_seed(workdir: Path, seed: int) -> Path:
    """Returns the directory of one of several seeds, `WORKDIR-seedN`.

    Raises:
        UserError: the folder named has no name of its own to add to, as `.` has none.
    """
    if workdir.name in ("", ".."):
        raise UserError(f"--workdir={workdir} with --seeds must end in a name: WORKDIR-seed{seed}")
    return workdir.with_name(f"{workdir.name}-seed{seed}")


def run(workdir: str | None, places: Places) -> int:
    """Runs the sweep that the flags name, prints what has become of it, returns the exit code.

    Args:
        workdir: the sweep's directory; None: one of its name.
        places: where the runs' images come from.

    Raises:
        UserError: a flag is missing or wrong, or the sweep cannot be run.
    """
    if not _SWEEP.value:
        raise UserError("--mode=sweep needs a sweep: add --sweep=configs/sweeps/layers_cnn.py")
    if _JOBS.value < 1:
        raise UserError(f"--jobs={_JOBS.value} must be at least 1: runs at a time")
    path, _, preset = _SWEEP.value.partition(":")
    name = f"{Path(path).stem}-{preset}" if preset else Path(path).stem
    output = expanded("workdir", workdir) if workdir else Path("runs") / "sweeps" / name
    from wbc_jax.sweeps.run import plan_sweep, run_sweep

    if _DRY_RUN.value:
        print(plan_sweep(_SWEEP.value, output, places))
        return 0
    result = run_sweep(
        _SWEEP.value,
        output,
        places,
        executor=_EXECUTOR.value,
        options=_options(_SLURM.value),
        num_local=_JOBS.value,
        seeds_at_once=_at_once(),
    )
    print(result.text)
    return _FAILED if result.num_failed else 0


def _at_once() -> bool:
    if _SEEDS_AT_ONCE.value is not None:
        return bool(_SEEDS_AT_ONCE.value)
    return _EXECUTOR.value == "local" and has_accelerator()


def _options(texts: list[str]) -> dict[str, str]:
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UserError(f"--slurm={text!r} must read NAME=VALUE, with commas between several")
        options[name] = value
    return options
