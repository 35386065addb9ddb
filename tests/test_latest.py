from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.latest import Reason, Terms, Verdict, count_reasons, floor_of, judge, rank, section_of
from biweekly.model.issue import Author, IssueId, Kind, Report, ReportId, Section, Status

TASHKENT = ZoneInfo("Asia/Tashkent")  # UTC+5, no summer time
CUTOFF = datetime(2026, 11, 24, 9, tzinfo=UTC)
FORTNIGHT = timedelta(weeks=2)
TERMS = Terms(
    sections=tuple(map(Section, ("Analytical Articles", "Field Reports", "News Digest"))),
    day=date(2026, 11, 26),
    cutoff=CUTOFF,
    floor=CUTOFF - 3 * FORTNIGHT,
    zone=TASHKENT,
)
REPORT = Report(
    ReportId("ferry"), "The Last Ferry", "text", section="Field Reports", published=date(2026, 11, 20),
    received=datetime(2026, 11, 21, 7, tzinfo=UTC),
)  # fmt: skip


def test_a_ready_report_is_in_and_says_when_it_was_received_on_the_publications_clock() -> None:
    assert judge(REPORT, TERMS) == Verdict(None, "ready, received on 21 November 2026 at 12:00")


OLD = (
    "it was received on 13 October 2026 at 13:59, more than three issues back; "
    "write its line into issue.toml to take it all the same"
)


@pytest.mark.parametrize(
    ("changed", "reason", "why"),
    [
        (replace(REPORT, status=Status.DRAFT), Reason.DRAFT, 'it is a draft; status = "ready" in its file lets it in'),
        (replace(REPORT, status=Status.HOLD), Reason.HOLD, "it is on hold"),
        (replace(REPORT, status=Status.WITHDRAWN), Reason.WITHDRAWN, "it has been withdrawn"),
        (replace(REPORT, title=" "), Reason.UNTITLED, "it has no title"),
        (replace(REPORT, id=ReportId("sent")), Reason.SENT, "it was sent in issue 2026-11-12"),
        (
            replace(REPORT, kind=Kind.EVENT, section="Upcoming Events"),
            Reason.KIND,
            "an event goes in only where its section is configured",
        ),
        (
            replace(REPORT, kind=Kind.NOTICE, section=""),
            Reason.KIND,
            "a notice goes in only where its section is configured",
        ),
        (
            replace(REPORT, embargo_until=datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC)),
            Reason.EMBARGO,
            "it is under embargo until 24 November 2026 at 14:00",
        ),
        (
            replace(REPORT, published=date(2026, 11, 25)),
            Reason.FUTURE,
            "warning: it is dated 25 November 2026, which is still to come, and that counts as an embargo",
        ),
        (
            replace(REPORT, received=datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC)),
            Reason.LATE,
            "it was received on 24 November 2026 at 14:00, after the cut-off of 24 November 2026 at 14:00",
        ),
        (replace(REPORT, expires=date(2026, 11, 25)), Reason.EXPIRED, "it expired on 25 November 2026"),
        (
            replace(REPORT, received=CUTOFF - 3 * FORTNIGHT - timedelta(seconds=1)),
            Reason.OLD,
            OLD,
        ),
    ],
    ids=lambda value: value if isinstance(value, Reason) else "",
)
def test_a_report_is_out_for_a_reason_in_a_sentence(changed: Report, reason: Reason, why: str) -> None:
    terms = replace(TERMS, sent={ReportId("sent"): IssueId("2026-11-12")})
    assert judge(changed, terms) == Verdict(reason, why)


@pytest.mark.parametrize(
    "changed",
    [
        replace(REPORT, embargo_until=CUTOFF),
        replace(REPORT, received=CUTOFF),
        replace(REPORT, received=CUTOFF - 3 * FORTNIGHT),
        replace(REPORT, expires=date(2026, 11, 26)),
        replace(REPORT, published=date(2026, 11, 26)),
        replace(REPORT, published=date(1999, 1, 1)),
        replace(REPORT, kind=Kind.EVENT),
        replace(REPORT, received=None),
    ],
    ids=["embargo", "cut-off", "floor", "expires", "the issue's own date", "old date", "event", "just come"],
)
def test_what_stands_exactly_on_the_line_is_in(changed: Report) -> None:
    assert judge(changed, TERMS).included


def test_a_date_to_come_is_judged_by_the_publications_day() -> None:
    evening = replace(TERMS, cutoff=datetime(2026, 11, 24, 20, tzinfo=UTC))  # the 25th in Tashkent
    assert judge(replace(REPORT, published=date(2026, 11, 25)), evening).included
    first_hour = datetime(2026, 11, 25, 19, 30, tzinfo=UTC)  # the 26th in Tashkent, the issue's own day
    assert judge(replace(REPORT, published=first_hour), evening).included
    assert not judge(replace(REPORT, published=first_hour), replace(evening, day=date(2026, 12, 10))).included


def test_the_first_issue_takes_what_was_received_lately_however_old_it_is() -> None:
    archive = replace(REPORT, published=date(2012, 8, 22), received=CUTOFF)
    assert judge(archive, TERMS).included
    assert judge(replace(archive, received=datetime(2012, 8, 22, tzinfo=UTC)), TERMS).reason is Reason.OLD


def test_what_is_dated_before_the_last_cutoff_and_came_after_it_is_marked_late() -> None:
    terms = replace(TERMS, missed=datetime(2026, 11, 10, 7, tzinfo=UTC))
    late = replace(REPORT, published=date(2026, 11, 9), received=datetime(2026, 11, 11, 7, tzinfo=UTC))
    assert judge(late, terms).why == (
        "ready, received on 11 November 2026 at 12:00; "
        "late: it is dated 9 November 2026 and missed the last cut-off, of 10 November 2026 at 12:00"
    )
    for punctual in (
        replace(late, published=date(2026, 11, 10)),
        replace(late, received=datetime(2026, 11, 10, 7, tzinfo=UTC)),
        replace(late, published=None),
    ):
        assert "late" not in judge(punctual, terms).why
    assert "late" not in judge(late, TERMS).why


def test_what_an_editor_may_wonder_at_is_said_of_what_is_in() -> None:
    odd = replace(REPORT, section="Sport", published=None)
    assert judge(odd, TERMS).why.endswith(
        '; its section "Sport" is not configured, so it stands in "Analytical Articles"; '
        "it has no date and is placed by when it was received"
    )


@pytest.mark.parametrize(
    ("kind", "section", "expected"),
    [
        (Kind.REPORT, "Field Reports", "Field Reports"),
        (Kind.REPORT, "", "Analytical Articles"),
        (Kind.DIGEST, "Sport", "News Digest"),
        (Kind.DIGEST, "Field Reports", "Field Reports"),
    ],
)
def test_a_report_goes_to_its_section_or_to_the_one_that_suits_its_kind(
    kind: Kind, section: str, expected: str
) -> None:
    assert section_of(replace(REPORT, kind=kind, section=section), TERMS) == expected


def test_reasons_are_counted_in_their_order() -> None:
    verdicts = [Verdict(one, "") for one in (Reason.EMBARGO, Reason.DRAFT, None, Reason.DRAFT)]
    assert count_reasons(verdicts) == "2 draft, 1 under embargo"


# --- the floor and the order -------------------------------------------------------------------------------------


def test_the_floor_is_three_issues_back_from_the_issue_or_from_now() -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert floor_of(date(2026, 11, 10), now, period=FORTNIGHT, zone=TASHKENT) == datetime(2026, 9, 28, 19, tzinfo=UTC)
    assert floor_of(date(2027, 6, 10), now, period=FORTNIGHT, zone=TASHKENT) == now - 3 * FORTNIGHT
    assert floor_of(date(1, 1, 1), now, period=FORTNIGHT, zone=TASHKENT) <= datetime(1, 1, 1, tzinfo=UTC)


def in_order(*reports: Report, pinned: Sequence[str] = ()) -> list[str]:
    ranks = {one.id: rank(one, TERMS, section=section_of(one, TERMS), pinned=one.id in pinned) for one in reports}
    return [one.id for one in sorted(reports, key=lambda one: ranks[one.id])]


def named(name: str, **changed: object) -> Report:
    return replace(REPORT, id=ReportId(name), **changed)  # type: ignore[arg-type]


def test_the_order_is_section_pin_weight_newest_author_id() -> None:
    expected = [
        named("analysis", section="Analytical Articles", published=date(2026, 1, 1)),
        named("pinned", weight=-9, published=date(2020, 1, 1)),
        named("heavy", weight=5, published=date(2020, 1, 1)),
        named("newest", published=datetime(2026, 11, 20, 3, tzinfo=UTC)),
        named("a-lund", authors=(Author("anna Lund"),)),
        named("b-holt", authors=(Author("Marek Holt"),)),
        named("c-nobody"),
        named("d-nobody"),
        named("undated", published=None, received=datetime(2026, 11, 19, tzinfo=UTC)),
        named("light", weight=-1, published=date(2026, 11, 24)),
        named("digest", kind=Kind.DIGEST, section=""),
    ]
    assert in_order(*reversed(expected), pinned=["pinned"]) == [one.id for one in expected]


# --- anything at all ---------------------------------------------------------------------------------------------

ZONES = st.sampled_from([UTC, TASHKENT, ZoneInfo("America/New_York"), timezone(timedelta(hours=-12))])
INSTANTS = st.datetimes(timezones=st.just(UTC))


MOMENTS = st.none() | INSTANTS
LAST, FIRST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)


@given(st.none() | st.dates() | INSTANTS, MOMENTS, MOMENTS, st.none() | st.dates(), st.dates(), INSTANTS, ZONES)
@example(date.max, LAST, LAST, date.max, date.max, CUTOFF, TASHKENT)
@example(LAST, LAST, None, date.max, date.max, LAST, TASHKENT)
@example(FIRST, FIRST, None, None, date.min, CUTOFF, ZoneInfo("America/New_York"))
def test_any_report_at_any_time_gets_a_verdict_and_a_rank(
    published: date | None, received: datetime | None, embargo: datetime | None, expires: date | None, day: date,
    cutoff: datetime, zone: ZoneInfo,
) -> None:  # fmt: skip
    report = replace(REPORT, published=published, received=received, embargo_until=embargo, expires=expires)
    floor = floor_of(day, cutoff, period=FORTNIGHT, zone=zone)
    terms = replace(TERMS, day=day, cutoff=cutoff, floor=floor, zone=zone, missed=cutoff)
    verdict = judge(report, terms)
    assert verdict.why
    if embargo is not None and embargo > cutoff:
        assert not verdict.included
    if received is not None and received > cutoff:
        assert not verdict.included
    assert rank(report, terms, section="Field Reports", pinned=False)[:3] == (1, True, 0)
