"""Tables for the terminal."""

from wbc_jax.text_table import text_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    table = text_table(["name", "time\nms"], [["a", "1.25"], ["longer", "123,456.0"]])
    assert table.splitlines() == [
        "name         time",
        "               ms",
        "------  ---------",
        "a            1.25",
        "longer  123,456.0",
    ]


def test_a_total_stands_below_a_rule_and_all_is_indented() -> None:
    table = text_table(["a", "b"], [["x", "1"]], total=["all", "10"], indent="  ")
    name, _, row, rule, total = table.splitlines()
    assert all(line.startswith("  ") for line in table.splitlines())
    assert name.split() == ["a", "b"]
    assert row.split() == ["x", "1"]
    assert set(rule) == {" ", "-"}
    assert total.split() == ["all", "10"]


def test_what_is_wide_or_cannot_be_printed_does_not_shift_columns() -> None:
    _, _, wide, odd = text_table(["name", "n"], [["染色", "1"], ["\x1b[2J", "2"]]).splitlines()
    assert odd.split() == ["\\x1b[2J", "2"]
    assert len(odd) == len(wide) + 2  # each of the two characters takes two places


def test_numbers_stay_as_they_are_written() -> None:
    *_, row = text_table(["a", "b"], [["007", "1.50"]]).splitlines()
    assert row.split() == ["007", "1.50"]


def test_no_rows_leave_the_headings() -> None:
    assert text_table(["name", "n"], []).splitlines()[0].split() == ["name", "n"]
