"""A second start of the same config loads every program that the first one compiled."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wbc_jax.training.compilation_cache import keep_compiled_programs
from wbc_jax.training.run_directory import RunDirectory


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The process's environment, with nothing set for JAX's cache; restored afterwards."""
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})
    return os.environ


def test_every_program_is_kept_in_the_folder(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    keep_compiled_programs(tmp_path / "cache" / "xla")
    assert (tmp_path / "cache" / "xla").is_dir()
    assert environment["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "cache" / "xla")
    assert environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"
    assert environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] == "-1"


def test_a_users_own_settings_stand(environment: Any, tmp_path: Path) -> None:
    environment["JAX_COMPILATION_CACHE_DIR"] = "mine"
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "5"
    keep_compiled_programs(tmp_path / "xla")
    assert not (tmp_path / "xla").exists()
    assert environment["JAX_COMPILATION_CACHE_DIR"] == "mine"
    assert environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "5"


def test_a_folder_that_cannot_be_made_is_done_without(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    keep_compiled_programs(tmp_path / "file" / "xla")
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


def test_a_second_start_compiles_nothing(
    tiny_config: Callable[..., Any], cache_dir: Path, tmp_path: Path, checkout: Any
) -> None:
    """Up to its first call of training steps, in processes of their own."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from wbc_jax.training.compilation_cache import keep_compiled_programs\n"
        "like, workdir, data, programs = map(Path, sys.argv[1:])\n"
        "keep_compiled_programs(programs)\n"
        "from wbc_jax.datasets.places import Places\n"
        "from wbc_jax.training import train\n"
        "from wbc_jax.training.run_directory import RunDirectory\n"
        "def stop(*args, **kwargs):\n"
        "    sys.exit()\n"
        "train.run_epoch = stop\n"
        "config = RunDirectory(like).load_config()\n"
        "train.train(config, Places(None, data), workdir=workdir)\n"
    )
    programs = tmp_path / "programs"
    RunDirectory(tmp_path / "like").create(tiny_config().to_dict(), {})

    def start(name: str) -> set[str]:
        paths = (tmp_path / "like", tmp_path / name, cache_dir, programs)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
        inherited["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # half the time
        result = subprocess.run(
            [sys.executable, "-c", script, *map(str, paths)],
            cwd=checkout.root,
            env=inherited | {"WBC_CACHE_DIR": str(cache_dir)},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        # XLA's own messages would reach the user there.
        assert re.findall(r"^[EF]\d{4} .*", result.stderr, re.MULTILINE) == []
        return {path.name for path in programs.glob("*-cache")}

    first = start("first")
    for program in ("create_state", "epoch_order", "run_steps"):
        assert any(name.startswith(f"jit_{program}-") for name in first), program
    assert start("second") == first
