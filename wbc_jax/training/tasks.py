"""The tasks by name.

plan = plan_task(config)             # refuses what cannot work
task = plan(data)
"""

from ml_collections import ConfigDict

from wbc_jax.training.classification import plan_classification
from wbc_jax.training.prepare_data import task_name
from wbc_jax.training.task import Plan


def _plan_detection(config: ConfigDict) -> Plan:
    # Here, because it loads SciPy, which no classifier's first step should wait for.
    from wbc_jax.training.detection import plan_detection

    return plan_detection(config)


TASKS = {"classification": plan_classification, "detection": _plan_detection}


def plan_task(config: ConfigDict) -> Plan:
    """Returns what builds the task that a config names, once the images are there.

    Raises:
        UserError: a field has a value that cannot work.
    """
    return TASKS[task_name(config)](config)
