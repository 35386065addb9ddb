from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from biweekly.model.issue import Author, Report, ReportId, Status
from biweekly.reports.identity import content_hash, report_id, slug

REPORT = Report(id=ReportId("a"), title="The Price of Water", body="It rose.\n", authors=(Author("Anna Lund"),))


def test_blanks_and_the_composition_of_accents_are_no_change() -> None:
    assert content_hash(replace(REPORT, body="It \n rose.")) == content_hash(REPORT)
    assert content_hash(replace(REPORT, title="Café")) == content_hash(replace(REPORT, title="Cafe\u0301"))


def test_another_word_author_or_lead_by_hand_is_a_change() -> None:
    changed = [
        replace(REPORT, body="It fell.\n"),
        replace(REPORT, title="The Price of Tea"),
        replace(REPORT, authors=(Author("Marek Holt"),)),
        replace(REPORT, lead="Dearer.", lead_from="given"),
    ]
    assert len({content_hash(one) for one in [REPORT, *changed]}) == 5


def test_status_section_and_dates_are_no_change_of_content() -> None:
    moved = replace(REPORT, status=Status.HOLD, section="Field Reports", published=date(2026, 1, 1), weight=3)
    assert content_hash(moved) == content_hash(REPORT)


def test_names_of_files_stay_readable_in_every_alphabet() -> None:
    assert slug("The Governor’s “List”: What Holds?") == "the-governors-list-what-holds"
    assert slug("Türkiye ße Łódź") == "turkiye-sse-lodz"
    assert slug("ნინოს ბაღი") == "ნინოს-ბაღი"
    assert slug("Ночная школа") == "ночная-школа"


def test_an_id_is_the_date_and_the_words() -> None:
    assert report_id(date(2012, 8, 22), "The Quarry Road") == "2012-08-22-the-quarry-road"
    assert report_id(None, "The Quarry Road") == "the-quarry-road"
    assert report_id(None, "???") == "report"
    assert report_id(None, "Con") == "con-report"


@given(st.text(max_size=400))
def test_a_slug_is_safe_in_every_file_system(text: str) -> None:
    made = slug(text)
    assert len(made) <= 60
    assert len(made.encode()) <= 180
    assert not set(made) & set('/\\:*?"<>|. \n\x00')
    assert slug(made) == made
