"""Fixtures shared by every test: small runs, made once, and what reads them back."""

import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, runtime_checkable

import flax.linen
import pytest
from jaxtyping import install_import_hook
from ml_collections import ConfigDict

from tests import typecheck
from wbc_jax.datasets.places import Places

# Compiling takes half of the tests' time, and with less of LLVM's effort a third less. Child
# processes inherit it, so that whose bits are compared were compiled alike.
_QUICKER = "--xla_backend_optimization_level=1 --xla_cpu_parallel_codegen_split_count=1"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_QUICKER}".strip()

# Shapes and dtypes of every annotated array are checked while the tests run. Linen's initialiser
# protocols lack the mark that lets beartype check them.
for _module in (flax.linen.linear, flax.linen.normalization):
    for _protocol in vars(_module).values():
        if getattr(_protocol, "_is_protocol", False):
            runtime_checkable(_protocol)
install_import_hook("wbc_jax", f"{typecheck.__name__}.checked")

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"

# Networks that compile in seconds; every kind of layer of the full ones is left in.
_TINY_HEAD = {
    "model.head.conv_features": (4, 4),
    "model.head.num_pools": 3,
    "model.head.dense_features": (8,),
}
# The CNN's runs draw everything random that a run can draw, and keep all that a state can hold.
_EVERYTHING = {
    "data.balance": "smears",
    "augment.flip": True,
    "augment.rotation": 180.0,
    "augment.scale": 0.1,
    "augment.light": 0.1,
    "augment.cutout": 0.25,
    "train.label_smoothing": 0.05,
    "train.mixup": 0.2,
    "train.average_decay": 0.9,
}
TINY_MODELS = {
    "cnn": {
        "model.conv_features": (4, 4),
        "model.num_norms": 1,
        "model.num_pools": 2,
        "model.dense_features": (8,),
        **_EVERYTHING,
    },
    "alexnet": {
        "model.conv_features": (4, 8),
        "model.kernel_sizes": (5, 3),
        "model.pool_after": (0, 1),
        "model.norm_after": (0,),
        "model.dense_features": (8,),
    },
    "resnet50": {"model.stage_sizes": (1, 1), "model.width": 4, **_TINY_HEAD},
    "vgg19": {
        "model.stage_sizes": (1, 1),
        "model.stage_features": (4, 4),
        "model.dense_features": (8,),
        **_TINY_HEAD,
    },
    "small_resnet": {"model.stage_sizes": (1, 1), "model.stage_features": (4, 8)},
}
TINY_MODELS["detector"] = {
    "model.stage_features": (4, 4, 8),
    "model.stage_sizes": (1, 1, 1),
    "data.picture_size": (48, 64),
    "detection.apart": (2.0, 6.0, 2.0),
}
# One device whatever the machine has.
TINY_RUN = {
    "data.image_size": 16,
    "data.first_size": 0,
    "augment.mirror": True,
    "augment.crop_margin": 2,
    "optim.learning_rate": 0.02,
    "optim.schedule": "cosine",
    "train.steps_per_call": 2,
    "mesh.num_devices": 1,
}

# What a task's configs do not have.
_NOT_OF = defaultdict(tuple, {"detector": ("data.image_size", "data.first_size")})

# Tests that start many processes take minutes, in which they mostly wait.
_LONGEST = (
    *("benchmarks/test_kills.py", "cluster/test_launchers.py", "cluster/test_sweep.py"),
    *("training/test_several_processes.py", "sweeps/test_run.py"),
)

TinyConfig = Callable[..., ConfigDict]
Launch = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest first, so that at the end no process waits long for another."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(_LONGEST))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images beside the checkout; the test is skipped where it is absent."""
    if not (REAL_DATA / "blood_cells").is_dir():
        pytest.skip(f"real images are not present at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def native() -> None:
    """The kernels in C serve this test. Only another platform or several devices may prevent it."""
    import jax

    from wbc_jax.nn.native import library

    if jax.default_backend() != "cpu" or jax.device_count() > 1:
        pytest.skip("the kernels in C serve one CPU device")
    assert library.is_available()


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers do without the kernels in C, as where there is no compiler."""
    from wbc_jax.nn.native import library

    monkeypatch.setattr(library, "is_available", lambda: False)


@pytest.fixture(params=["native", "xla"])
def form(request: pytest.FixtureRequest) -> str:
    """Runs the test with the kernels in C and without them, and says which it is."""
    request.getfixturevalue("native" if request.param == "native" else "without_native")
    return str(request.param)


def tiny_fields(name: str) -> dict[str, Any]:
    """Returns, by a network's name, the fields that make a run of it tiny, by dotted name."""
    run = {key: value for key, value in TINY_RUN.items() if key not in _NOT_OF[name]}
    return TINY_MODELS[name] | run


@pytest.fixture(scope="session")
def tiny_flags() -> Callable[[str], dict[str, Any]]:
    """Returns `tiny_fields`."""
    return tiny_fields


@pytest.fixture(scope="session")
def tiny_config(tiny_flags: Callable[[str], dict[str, Any]]) -> TinyConfig:
    """Returns what makes a tiny run's config: `tiny_config("cnn", preset="smoke", changes={})`."""

    def make(
        name: str = "cnn", *, preset: str = "smoke", changes: Mapping[str, Any] | None = None
    ) -> ConfigDict:
        config = importlib.import_module(f"configs.{name}").get_config(preset)
        config.update_from_flattened_dict(tiny_flags(name) | dict(changes or {}))
        return config

    return make


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session that all its processes have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def compilation_cache(shared_folder: Path) -> dict[str, str]:
    """Keeps compiled programs for the session: its runs differ in little but their folders.

    Returns the settings as environment variables, for child processes.
    """
    import jax

    settings = {
        "jax_compilation_cache_dir": str(shared_folder / "compiled"),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
    return {name.upper(): str(value) for name, value in settings.items()}


@pytest.fixture(scope="session")
def cache_dir(shared_folder: Path, compilation_cache: dict[str, str]) -> Path:
    """Where prepared sets and arrays are kept; `synthetic_smears/smoke` lies in it."""
    from wbc_jax.datasets.prepare import prepare
    from wbc_jax.nn.native import library

    path = shared_folder / "cache"
    path.mkdir(exist_ok=True)
    # Child processes take the kernels that this one has, instead of compiling them once more.
    if library.is_available():
        with suppress(FileExistsError):
            (path / "native").symlink_to(library._library_path().parent)
    prepare("synthetic_smears/smoke", Places(None, path))
    return path


@pytest.fixture(scope="session")
def trained_once(shared_folder: Path, cache_dir: Path) -> Callable[[str, ConfigDict], Path]:
    """Returns what trains a run for all processes of the session: `trained_once(name, config)`."""

    def run(name: str, config: ConfigDict) -> Path:
        from wbc_jax.training.train import train

        workdir = shared_folder / "runs" / name
        workdir.parent.mkdir(exist_ok=True)
        with (workdir.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (workdir / "report.html").exists():
                train(config, Places(None, cache_dir), workdir=workdir)
        return workdir

    return run


@pytest.fixture(scope="session")
def finished_run(trained_once: Any, tiny_config: TinyConfig) -> Path:
    """The directory of a finished run of the tiny CNN; only to be read, see `run_copy`."""
    return trained_once("cnn-smoke", tiny_config())


@pytest.fixture(scope="session")
def validated_run(trained_once: Any, tiny_config: TinyConfig) -> Path:
    """The directory of a finished run with smears held out for validation; only to be read."""
    changes = {"data.validation_share": 0.25, "data.first_size": 60}
    return trained_once("cnn-validated", tiny_config(changes=changes))


@pytest.fixture(scope="session")
def detector_run(trained_once: Any, tiny_config: TinyConfig) -> Path:
    """The directory of a finished run of the tiny detector, all that is random on; to be read."""
    changes = {"data.validation_share": 0.25, "detection.thresholds": (0.06, 0.06, 0.06)}
    return trained_once("detector-smoke", tiny_config("detector", changes=changes))


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(finished_run, tmp_path / "run-copy"))


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the page and its figures, which take most of a tiny run's time."""
    from wbc_jax.evaluation import evaluate

    monkeypatch.setattr(evaluate, "write_report", lambda run, images: run.path / "report.html")


@pytest.fixture
def quick_compilation() -> Iterator[None]:
    """Compiles in half the time, for runs whose numbers are compared with no other's."""
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    # Else a later test that compares bits would be served by functions compiled here.
    jax.clear_caches()


@pytest.fixture(scope="session")
def launch(cache_dir: Path, compilation_cache: dict[str, str]) -> Launch:
    """Returns what runs launch.py as a user does: `launch("--mode=describe", env={})`."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, python: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("WBC_")}
        settings = {"WBC_CACHE_DIR": str(cache_dir), **compilation_cache, **(env or {})}
        return subprocess.run(
            [sys.executable, *python, "launch.py", *arguments],
            cwd=REPOSITORY,
            env=inherited | settings,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def checkout() -> SimpleNamespace:
    """The checkout's root and its Python files that are no tests."""
    files = sorted(
        [
            REPOSITORY / "launch.py",
            *(REPOSITORY / "configs").rglob("*.py"),
            *(REPOSITORY / "wbc_jax").rglob("*.py"),
        ]
    )
    return SimpleNamespace(root=REPOSITORY, files=files)
