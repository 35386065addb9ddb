"""The sample publication lies whole in its folder, whatever day it is."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from biweekly.errors import ConfigError
from biweekly.newsroom import open_newsroom
from biweekly.publication import open_publication
from biweekly.sample import ROSTER, lay_out


def test_it_is_a_publication_whose_links_lead_where_they_are_told(tmp_path: Path) -> None:
    lay_out(tmp_path, public_url="http://127.0.0.1:4711")
    assert open_publication(tmp_path, environ={}).config.publication.public_url == "http://127.0.0.1:4711"
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("years", [0, 3, 30])
def test_its_manuscripts_are_news_on_the_day_they_are_laid_out(tmp_path: Path, years: int) -> None:
    lay_out(tmp_path, public_url="http://127.0.0.1:8765")
    now = datetime(2026, 11, 25, 12, tzinfo=UTC) + timedelta(days=365 * years)
    made = open_newsroom(open_publication(tmp_path, environ={})).compose_issue(now=now)
    sections = {one.section for one in made.issue.entries}
    assert {"Analytical Articles", "Field Reports", "News Digest"} <= sections
    reasons = {one.report: one.why for one in made.composition.candidates if not one.included}
    assert any("draft" in one for one in reasons.values())
    assert any("embargo" in one for one in reasons.values())


def test_its_people_are_twenty_five_and_invented(tmp_path: Path) -> None:
    lay_out(tmp_path, public_url="http://127.0.0.1:8765")
    with (tmp_path / ROSTER).open(encoding="utf-8", newline="") as file:
        people = list(csv.DictReader(file))
    assert len(people) == 25
    for one in people:
        domain = one["email"].rpartition("@")[2]
        assert (
            domain == ""
            or domain.split(".")[-1] == "example"
            or ".".join(domain.split(".")[-2:]).startswith("example.")
        )


def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way", "utf-8")
    with pytest.raises(ConfigError) as caught:
        lay_out(tmp_path, public_url="http://127.0.0.1:8765")
    assert caught.value.code == "folder-unwritable"
