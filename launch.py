"""Trains and compares white-blood-cell classifiers. Research use only, not for diagnosis.

python launch.py --config=configs/alexnet.py                       embedded drawings, no download
python launch.py --config=configs/alexnet.py:paper --data_dir=DIR  the paper's images and division
python launch.py --config=configs/detector.py:bccd --data_dir=DIR  a detector of cells
python launch.py --mode=compare --runs=runs/A,runs/B               Table I and Figures 7 to 9
python launch.py --mode=pool --runs=runs/A,runs/B                  mean over seeds and folds
python launch.py --mode=describe --config=configs/vgg19.py         layers, parameters, operations
python launch.py --mode=evaluate --workdir=runs/A                  the latest checkpoint, again
python launch.py --mode=prepare --config=configs/cnn.py:paper      data set and arrays only
python launch.py --mode=audit --config=configs/cnn.py:paper        what is on two sides; exit code 1
python launch.py --mode=audit --input=FOLDER                       of a folder with train, test, ...
python launch.py --mode=predict --run=runs/A --input=FOLDER        cells, classes, differential
python launch.py --mode=export --run=runs/A --workdir=DIR          one folder that needs jax alone
python launch.py --mode=sweep --sweep=configs/sweeps/layers_cnn.py many runs, and what they say

Any field can be overridden: --config.train.num_epochs=10 --config.model.conv_features="(32, 64)"
"""

import gc
import time

_STARTED = time.perf_counter()  # before the imports below, which are part of a start
# Imports and tracing make many objects and drop few: looking for dropped ones took a tenth of it.
gc.set_threshold(100_000)

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError, exit_with, of_the_place
from wbc_jax.flag_mistakes import expanded
from wbc_jax.mode_flags import require_read
from wbc_jax.prediction import command_line as predictions
from wbc_jax.sweeps import command_line as sweeps
from wbc_jax.training import command_line as processes
from wbc_jax.training.compilation_cache import keep_compiled_programs
from wbc_jax.training.interruption import Interrupted
from wbc_jax.training.memory import out_of_memory
from wbc_jax.training.processes import is_first, leaving_together

_LEAK = 1  # exit code of an audit that finds pairs
_HOW_TO_GO_ON = "the state is saved: the same command goes on from there"
flags.adopt_module_key_flags(predictions)
flags.adopt_module_key_flags(sweeps)
flags.adopt_module_key_flags(processes)
_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Configuration, FILE or FILE:PRESET; presets are protocols: synthetic, paper, paper_grouped,"
    " paper_dev, official, official_dev, crossval, lisc, own, smoke; of the detector: synthetic,"
    " bccd, bccd_dev, smoke.",
)
_MODES = ["train", "evaluate", "compare", "pool", "describe", "prepare", "audit", "sweep"]
_MODE = flags.DEFINE_enum("mode", "train", [*_MODES, *predictions.MODES], "What to do.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory of the run; by default runs/[RECIPE-]MODEL-PROTOCOL-seedN[-foldN]."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    os.environ.get("WBC_DATA_DIR"),
    "Folder (or zip) in which your images are looked for; only read. Default: WBC_DATA_DIR.",
)
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir",
    os.environ.get("WBC_CACHE_DIR") or "~/.cache/wbc_jax",
    "Folder for prepared data sets, arrays and compiled programs. Default: WBC_CACHE_DIR.",
)
_RUNS = flags.DEFINE_list("runs", [], "Run directories to compare or pool, with commas between.")
_INPUT = flags.DEFINE_string(
    "input", None, "Pictures to predict; to audit: folder or zip whose folders are the parts."
)
_PARTS = flags.DEFINE_list("parts", [], "Which of its folders to audit; by default all.")
_DOWNLOAD = flags.DEFINE_bool(
    "download", False, "Fetch a public data set from its archive where it is not found."
)
_ON_BAD_IMAGE = flags.DEFINE_enum(
    "on_bad_image",
    "error",
    ["error", "skip"],
    "What to do about files of a data set that cannot be used: refuse it, or leave them out.",
)
_PROFILE = flags.DEFINE_bool(
    "profile", False, "Record up to 15 s of an epoch's training in WORKDIR/profile; for Perfetto."
)


def _workdir() -> Path:
    if _WORKDIR.value:
        path = expanded("workdir", _WORKDIR.value)
        return sweeps.directory_of_seed(path, _config().seed) if sweeps.seeds() else path
    if _MODE.value in ("compare", "pool"):
        return Path("runs") / {"compare": "comparison", "pool": "pooled"}[_MODE.value]
    if _MODE.value == "evaluate":
        raise UserError("--mode=evaluate needs the run's directory: add --workdir=runs/NAME")
    config = _config()
    recipe = Path(_config_file()).stem  # a recipe's runs stand beside those of the plain network
    parts = [] if recipe == config.model.name else [recipe]
    parts += [config.model.name, config.data.protocol, f"seed{config.seed}"]
    if config.data.fold:
        parts.append(f"fold{config.data.fold}")
    return Path("runs") / "-".join(parts)


def _runs() -> list[Path]:
    return [expanded("runs", run) for run in _RUNS.value if run]  # none after a last comma


def _config() -> ConfigDict:
    if _CONFIG.value is None:
        raise UserError(
            f"--mode={_MODE.value} needs a configuration: add --config=configs/alexnet.py (or cnn, "
            "resnet50, vgg19, detector)"
        )
    try:
        _CONFIG.value.to_dict()  # a file that could not be loaded raises at first use
    except OSError:
        from wbc_jax.flag_mistakes import describe_missing_config

        raise UserError(describe_missing_config(_config_file())) from None
    except AttributeError:
        raise UserError(
            f"config={_config_file()}: get_config must return a ConfigDict, not "
            f"{_CONFIG.value!r:.60}"
        ) from None
    return _CONFIG.value


def _config_file() -> str:
    flag: Any = flags.FLAGS["config"]
    return flag.config_filename


def _dispatch() -> None:
    """Runs the mode; imports are here, so that every mode loads only what it needs."""
    data_dir = expanded("data_dir", _DATA_DIR.value) if _DATA_DIR.value else None
    cache_dir = expanded("cache_dir", _CACHE_DIR.value)
    os.environ["WBC_CACHE_DIR"] = str(cache_dir)  # for kernels compiled on this machine
    require_read(_MODE.value, [name for name in flags.FLAGS if flags.FLAGS[name].present])
    places = Places(data_dir, cache_dir, _DOWNLOAD.value, _ON_BAD_IMAGE.value)
    match _MODE.value:
        case "train":
            config, workdir = _config(), _workdir()
            keep_compiled_programs(cache_dir / "xla")
            processes.join_others()
            if sweeps.seeds():
                return _train_seeds(config, places)
            from wbc_jax.training.train import train

            results = train(
                config, places, workdir=workdir, profile=_PROFILE.value, started=_STARTED
            )
            _print_summary(results, workdir)
        case "evaluate":
            workdir = _workdir()
            keep_compiled_programs(cache_dir / "xla")
            processes.join_others()
            from wbc_jax.evaluation.evaluate import evaluate

            results = evaluate(workdir, places)
            _print_summary(results, workdir)
        case "compare":
            from wbc_jax.reporting.compare import compare

            print(compare(_runs(), _workdir()))
        case "pool":
            from wbc_jax.evaluation.pool import pool

            print(pool(_runs(), _workdir()))
        case "describe":
            config = _config()
            from wbc_jax.training.describe_model import describe_model

            print(describe_model(config))
        case "prepare":
            config = _config()
            from wbc_jax.reporting.summary import data_summary
            from wbc_jax.training.prepare_data import prepare_data

            print(data_summary(prepare_data(config, places).describe()))
        case "audit":
            _audit(places)
        case "sweep":
            sys.exit(sweeps.run(_WORKDIR.value, places))
        case mode:
            keep_compiled_programs(cache_dir / "xla")
            print(predictions.run(mode, _INPUT.value, _WORKDIR.value))


def _train_seeds(config: ConfigDict, places: Places) -> None:
    if _PROFILE.value:
        raise UserError("--profile records one run: it does not go with --seeds")
    runs = []
    for seed in sweeps.seeds():
        config.seed = seed
        runs.append((config.copy_and_resolve_references(), _workdir()))
    from wbc_jax.training.seeds import train_seeds

    results = train_seeds(runs, places, started=_STARTED)
    for (_, workdir), own in zip(runs, results, strict=True):
        _print_summary(own, workdir)


def _audit(places: Places) -> None:
    workdir = expanded("workdir", _WORKDIR.value) if _WORKDIR.value else None
    from wbc_jax.leakage.audit_flags import wanted_parts

    parts = wanted_parts(_INPUT.value, _PARTS.value, has_config=_CONFIG.value is not None)
    if _INPUT.value:
        from wbc_jax.leakage.audit_run import run_on_input

        place = expanded("input", _INPUT.value)
        text, is_leaky = run_on_input(
            place, parts=parts, workdir=workdir, on_bad_image=places.on_bad_image
        )
    else:
        config = _config()
        from wbc_jax.leakage.audit_run import run_on_division
        from wbc_jax.training.prepare_data import prepare_data

        data = prepare_data(config, places)
        text, is_leaky = run_on_division(
            data, seed=config.seed, fold=config.data.fold, workdir=workdir
        )
    print(text)
    sys.exit(_LEAK if is_leaky else 0)


def _print_summary(results: dict[str, Any], workdir: Path) -> None:
    from wbc_jax.reporting.summary import run_summary

    if is_first():
        print(run_summary(results, workdir))


def main(argv: list[str]) -> None:
    """Runs the mode asked for; of several processes none waits for one that has failed."""
    with leaving_together():
        _run(argv)


def _run(argv: list[str]) -> None:
    """Runs the mode asked for; a user's mistake is one message and exit code 2."""
    absl_logging.set_verbosity(absl_logging.WARNING)  # of the libraries
    logging.getLogger("wbc_jax").setLevel(logging.INFO)
    try:
        if argv[1:]:
            raise UserError(f"argument {argv[1]!r} is not a flag; see python launch.py --help")
        _dispatch()
    except UserError as error:
        exit_with(str(error))
    except OSError as error:
        if (message := of_the_place(error)) is None:
            raise
        exit_with(f"{message}; make room, or name another file or folder")
    except (MemoryError, RuntimeError) as error:  # of XLA, too
        if (message := out_of_memory(error)) is None:
            raise
        exit_with(message)
    except Interrupted as interrupted:
        print(f"stopped by {interrupted}; {_HOW_TO_GO_ON}", file=sys.stderr)
        sys.exit(interrupted.exit_code)
    except KeyboardInterrupt:
        print("stopped by SIGINT", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _parse(argv: list[str]) -> list[str]:
    """Parses flags and the config file; what is wrong in either is a user's mistake."""
    try:
        return flags.FLAGS(argv)
    except SystemExit as help_was_shown:  # with 1, by absl's convention
        raise SystemExit(0) from help_was_shown
    except Exception as error:  # a config file is code: it can raise anything
        from wbc_jax.flag_mistakes import describe_mistake

        exit_with(describe_mistake(error, argv))


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
