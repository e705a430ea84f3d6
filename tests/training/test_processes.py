"""Which process of several this one is, and what is said where that cannot be known."""

from typing import Any

import pytest

from wbc_jax.errors import UserError
from wbc_jax.training.interruption import Interruption
from wbc_jax.training.place import Place, find_place
from wbc_jax.training.processes import first_then_others, from_first

SLURM = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}
SLURM_STEP = SLURM | {"SLURM_STEP_NUM_TASKS": "2"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}
WITH_ADDRESS = OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:5"}


@pytest.mark.parametrize(
    ("environment", "flags", "expected"),
    [
        ({}, {}, None),
        (SLURM, {}, None),  # the batch script itself, which waits for nobody
        (SLURM_STEP | {"SLURM_STEP_NUM_TASKS": "1"}, {}, None),
        (SLURM_STEP, {}, Place(None, 2, 1)),
        (WITH_ADDRESS, {}, Place(None, 4, 3)),
        (OPEN_MPI, {"coordinator": "a:1"}, Place("a:1", 4, 3)),
        ({}, {"coordinator": "auto"}, Place(None, None, None)),
        (
            SLURM_STEP,
            {"coordinator": "a:1", "num_processes": 3, "process_id": 0},
            Place("a:1", 3, 0),
        ),
        ({}, {"coordinator": "a:1", "num_processes": 1, "process_id": 0}, None),
    ],
)
def test_the_place_among_several_processes(
    environment: dict[str, str], flags: dict[str, Any], expected: Place | None
) -> None:
    assert find_place(environment, **flags) == expected


@pytest.mark.parametrize(
    ("environment", "flags", "said"),
    [
        ({}, {"num_processes": 2}, "--num_processes=2 and --process_id=None go together"),
        ({}, {"coordinator": "a:1"}, "--coordinator=a:1 needs --num_processes"),
        ({}, {"num_processes": 2, "process_id": 2}, "--process_id=2 must lie between 0 and 1"),
        ({}, {"num_processes": 2, "process_id": 0}, "add --coordinator=HOST:PORT"),
        (OPEN_MPI, {}, "add --coordinator=HOST:PORT"),
        (SLURM_STEP, {"coordinator": "a"}, "--coordinator=a must be HOST:PORT"),
        (
            {},
            {"coordinator": "a", "num_processes": 1, "process_id": 0},
            "--coordinator=a must be HOST:PORT",
        ),
        (
            {},
            {"coordinator": "auto", "num_processes": 4, "process_id": 1},
            "--coordinator=auto finds --num_processes=4 and --process_id=1 by itself",
        ),
        ({}, {"num_processes": 0, "process_id": 0}, "--num_processes=0 must be at least 1"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, {}, "the variable SLURM_PROCID='', which a launcher sets"),
        (
            SLURM_STEP | {"SLURM_STEP_NUM_TASKS": "2(x2)"},
            {},
            r"SLURM_STEP_NUM_TASKS='2\(x2\)', which a launcher sets, must be a whole number",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    environment: dict[str, str], flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        find_place(environment, **flags)


def test_a_process_alone_does_everything_itself() -> None:
    value = object()  # nothing that could be sent
    assert from_first(lambda: value) is value
    assert first_then_others(lambda: value) is value


def test_a_signal_that_is_agreed_upon_counts_for_who_did_not_get_it() -> None:
    interruption, answers = Interruption(), iter([0, 15])
    interruption.agree_by(lambda own: next(answers))
    assert [interruption.is_asked() for _ in range(3)] == [False, True, True]
    assert interruption.signal == 15
