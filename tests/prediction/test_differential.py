"""Shares and their intervals."""

import math

import pytest

from wbc_jax.prediction.differential import differential, share_with_interval

_Z = 1.959963984540054  # of 95 %


@pytest.mark.parametrize(("count", "total"), [(0, 10), (1, 9), (37, 200), (200, 200)])
def test_the_interval_is_wilsons(count: int, total: int) -> None:
    """Written out: Wilson (1927), as in Agresti and Coull (1998), equation 2."""
    share = count / total
    middle = share + _Z**2 / (2 * total)
    half = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    ends = [(middle + sign * half) / (1 + _Z**2 / total) for sign in (-1, 1)]
    row = share_with_interval(count, total)
    assert row["share"] == pytest.approx(share)
    assert row["interval"] == pytest.approx(ends, abs=1e-12)


def test_uncertain_cells_have_no_part_in_the_shares() -> None:
    counts = differential({"lymphocyte": 30, "neutrophil": 70}, {"lymphocyte": 100})
    assert counts["classes"]["lymphocyte"]["share"] == pytest.approx(0.3)
    assert counts["answered"] == 100
    assert counts["uncertain"] == share_with_interval(100, 200)
    assert {name: row["uncertain"] for name, row in counts["classes"].items()} == {
        "lymphocyte": 100,
        "neutrophil": 0,
    }


def test_without_cells_there_is_no_share() -> None:
    counts = differential({"lymphocyte": 0}, {})
    empty = {"count": 0, "share": None, "interval": None, "uncertain": 0}
    assert counts["classes"]["lymphocyte"] == empty
