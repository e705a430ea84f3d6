"""A minute of fuzzing in every run of the tests, always the same; for more see `__main__.py`."""

import pytest

from tests.fuzz.properties import PROPERTIES

# Pillow's, of odd metadata: `decoding` silences them, pytest shows them again.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds(name: str) -> None:
    one = PROPERTIES[name]
    one.bound(max_examples=one.num_examples, derandomize=True)()
