import math

from wbc_jax.reporting.number_text import duration, grouped, interval, number, percent


def test_numbers_as_a_reader_writes_them():
    assert percent(0.99449) == "99.4 %"
    assert percent(0.5, decimals=0) == "50 %"
    assert number(0.00644) == "0.0064"
    assert number(0.12345, 3) == "0.123"
    assert grouped(23534592) == "23,534,592"
    assert [duration(seconds) for seconds in (8.21, 200, 7500)] == [
        "8.2 s",
        "3 min 20 s",
        "2 h 05 min",
    ]


def test_intervals_are_in_per_cent_or_plain():
    assert interval([0.8015, 0.901], is_share=True) == "[80.2, 90.1]"
    assert interval([-0.04, 1.0], is_share=False) == "[-0.040, 1.000]"


def test_what_is_not_defined_is_a_dash():
    for value in (None, math.nan):
        assert percent(value) == number(value) == grouped(value) == duration(value) == "–"
        assert interval([0.1, value], is_share=True) == "–"
    assert interval(None, is_share=True) == "–"
