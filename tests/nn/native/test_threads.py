"""Results do not depend on threads or their number, and calls at the same time do not block."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.nn.native import workload
from wbc_jax.nn import convolution
from wbc_jax.nn.lowering import ConvLowering, lower_conv
from wbc_jax.nn.native import library

pytestmark = pytest.mark.usefixtures("native")

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_SECONDS = 240


@pytest.fixture(scope="module")
def by_pool() -> dict[int, Any]:
    """What two processes found whose pools have one thread, and more than there are processors.

    A process that blocks is ended after a while, which fails the tests.
    """

    def run(num_threads: int) -> Any:
        process = subprocess.run(
            [sys.executable, "-m", workload.__name__],
            cwd=ROOT,
            env=os.environ | {"NPROC": str(num_threads), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout.splitlines()[-1])

    return {number: run(number) for number in (1, 7)}


def test_the_workload_calls_every_kernel_and_both_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = set()

    def record(*arguments: Any) -> ConvLowering:
        lowering = lower_conv(*arguments)
        tiles.add(lowering.pairs)
        return lowering

    monkeypatch.setattr(convolution, "lower_conv", record)

    def gradients(arrays: dict[str, jax.Array]) -> Any:
        return jax.grad(lambda arrays: workload.network(arrays).sum())(arrays)

    jaxpr = str(jax.make_jaxpr(gradients)(workload.drawn(0)))
    called = set(re.findall(r"\b(wbc_\w+)_[0-9a-f]{12}\b", jaxpr))
    assert called == set(library._HANDLERS) - {"wbc_sgd", "wbc_adam"}
    assert tiles == {0, 2, 3}


def test_the_number_of_threads_changes_no_bit(by_pool: dict[int, Any]) -> None:
    one, seven = by_pool[1], by_pool[7]
    if one["num_threads"] is not None:
        assert seven["num_threads"] > one["num_threads"]
    assert len(set(one["one_by_one"])) == workload.NUM_CALLERS
    for name in ("one_by_one", "branches"):
        assert seven[name] == one[name]


@pytest.mark.parametrize("num_threads", [1, 7])
def test_calls_at_once_get_what_each_gets_alone(by_pool: dict[int, Any], num_threads: int) -> None:
    found = by_pool[num_threads]
    assert found["at_once"] == found["one_by_one"]
    assert found["error_of_branches"] < 1e-6
