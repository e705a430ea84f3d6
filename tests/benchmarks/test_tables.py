"""Text in columns."""

from benchmarks.tables import aligned


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    table = aligned(["name", "time\nms"], [["a", "1.25"], ["longer", "10"]])
    assert table == "\n".join(
        [
            "name    time",
            "          ms",
            "------------",
            "a       1.25",
            "longer    10",
        ]
    )


def test_no_line_for_units_where_there_are_none() -> None:
    assert aligned(["a", "b"], [["1", "2"]]).splitlines() == ["a  b", "----", "1  2"]
