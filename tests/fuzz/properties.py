"""What is fuzzed, and with how many examples in a run of the tests.

PROPERTIES["image_bytes"].bound(max_examples=100)()   # raises for the smallest counter-example
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz import archives, config_overrides, image_bytes


@dataclass(frozen=True)
class Property:
    """Something that holds whatever is given.

    Attributes:
        check: fails where it does not hold.
        examples: what is given.
        num_examples: of a run of the tests.
        found: examples that once were against it.
    """

    check: Callable[[Any], None]
    examples: st.SearchStrategy[Any]
    num_examples: int
    found: Sequence[Any] = ()

    def bound(self, **options: Any) -> Callable[[], None]:
        """Returns what tries it, with those settings of Hypothesis."""

        def tried(drawn: Any) -> None:
            self.check(drawn)

        given_all = given(self.examples)(tried)
        for one in self.found:
            given_all = example(one)(given_all)
        checks = list(HealthCheck)
        return settings(database=None, deadline=None, suppress_health_check=checks, **options)(
            given_all
        )


PROPERTIES = {
    "image_bytes": Property(image_bytes.image_bytes, image_bytes.FILES, 1000, image_bytes.FOUND),
    "archive_members": Property(archives.archive_members, archives.FILES, 500, archives.FOUND),
    "config_parsing": Property(
        config_overrides.config_parsing,
        config_overrides.overrides(),
        500,
        config_overrides.PARSING_FOUND,
    ),
    "config_building": Property(
        config_overrides.config_building,
        config_overrides.typed_overrides(),
        60,
        config_overrides.BUILDING_FOUND,
    ),
}
