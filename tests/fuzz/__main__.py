"""Fuzzes for as long as one likes, with new examples at every start.

python -m tests.fuzz --minutes=60
python -m tests.fuzz --minutes=5 --only=image_bytes
"""

import argparse
import sys
import time
import traceback
from collections import Counter

from hypothesis import Phase

import tests.conftest  # noqa: F401 - checks the types of all arrays, as in the tests
from tests.fuzz.properties import PROPERTIES

_PORTION = 100  # examples of each property in turn
_PORTIONS = {"config_building": 10}  # slow ones


def main() -> int:
    """Returns 1 where a property did not hold; the example is printed in its smallest form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", choices=list(PROPERTIES), help="one property instead of all")
    options = parser.parse_args()
    names = [options.only] if options.only else list(PROPERTIES)
    seconds = dict.fromkeys(names, 0.0)
    examples: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    until = time.monotonic() + 60 * options.minutes
    while time.monotonic() < until:
        name = min(names, key=seconds.__getitem__)  # the same time for each
        portion = _PORTIONS.get(name, _PORTION)
        start = time.monotonic()
        try:
            PROPERTIES[name].bound(max_examples=portion, phases=(Phase.generate, Phase.shrink))()
        except Exception:
            failures[name] += 1
            traceback.print_exc()
        seconds[name] += time.monotonic() - start
        examples[name] += portion
    for name in names:
        print(
            f"{name:<18}{examples[name]:>9,} examples{seconds[name]:>8.0f} s"
            f"{failures[name]:>5} failures"
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
