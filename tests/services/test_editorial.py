"""The newsroom, with its real folders, templates and compiler; only the clock is handed in."""

import re
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from biweekly.errors import BiweeklyError, IssueError, NothingToDo, Refused
from biweekly.issues.sent import Sent, write_sent
from biweekly.model.issue import IssueId, ReportId, VariantName
from biweekly.newsroom import open_newsroom
from biweekly.publication import open_publication
from biweekly.reports import file_report, read_as
from biweekly.services.editorial import Newsroom

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)  # a Tuesday, 14:00 in Tashkent
BODY = "The ferry has not come since the ice, and nobody in Kerbent has asked after it."

CONFIG = """\
[publication]
name = "The Steppe Review"
from = "The Steppe Review <editors@steppe.example>"
reply_to = "editors@steppe.example"
postal_address = "The Steppe Review, 4 Quay Street, Kerbent"
public_url = "http://127.0.0.1:8765"
sections = [
  "Analytical Articles",
  { title = "Field Reports", form = "full" },
  "News Digest",
]
"""
SCHEDULE = '[schedule]\nanchor = 2026-11-26\ntimezone = "Asia/Tashkent"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "review"
    (made / "reports").mkdir(parents=True)
    (made / "config.toml").write_text(CONFIG + SCHEDULE, "utf-8")
    return made


def without_schedule(home: Path) -> None:
    (home / "config.toml").write_text(CONFIG, "utf-8")


def newsroom(home: Path) -> Newsroom:
    return open_newsroom(open_publication(home, environ={}))


def put(home: Path, name: str, *settings: str, body: str = BODY) -> None:
    text = "\n".join(["+++", f'title = "On {name}"', 'section = "Field Reports"', *settings, "+++", "", body, ""])
    (home / "reports" / f"{name}.md").write_text(text, "utf-8")


def mark_sent(home: Path, name: str, *reports: str, mailed: datetime | None = None) -> None:
    at = mailed or datetime.combine(date.fromisoformat(name[:10]), datetime.min.time(), UTC)
    write_sent(home / "issues", Sent(IssueId(name), "e" * 64, at, 3, {ReportId(one): "aa" for one in reports}))


def compose(home: Path, *, now: datetime = NOW, on: date | None = None, cutoff: datetime | None = None) -> list[str]:
    """Compose, and return the issue's id with its reports."""
    made = newsroom(home).compose_issue(now=now, on=on, cutoff=cutoff)
    return [made.issue.id, *(one.report for one in made.issue.entries)]


def reasons(home: Path, *, now: datetime = NOW, issue: str | None = None) -> dict[str, str]:
    found = newsroom(home).plan_issue(IssueId(issue) if issue else None, now=now)
    return {one.report: f"{'in' if one.included else 'out'}: {one.why}" for one in found}


def edit(home: Path, issue: str, old: str, new: str) -> None:
    path = home / "issues" / issue / "issue.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


# --- which issue ---------------------------------------------------------------------------------------------------


def test_an_issue_is_composed_for_the_schedules_next_date(home: Path) -> None:
    put(home, "ferry")
    assert compose(home) == ["2026-11-26", "ferry"]
    assert compose(home, now=datetime(2026, 11, 26, 20, tzinfo=UTC)) == ["2026-12-10", "ferry"]


def test_the_day_after_a_date_whose_issue_went_out_the_next_one_is_at_hand(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    mark_sent(home, "2026-11-26", "ferry")
    put(home, "dam")
    assert compose(home) == ["2026-12-10", "dam"]


def test_a_chosen_date_whose_issue_went_out_gets_a_second_issue(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    mark_sent(home, "2026-11-26", "ferry")
    put(home, "dam")
    assert compose(home, on=date(2026, 11, 26)) == ["2026-11-26-2", "dam"]
    assert compose(home, on=date(2026, 11, 26)) == ["2026-11-26-2", "dam"]


def test_a_mailed_issue_whose_file_is_gone_is_not_composed_over(home: Path) -> None:
    mark_sent(home, "2026-11-26", "ferry")
    put(home, "dam")
    assert compose(home, on=date(2026, 11, 26)) == ["2026-11-26-2", "dam"]


def test_without_a_schedule_the_draft_at_hand_is_composed_again(home: Path) -> None:
    without_schedule(home)
    put(home, "ferry")
    assert compose(home) == ["2026-11-24", "ferry"]
    put(home, "dam")
    assert compose(home, now=NOW + timedelta(days=3)) == ["2026-11-24", "dam", "ferry"]
    assert compose(home, now=NOW + timedelta(days=15)) == ["2026-12-09", "dam", "ferry"]


def test_without_a_schedule_the_draft_to_come_goes_before_the_one_that_has_passed(home: Path) -> None:
    without_schedule(home)
    put(home, "ferry")
    compose(home, on=date(2026, 11, 20))
    compose(home, on=date(2026, 12, 1))
    assert compose(home)[0] == "2026-12-01"


def test_numbers_go_on(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    edit(home, "2026-11-26", "number = 1", "number = 41")
    assert newsroom(home).compose_issue(now=NOW, on=date(2026, 12, 10)).issue.number == 42


def test_nothing_ready_makes_no_issue_and_changes_none(home: Path) -> None:
    with pytest.raises(NothingToDo) as caught:
        compose(home)
    assert caught.value.code == "nothing-ready"
    assert not (home / "issues").exists()
    put(home, "ferry")
    compose(home)
    before = (home / "issues" / "2026-11-26" / "issue.toml").read_bytes()
    put(home, "ferry", 'status = "hold"')
    with pytest.raises(NothingToDo):
        compose(home)
    assert (home / "issues" / "2026-11-26" / "issue.toml").read_bytes() == before


@pytest.mark.parametrize(("name", "code"), [("issue.toml", "issue-unreadable"), ("sent.toml", "sent-unreadable")])
def test_what_cannot_be_read_is_never_composed_on_a_guess(home: Path, name: str, code: str) -> None:
    put(home, "ferry")
    compose(home)
    path = home / "issues" / "2026-11-26" / name
    path.write_text("= broken\n", "utf-8")
    with pytest.raises(IssueError) as caught:
        compose(home)
    assert (caught.value.code, caught.value.place) == (code, f"issues/2026-11-26/{name}:1")
    assert path.read_text("utf-8") == "= broken\n"


@pytest.mark.parametrize("day", [date.min, date.max])
def test_any_day_of_the_calendar_can_have_an_issue(home: Path, day: date) -> None:
    put(home, "ferry")
    assert compose(home, on=day) == [day.isoformat(), "ferry"]


# --- what is latest ------------------------------------------------------------------------------------------------


def test_the_first_issue_takes_old_reports_that_came_in_lately_and_no_archive(home: Path) -> None:
    put(home, "lately", "published = 2012-08-22")
    put(home, "archive", "published = 2012-08-22", "received = 2012-08-23T09:00:00Z")
    assert compose(home) == ["2026-11-26", "lately"]
    assert reasons(home)["archive"].startswith(
        "out: it was received on 23 August 2012 at 14:00, more than three issues"
    )


def test_what_came_in_is_noted_at_first_sight_and_stays(home: Path) -> None:
    put(home, "ferry", "published = 2026-11-20")
    assert reasons(home)["ferry"] == "in: ready, received on 24 November 2026 at 14:00"
    assert "24 November 2026 at 14:00" in reasons(home, now=NOW + timedelta(days=2))["ferry"]


def test_the_cutoff_of_the_schedule_leaves_out_what_came_later(home: Path) -> None:
    put(home, "ferry", "received = 2026-11-24T06:59:00Z")
    put(home, "late", "received = 2026-11-24T07:01:00Z")
    assert compose(home, cutoff=datetime(2026, 11, 24, 7, tzinfo=UTC)) == ["2026-11-26", "ferry"]
    assert compose(home) == ["2026-11-26", "late", "ferry"]


def test_what_missed_the_last_cutoff_is_marked_late(home: Path) -> None:
    put(home, "ferry", "published = 2026-11-09", "received = 2026-11-11T09:00:00Z")
    assert "late" not in reasons(home)["ferry"]
    mark_sent(home, "2026-11-12", "dam")
    assert reasons(home)["ferry"].endswith(
        "late: it is dated 9 November 2026 and missed the last cut-off, of 10 November 2026 at 12:00"
    )
    without_schedule(home)
    assert "late" not in reasons(home)["ferry"]
    mark_sent(home, "2026-11-12", "dam", mailed=datetime(2026, 11, 11, 8, tzinfo=UTC))
    assert reasons(home)["ferry"].endswith("missed the last cut-off, of 11 November 2026 at 08:00")


def test_an_embargo_is_read_and_told_on_the_publications_clock(home: Path) -> None:
    put(home, "ferry", "embargo_until = 2026-11-24T14:00:01")
    put(home, "dam", "embargo_until = 2026-11-24T14:00:00")
    found = reasons(home)
    assert found["ferry"] == "out: it is under embargo until 24 November 2026 at 14:00"
    assert found["dam"].startswith("in: ready")


def test_what_was_sent_is_out_of_others_and_does_not_stand_in_its_own_issues_way(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    mark_sent(home, "2026-11-26", "ferry")
    put(home, "dam")
    assert reasons(home)["ferry"] == "out: it was sent in issue 2026-11-26"
    assert reasons(home, issue="2026-11-26")["ferry"].startswith("in: ")


def test_a_copy_without_what_the_program_keeps_for_itself_plans_the_same_issue(home: Path, tmp_path: Path) -> None:
    for at, name in enumerate(["ferry", "dam", "road"]):
        put(home, name, f"published = 2026-11-{10 + at}", f"weight = {at % 2}")
    put(home, "held", 'status = "hold"')
    compose(home)
    mark_sent(home, "2026-11-12", "road")
    newsroom(home).render_issue(IssueId("2026-11-26"), now=NOW)
    assert (home / "var").is_dir()
    shutil.copytree(home, tmp_path / "copy", ignore=shutil.ignore_patterns("var"))
    assert reasons(tmp_path / "copy") == reasons(home)


# --- rendering -----------------------------------------------------------------------------------------------------


def test_an_issue_is_rendered_from_its_files_as_they_are_now(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    issue = IssueId("2026-11-26")
    first = newsroom(home).render_issue(issue, now=NOW)
    assert newsroom(home).render_issue(issue, now=NOW).sha256 == first.sha256
    put(home, "ferry", body="Other words about the ferry, which came after all.")
    second = newsroom(home).render_issue(issue, now=NOW)
    assert second.reports[0].sha256 != first.reports[0].sha256
    assert second.sha256 != first.sha256


def refused(home: Path, *, going_out: datetime | None = None) -> BiweeklyError:
    with pytest.raises(BiweeklyError) as caught:
        newsroom(home).render_issue(IssueId("2026-11-26"), now=NOW, going_out=going_out)
    return caught.value


def test_an_issue_without_reports_or_subject_is_not_rendered(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    text = (home / "issues" / "2026-11-26" / "issue.toml").read_text("utf-8")
    edit(home, "2026-11-26", 'subject = "On ferry"', 'subject = " "')
    missing = refused(home)
    assert (missing.code, missing.place) == ("subject-missing", "issues/2026-11-26/issue.toml:5")
    (home / "issues" / "2026-11-26" / "issue.toml").write_text(re.sub(r'(?m)^  "ferry",.*\n', "", text), "utf-8")
    assert refused(home).code == "issue-empty"


def test_a_report_that_is_gone_is_named_at_its_line_in_the_issue(home: Path) -> None:
    put(home, "ferry")
    put(home, "a-ferry", body="short")
    compose(home)
    (home / "reports" / "ferry.md").unlink()
    error = refused(home)
    assert (error.code, error.place) == ("report-missing", "issues/2026-11-26/issue.toml:13")
    assert error.hint == "take its line out, or put the file back"


def test_a_report_that_is_broken_is_named_at_its_own_line(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    put(home, "ferry", "weight = [")
    error = refused(home)
    assert error.code == "bad-front-matter"
    assert str(error.place).startswith("reports/ferry.md:")
    assert "the report ferry is set aside" in error.message


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ('status = "hold"', "it is on hold"),
        ('status = "withdrawn"', "it has been withdrawn"),
        ("embargo_until = 2026-11-26T14:00:00", "it is under embargo until 26 November 2026 at 14:00"),
    ],
)
def test_what_must_not_go_out_stops_an_edition_for_readers_and_not_a_look(home: Path, setting: str, why: str) -> None:
    put(home, "ferry")
    compose(home)
    put(home, "ferry", setting)
    going_out = datetime(2026, 11, 26, 4, tzinfo=UTC)
    newsroom(home).render_issue(IssueId("2026-11-26"), now=NOW)
    error = refused(home, going_out=going_out)
    assert isinstance(error, Refused)
    assert (error.code, error.message) == ("report-not-ready", f"the report ferry must not go out: {why}")
    assert error.place == "issues/2026-11-26/issue.toml:13"


def test_what_went_out_in_another_issue_goes_again_only_where_it_is_pinned(home: Path) -> None:
    put(home, "ferry")
    compose(home)
    mark_sent(home, "2026-11-12", "ferry")
    assert refused(home, going_out=NOW).code == "report-not-ready"
    edit(home, "2026-11-26", '  "ferry",', '  { id = "ferry", pinned = true },')
    newsroom(home).render_issue(IssueId("2026-11-26"), now=NOW, going_out=NOW)


def test_an_issue_is_shown_with_what_it_names_and_whether_it_went_out(home: Path) -> None:
    put(home, "ferry")
    put(home, "dam")
    compose(home)
    put(home, "dam", body="short")
    shown = newsroom(home).show_issue(IssueId("2026-11-26"), now=NOW)
    assert (list(shown.reports), [one.source for one in shown.set_aside], shown.was_sent) == (
        ["ferry"], ["reports/dam.md"], False,
    )  # fmt: skip
    mark_sent(home, "2026-11-26", "ferry")
    assert newsroom(home).show_issue(newsroom(home).resolve("latest", now=NOW), now=NOW).was_sent


# --- from a pasted page to a proof ---------------------------------------------------------------------------------

LEAD = (
    "The quarry road above Sunet-Telek was closed in May for the ninth time in two years, and the lorries have found "
    "another way down. It crosses four gardens."
)
PAGE = f"""Wednesday, 06 May 2015

THE QUARRY ROAD

Published in Field Reports

By Anna Marie Lund (5/6/2015 issue of the Valley Review)

{LEAD}

{LEAD} The owners were not asked, “and never are,” says one.

They have since put up a barrier of apple crates, and a price list: 3 * 4 lorries, <half> price.

Read 411 times

Visit also

the lakes desk

The Valley Review is a biweekly publication of the Institute of Hills & Roads Programme.

Newsletter

Sign up for upcoming events, latest news and articles from the Valley Review
"""


def flat(text: str) -> str:
    return " ".join(text.split())


def words_of(page: str) -> str:
    body = re.sub(r"(?s)<(style|head|title)\b.*?</\1>|<!--.*?-->", " ", page)
    return flat(unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.mark.parametrize("form", ["full", "lead"])
def test_a_pasted_page_is_whole_in_the_issue_and_the_page_around_it_is_not(home: Path, form: str) -> None:
    (home / "config.toml").write_text(CONFIG.replace('form = "full"', f'form = "{form}"') + SCHEDULE, "utf-8")
    url = "https://review.example/item/77-quarry.html"
    (report,) = read_as(
        "page.txt", PAGE.encode(), url=url, sections=["Field Reports"], today=NOW.date(), zone=UTC
    )  # fmt: skip
    file_report(home / "reports", report, PAGE.encode(), now=NOW)  # type: ignore[arg-type]
    compose(home)
    edition = newsroom(home).render_issue(IssueId("2026-11-26"), now=NOW)
    variant = next(one for one in edition.variants if one.name is VariantName.HTML)
    assert edition.subject == "THE QUARRY ROAD"
    paragraphs = [
        f"{LEAD} The owners were not asked, “and never are,” says one.",
        "They have since put up a barrier of apple crates, and a price list: 3 * 4 lorries, <half> price.",
    ]
    for said in (words_of(variant.html or ""), flat(variant.text)):
        assert "THE QUARRY ROAD" in said
        assert "Anna Marie Lund" in said
        assert "Field Reports" in said
        assert "6 May 2015" in said
        assert said.count("It crosses four gardens.") == 1
        assert all((one in said) is (form == "full") for one in paragraphs)
        for furniture in (
            "Read 411",
            "Visit also",
            "lakes desk",
            "biweekly publication",
            "Newsletter",
            "Sign up",
            "Published in",
        ):
            assert furniture not in said


def test_a_rendering_is_written_to_a_folder(home: Path, tmp_path: Path) -> None:
    put(home, "ferry")
    compose(home)
    room = newsroom(home)
    names = room.write_rendering(room.render_issue(IssueId("2026-11-26"), now=NOW), tmp_path / "proof")
    assert sorted(one.name for one in (tmp_path / "proof").iterdir()) == sorted(names)
    assert replace(room.compose_issue(now=NOW).issue, entries=()).subject == "On ferry"
