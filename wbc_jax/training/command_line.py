"""The flags of training by several processes; imports little: every mode reads it.

command_line.join_others()
"""

import os

from absl import flags

from wbc_jax.training.place import find_place
from wbc_jax.training.processes import join

_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "HOST:PORT of process 0, where several processes train and no launcher (srun, mpirun) tells;"
    " auto: on every machine of a TPU slice. See cluster/.",
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many they are.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this one is, from 0.")


def join_others() -> None:
    """Joins the processes that the flags or a launcher name, where there are any.

    Raises:
        UserError: a flag is missing or wrong, or the others cannot be reached.
    """
    join(
        find_place(
            os.environ,
            coordinator=_COORDINATOR.value,
            num_processes=_NUM_PROCESSES.value,
            process_id=_PROCESS_ID.value,
        )
    )
