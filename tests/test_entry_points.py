"""Everything that can be started from the command line says how, without doing anything."""

import ast
import subprocess
import sys
from typing import Any

from tests.conftest import REPOSITORY

# Of these a user needs nothing: `scaling` and `whole_job` start two (one needs PyTorch), one
# is copied into exported folders (tests/export), and a builder is started by a tool of TFDS.
_OF_OTHERS = {
    "benchmarks.scaling_point",
    "benchmarks.torch_script",
    "wbc_jax.export.loader",
    "wbc_jax.datasets.synthetic_smears.synthetic_smears_dataset_builder",
}
# In one process: most of the time goes into imports that they share.
_START_ALL = """
import runpy, sys
for name in sys.argv[1:]:
    sys.argv = [name, "--help"]
    print(f"== {name}", flush=True)
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=False)
    except SystemExit as done:
        print(f"-- {done.code}", flush=True)
"""


def entry_points() -> list[str]:
    """Modules that do something when they are started with `python -m`."""
    found = []
    for folder in ("wbc_jax", "benchmarks"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if _can_be_started(ast.parse(path.read_text(encoding="utf-8"))):
                name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
                found.append(name.removesuffix(".__main__"))
    return [name for name in found if name not in _OF_OTHERS]


def _can_be_started(module: ast.Module) -> bool:
    """Whether there is `if __name__ == "__main__":`, and not in a docstring alone."""
    tests = [ast.unparse(node.test) for node in module.body if isinstance(node, ast.If)]
    return "__name__ == '__main__'" in tests


def test_every_entry_point_says_how_it_is_used(checkout: Any) -> None:
    names = entry_points()
    assert {"benchmarks.train_step", "wbc_jax.leakage.provenance"} <= set(names)
    done = subprocess.run(
        [sys.executable, "-c", _START_ALL, *names],
        cwd=checkout.root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    _, *parts = done.stdout.split("== ")
    assert len(parts) == len(names), done.stderr
    for part in parts:
        assert "usage:" in part.lower(), part
        assert part.rstrip().endswith("-- 0"), part
