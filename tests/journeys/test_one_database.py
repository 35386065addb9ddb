"""What one database holds without a change of its shape, and that what was frozen stays as it was."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from biweekly.model.issue import IssueId
from biweekly.model.mailing import MailingKind, MailingState
from biweekly.newsroom import open_newsroom
from biweekly.publication import data_root, open_publication
from biweekly.sample import ROSTER, lay_out
from biweekly.store.migrations import version
from biweekly.wiring import open_office, open_people

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ISSUE, SECOND = IssueId("2026-11-26"), IssueId("2026-11-26-2")


def test_a_correction_and_a_second_issue_of_the_day_fit_beside_the_regular_mailing(tmp_path: Path) -> None:
    from biweekly.audience.roster import Roster
    from biweekly.services.subscriptions import Basis

    lay_out(tmp_path, public_url="http://127.0.0.1:8765")
    publication = open_publication(tmp_path, environ={})
    open_newsroom(publication).compose_issue(now=NOW)
    with open_office(publication, clock=lambda: NOW) as office:
        before = version(office.engine)
        basis = Basis(source="import", wording="", at=NOW)
        count = open_people(publication, office.engine).import_all(Roster(tmp_path / ROSTER), basis=basis).new
        _, frozen = office.freeze(ISSUE)
        kinds = [(ISSUE, MailingKind.REGULAR), (ISSUE, MailingKind.CORRECTION), (SECOND, MailingKind.REGULAR)]
        begun = [office.books.enter_and_begin(one, kind, frozen, expected=count, now=NOW) for one, kind in kinds]
        assert [one.planned for one in begun] == [count] * 3
        assert all(office.books.tally(one.id).adds_up for one in begun)
        assert version(office.engine) == before


def test_a_template_changed_after_freezing_changes_nothing_of_what_goes_out(tmp_path: Path) -> None:
    lay_out(tmp_path, public_url="http://127.0.0.1:8765")
    publication = open_publication(tmp_path, environ={})
    open_newsroom(publication).compose_issue(now=NOW)
    with open_office(publication, clock=lambda: NOW) as office:
        edition, frozen = office.freeze(ISSUE)
        due = NOW + timedelta(hours=1)
        mailing = office.books.enter(ISSUE, MailingKind.REGULAR, frozen, due=due, now=NOW)
        before = office.postroom.stationery(mailing).sheets
        built_in = (data_root() / "templates" / "issue.mjml.j2").read_text("utf-8")
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "templates" / "issue.mjml.j2").write_text(built_in.replace("640px", "600px") + "\n", "utf-8")
        changed, _ = office.freeze(ISSUE)
        assert changed.sha256 != edition.sha256, "the template was not changed enough to show"
        assert office.postroom.stationery(mailing).sheets == before
        assert office.books.find(mailing.id).state is MailingState.SCHEDULED
