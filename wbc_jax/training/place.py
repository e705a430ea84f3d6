"""Which of several processes this one is, by its flags or by what launched it.

find_place(os.environ)                                  # None: alone
find_place({}, coordinator="node1:1234", num_processes=2, process_id=0)
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from wbc_jax.errors import UserError

AUTO = "auto"
# What launchers call the number of processes and the place of this one. SLURM's are those of a job
# step: a batch script has no others to wait for, only what it starts with srun.
_LAUNCHERS = (
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
)
# Where JAX reads the address of process 0 in a start by Open MPI 4; later ones do not set it.
_OPEN_MPI_ADDRESS = "OMPI_MCA_orte_hnp_uri"


class Place(NamedTuple):
    """One process among several; None: JAX finds it out.

    Attributes:
        coordinator: address and port of process 0.
        num_processes: of all.
        process_id: of this one, from 0.
    """

    coordinator: str | None
    num_processes: int | None
    process_id: int | None


def find_place(
    environment: Mapping[str, str],
    *,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> Place | None:
    """Returns this process's place among several; None where it is alone. Looks, changes nothing.

    Args:
        environment: variables, in which SLURM's srun and Open MPI's mpirun say what they started.
        coordinator: HOST:PORT of process 0 where the launcher does not tell; "auto": JAX finds
            everything, as on the machines of a TPU slice.
        num_processes: where no launcher tells.
        process_id: where no launcher tells.

    Raises:
        UserError: what was given is incomplete or does not fit together.
    """
    if coordinator == AUTO:
        if (num_processes, process_id) != (None, None):
            raise UserError(
                f"--coordinator=auto finds --num_processes={num_processes} and "
                f"--process_id={process_id} by itself; leave them out"
            )
        return Place(None, None, None)
    if coordinator is not None and not re.fullmatch(r".+:\d+", coordinator):
        raise UserError(
            f"--coordinator={coordinator} must be HOST:PORT, such as node1:12345, or auto"
        )
    if (num_processes is None) != (process_id is None):
        raise UserError(
            f"--num_processes={num_processes} and --process_id={process_id} go together: give "
            "both, or neither where SLURM or Open MPI starts the processes"
        )
    launcher = None
    if num_processes is None:
        for count, place in _LAUNCHERS:
            if _number(environment, count, missing="1") > 1:
                launcher = count
                num_processes = _number(environment, count)
                process_id = _number(environment, place)
                break
        else:
            if coordinator is not None:
                raise UserError(
                    f"--coordinator={coordinator} needs --num_processes and --process_id where "
                    "neither srun nor mpirun has started several processes"
                )
            return None
    assert num_processes is not None
    assert process_id is not None
    if num_processes < 1:
        raise UserError(f"--num_processes={num_processes} must be at least 1")
    if not 0 <= process_id < num_processes:
        raise UserError(
            f"--process_id={process_id} must lie between 0 and {num_processes - 1}, one less than "
            "--num_processes"
        )
    if num_processes == 1:
        return None
    needs_address = launcher is None or (
        launcher.startswith("OMPI") and _OPEN_MPI_ADDRESS not in environment
    )
    if coordinator is None and needs_address:
        raise UserError(
            f"--coordinator is not given and nothing tells where process 0 of {num_processes} is; "
            "add --coordinator=HOST:PORT, the same for all, HOST being that of process 0"
        )
    return Place(coordinator, num_processes, process_id)


def _number(environment: Mapping[str, str], name: str, *, missing: str = "") -> int:
    """Returns what a launcher says.

    Raises:
        UserError: it is no number.
    """
    text = environment.get(name, missing)
    if not text.isdecimal():
        raise UserError(
            f"the variable {name}={text!r}, which a launcher sets, must be a whole number; unset "
            "it, or give --coordinator, --num_processes and --process_id"
        )
    return int(text)
