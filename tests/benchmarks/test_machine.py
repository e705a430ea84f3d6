"""What a measurement was made on."""

import os

import pytest

from benchmarks.machine import describe_machine, load_before
from wbc_jax.cores import num_cores


def test_the_machine_is_described() -> None:
    machine = describe_machine(0.25)
    assert machine["cores"] == num_cores() >= 1
    assert machine["load_before"] == 0.25
    assert machine["date"].endswith("+00:00")
    assert {"python", "jax", "torch"} <= machine["versions"].keys()
    assert all(isinstance(device, str) for device in machine["devices"])


@pytest.mark.parametrize(("load", "warned"), [(0.1, False), (1.5, True)])
def test_a_busy_machine_is_named(
    load: float,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0), raising=False)
    assert load_before() == load
    assert ("not idle (load 1.5)" in capsys.readouterr().err) == warned
