"""Conduct. What editors ask for: gather the latest reports, compose an issue, look at it, render it.

Files are the truth about content. Everything here reads them anew: any program may have changed them meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Protocol

from biweekly.compose import Candidate, Composition, compose, free_id, name_of, next_number, plan
from biweekly.errors import BiweeklyError, IssueError, NothingToDo, Refused
from biweekly.latest import FIRM, Terms, floor_of, judge
from biweekly.model.issue import Edition, Issue, IssueId, Picture, Report, ReportId, Section, SetAside

Pictures = Mapping[tuple[ReportId, str], Picture]


class Shelf(Protocol):
    """The manuscripts as they are now: those that can be used, and those set aside."""

    @property
    def reports(self) -> Sequence[Report]:
        """In no order that matters."""
        ...

    @property
    def set_aside(self) -> Sequence[SetAside]:
        """With the reason for each."""
        ...


class Standing(Protocol):
    """An issue in the list; `fault` says why its file cannot be used, and then `issue` is None."""

    @property
    def id(self) -> IssueId:
        """Its folder's name."""
        ...

    @property
    def issue(self) -> Issue | None:
        """What its file says."""
        ...

    @property
    def fault(self) -> BiweeklyError | None:
        """Why its file cannot be used."""
        ...

    @property
    def day(self) -> date:
        """The date it carries."""
        ...

    @property
    def was_sent(self) -> bool:
        """Whether it was mailed."""
        ...

    @property
    def mailed(self) -> datetime | None:
        """When it was mailed."""
        ...


@dataclass(frozen=True, slots=True)
class Doors:
    """The world, as far as editors need it.

    `shelf` reads the manuscripts and writes down when a new one was received. `write` keeps what the editor wrote and
    says whether anything changed; `place` finds the line of issue.toml that holds a word. `next_date` is the schedule's
    first date on or after a day and `cutoff_of` its cut-off for an issue's date, None where there is no schedule.
    `pictures` takes in what reports show.
    """

    sections: tuple[Section, ...]
    zone: tzinfo
    period: timedelta
    shelf: Callable[[datetime], Shelf]
    content_hash: Callable[[Report], str]
    listing: Callable[[], Sequence[Standing]]
    read: Callable[[IssueId], Issue]
    write: Callable[[Issue, Mapping[ReportId, str]], bool]
    resolve: Callable[[str, date], IssueId]
    place: Callable[[IssueId, str], str]
    sent: Callable[[], Mapping[ReportId, IssueId]]
    next_date: Callable[[date], date] | None
    cutoff_of: Callable[[date], datetime] | None
    pictures: Callable[[Sequence[Report]], Pictures]
    render: Callable[[Issue, Mapping[ReportId, Report], Pictures], Edition]
    write_files: Callable[[Edition, Path], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Composed:
    """What composing came to. `is_new` is false where an issue was composed again, `written` where nothing changed."""

    composition: Composition
    is_new: bool
    written: bool

    @property
    def issue(self) -> Issue:
        """The issue as it stands now."""
        return self.composition.issue


@dataclass(frozen=True, slots=True)
class Shown:
    """An issue to look at: with the reports it names that can be read, by id, and whether it was mailed."""

    issue: Issue
    reports: Mapping[ReportId, Report]
    set_aside: tuple[SetAside, ...]
    was_sent: bool


class Newsroom:
    """The service. Every method is one thing that editors ask for; `now` is aware."""

    def __init__(self, doors: Doors) -> None:
        """Work through these doors only."""
        self._doors = doors

    # -- composing ---------------------------------------------------------------------------------------------------

    def compose_issue(self, *, now: datetime, on: date | None = None, cutoff: datetime | None = None) -> Composed:
        """Compose the issue of a date, or compose it again.

        Without a date it is the schedule's next; where there is no schedule, the unsent issue at hand, else today's.
        `cutoff` is now unless the schedule's own is meant. NothingToDo `nothing-ready`: no file is made or changed.
        """
        standing, day, listed = self._at_hand(on, now)
        shelf = self._doors.shelf(now)
        made = compose(
            shelf.reports,
            shelf.set_aside,
            terms=self._terms(standing, day, cutoff or now),
            hashes={one.id: self._doors.content_hash(one) for one in shelf.reports},
            issue=free_id(day, [one.id for one in listed]),
            number=next_number([one.issue for one in listed if one.issue is not None]),
            standing=standing,
        )
        titles = {one.id: one.title or "" for one in shelf.reports}
        written = self._doors.write(made.issue, titles)
        return Composed(made, is_new=standing is None, written=written)

    def plan_issue(
        self, issue: IssueId | None = None, *, now: datetime, cutoff: datetime | None = None
    ) -> tuple[Candidate, ...]:
        """Say for every report whether it is in, and why: for an issue, or for the one that would be composed now."""
        standing, day, _ = self._at_hand(None, now) if issue is None else (self._doors.read(issue), None, ())
        shelf = self._doors.shelf(now)
        terms = self._terms(standing, day, cutoff or now)
        return plan(shelf.reports, shelf.set_aside, terms=terms, standing=standing)

    def _terms(self, standing: Issue | None, day: date | None, cutoff: datetime) -> Terms:
        on = standing.date if standing is not None else day or cutoff.astimezone(self._doors.zone).date()
        return Terms(
            sections=self._doors.sections,
            day=on,
            cutoff=cutoff,
            floor=floor_of(on, cutoff, period=self._doors.period, zone=self._doors.zone),
            zone=self._doors.zone,
            # What went out in this very issue does not stand in its own way.
            sent={one: by for one, by in self._doors.sent().items() if standing is None or by != standing.id},
            missed=self._last_cutoff(on),
        )

    def _last_cutoff(self, day: date) -> datetime | None:
        """The cut-off of the last issue that was mailed before a date; where there is no schedule, its mailing."""
        before = [one for one in self._doors.listing() if one.mailed is not None and one.day < day]
        if not before:
            return None
        last = max(before, key=lambda one: one.day)
        return last.mailed if self._doors.cutoff_of is None else self._doors.cutoff_of(last.day)

    def _at_hand(self, on: date | None, now: datetime) -> tuple[Issue | None, date, Sequence[Standing]]:
        """The issue that composing is about: the one that stands, if any, and its date."""
        today = now.astimezone(self._doors.zone).date()
        listed = self._doors.listing()
        if on is None and self._doors.next_date is None:
            # A draft of the last fortnight is still on the desk: a second one beside it would hold the same reports.
            waiting = [one for one in listed if not one.was_sent and one.day >= today - self._doors.period]
            coming = [one for one in waiting if one.day >= today]
            chosen = min(coming, key=lambda one: one.day, default=max(waiting, key=lambda one: one.day, default=None))
            return _usable(chosen), chosen.day if chosen else today, listed
        day = on if on is not None else self._next_open(today, listed)
        chosen = next((one for one in listed if one.day == day and not one.was_sent), None)
        return _usable(chosen), day, listed

    def _next_open(self, today: date, listed: Sequence[Standing]) -> date:
        """The schedule's next date whose issue has not gone out yet."""
        next_date = self._doors.next_date
        if next_date is None:
            return today
        day = next_date(today)
        gone = {one.day for one in listed if one.was_sent}
        while day in gone:
            day = next_date(day + timedelta(days=1))
        return day

    # -- looking -----------------------------------------------------------------------------------------------------

    def resolve(self, word: str, *, now: datetime) -> IssueId:
        """Say which issue an id, `next` or `latest` means. NothingToDo `no-such-issue`."""
        return self._doors.resolve(word, now.astimezone(self._doors.zone).date())

    def list_issues(self) -> Sequence[Standing]:
        """Every issue, oldest first."""
        return self._doors.listing()

    def show_issue(self, issue: IssueId, *, now: datetime) -> Shown:
        """Read an issue and what it holds. NothingToDo `no-such-issue`, IssueError `issue-unreadable`."""
        found = self._doors.read(issue)
        shelf = self._doors.shelf(now)
        named = {one.report for one in found.entries}
        was_sent = any(one.id == issue and one.was_sent for one in self._doors.listing())
        reports = {one.id: one for one in shelf.reports if one.id in named}
        return Shown(found, reports, tuple(shelf.set_aside), was_sent)

    # -- rendering ---------------------------------------------------------------------------------------------------

    def render_issue(self, issue: IssueId, *, now: datetime, going_out: datetime | None = None) -> Edition:
        """Render an issue as its files are now: the hashes in the edition are those of the words that were read.

        With `going_out` the edition is for readers at that time: Refused `report-not-ready` where a report is not
        ready, under embargo then, or was mailed in another issue and is not pinned. Raises IssueError
        `report-missing`, `issue-empty`, `subject-missing`; RenderError as `render_edition` does.
        """
        shown = self.show_issue(issue, now=now)
        found = shown.issue
        if not found.entries:
            raise NothingToDo(
                "this issue has no reports", code="issue-empty", place=self._doors.place(issue, "date"),
                hint="biweekly issue compose",
            )  # fmt: skip
        if not found.subject.strip():
            raise IssueError(
                "this issue has no subject", code="subject-missing", place=self._doors.place(issue, "subject"),
                hint='write one into issue.toml, as in: subject = "What it is about"',
            )  # fmt: skip
        for entry in found.entries:
            if entry.report not in shown.reports:
                raise self._missing(shown, entry.report)
        if going_out is not None:
            self._refuse_what_must_not_go(shown, going_out)
        hashes = {one: self._doors.content_hash(report) for one, report in shown.reports.items()}
        entries = tuple(replace(one, sha256=hashes[one.report]) for one in found.entries)
        pictures = self._doors.pictures(list(shown.reports.values()))
        return self._doors.render(replace(found, entries=entries), shown.reports, pictures)

    def write_rendering(self, edition: Edition, out: Path) -> Sequence[str]:
        """Write issue.html, issue.txt, issue.eml and edition.json into a folder, and return their names."""
        return self._doors.write_files(edition, out)

    def _missing(self, shown: Shown, report: ReportId) -> IssueError:
        """A report that the issue names cannot be read: where what is wrong is known, that place and that cause."""
        aside = next((one for one in shown.set_aside if name_of(one) == report), None)
        if aside is not None:
            return IssueError(
                f"the report {report} is set aside: {aside.message}", code=aside.code,
                place=f"{aside.source}:{aside.line}" if aside.line else aside.source,
                hint=aside.cure or "biweekly reports check",
            )  # fmt: skip
        return IssueError(
            f"the issue names the report {report}, and there is no reports/{report}.md", code="report-missing",
            place=self._doors.place(shown.issue.id, report), hint="take its line out, or put the file back",
        )  # fmt: skip

    def _refuse_what_must_not_go(self, shown: Shown, going_out: datetime) -> None:
        terms = self._terms(shown.issue, None, going_out)
        for entry in shown.issue.entries:
            verdict = judge(shown.reports[entry.report], terms)
            resent = entry.report in terms.sent and not entry.pinned
            if verdict.reason in FIRM or resent:
                raise Refused(
                    f"the report {entry.report} must not go out: {verdict.why}", code="report-not-ready",
                    place=self._doors.place(shown.issue.id, entry.report), hint="biweekly issue compose",
                )  # fmt: skip


def _usable(chosen: Standing | None) -> Issue | None:
    if chosen is not None and chosen.fault is not None:
        raise chosen.fault
    return chosen.issue if chosen is not None else None
