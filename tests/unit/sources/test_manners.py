"""What a Retry-After says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.manners import LONGEST_WAIT, seconds_to_wait

DATE = "Sat, 01 Mar 2025 09:00:00 GMT"


@pytest.mark.parametrize(
    ("told", "date", "seconds"),
    [
        ("120", DATE, 120),
        (" 0120 ", "", 120),
        ("0", "", 0),
        ("9" * 5000, "", LONGEST_WAIT),
        ("-5", DATE, None),
        ("1.5", DATE, None),
        ("\u0661\u0662", DATE, None),
        ("", DATE, None),
        ("Sat, 01 Mar 2025 10:00:00 GMT", DATE, 3600),
        ("Saturday, 01-Mar-25 10:00:00 GMT", DATE, 3600),
        ("Sat, 01 Mar 2025 10:00:00 -0000", DATE, 3600),
        ("Sat, 01 Mar 2025 08:00:00 GMT", DATE, 0),
        ("Sat, 01 Mar 2031 08:00:00 GMT", DATE, LONGEST_WAIT),
        ("Sat, 01 Mar 2025 10:00:00 GMT", "", None),
        ("Sat, 01 Mar 2025 10:00:00 GMT", "soon", None),
        ("Sat, 01 Mar 99999999999999999999 10:00:00 GMT", DATE, None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", DATE, None),
    ],
)
def test_seconds_or_an_instant_that_counts_from_the_answers_own_date(told: str, date: str, seconds: int | None) -> None:
    assert seconds_to_wait(told, date) == seconds


@given(st.text(), st.text())
def test_whatever_it_says_is_a_time_to_wait_or_nothing_of_use(told: str, date: str) -> None:
    for sent in (date, DATE):
        seconds = seconds_to_wait(told, sent)
        assert seconds is None or 0 <= seconds <= LONGEST_WAIT
