from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.reports.dates import ISSUE, issue_day, read_dateline, read_day, read_outlet


@pytest.mark.parametrize(
    ("bracket", "day"),
    [
        ("(8/22/2012 issue of the Valley Review)", date(2012, 8, 22)),
        ("(07/02/2014 issue of the Valley Review)", date(2014, 7, 2)),
        ("(the 02/10/2013 issue of the Valley Review)", date(2013, 10, 2)),
        ("(the 18/09/2013 issue of the Valley Review)", date(2013, 9, 18)),
        ("(18/09/2013 issue of the Valley Review)", date(2013, 9, 18)),
        ("(the 05/23/2013 issue of the Valley Review)", date(2013, 5, 23)),
        ("(31/31/2013 issue of the Valley Review)", None),
    ],
)
def test_the_word_the_makes_an_issue_date_day_first(bracket: str, day: date | None) -> None:
    found = ISSUE.fullmatch(bracket)
    assert found is not None
    assert issue_day(found) == day


@pytest.mark.parametrize(
    ("line", "day", "partial"),
    [
        ("October 22nd, 2015, The Valley Review", date(2015, 10, 22), None),
        ("April 13, 2021, the Valley Review", date(2021, 4, 13), None),
        ("February 9, 2024", date(2024, 2, 9), None),
        ("9 February 2024", date(2024, 2, 9), None),
        ("May 6th, the Valley Review", None, "--05-06"),
        ("November 19th", None, "--11-19"),
        ("February 29th", None, "--02-29"),
        ("Sept. 3, 2020", date(2020, 9, 3), None),
        ("2026-11-24", date(2026, 11, 24), None),
        ("12 марта 2026", date(2026, 3, 12), None),
        ("February 30, 2024", None, None),
    ],
)
def test_a_date_line_gives_its_day_or_what_there_is_of_it(line: str, day: date | None, partial: str | None) -> None:
    printed = read_day(line)
    assert printed is not None
    assert (printed.day, printed.partial) == (day, partial)


@pytest.mark.parametrize(
    "line", ["Wednesday, 02 July 2014 12:32", "Wednesday, 2 July 2014", "Wednesday 2 July 2014 00:00"]
)
def test_a_dateline_gives_the_day_and_leaves_the_hour_that_has_no_zone(line: str) -> None:
    assert read_dateline(line) == date(2014, 7, 2)


@pytest.mark.parametrize(
    "line",
    ["May I introduce the speaker", "March on the capital", "10 October", "In June 2014 the paper asked", "2013", "",
     "On October 4, 2018 a general accused a laboratory.", "May 6 was a quiet day in the valley, as was the seventh."],
)  # fmt: skip
def test_prose_is_never_taken_for_a_date(line: str) -> None:
    assert read_day(line) is None
    assert read_dateline(line) is None


def test_an_outlet_is_read_with_its_date() -> None:
    printed = read_outlet("Coastal Review, April 24, 2020")
    assert printed is not None
    assert (printed.outlet, printed.day) == ("Coastal Review", date(2020, 4, 24))


@given(st.text(max_size=120))
def test_any_line_is_a_date_or_none(line: str) -> None:
    for read in (read_day, read_outlet, read_dateline):
        read(line)
