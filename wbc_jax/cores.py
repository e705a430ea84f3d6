"""How many cores this process may use.

with ThreadPoolExecutor(num_cores()) as pool: ...
"""

import os


def num_cores() -> int:
    """Returns how many; a cluster often grants a few of many."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
