from collections.abc import Sequence
from dataclasses import replace

import pytest

from biweekly.errors import ReportError
from biweekly.model.issue import Report, ReportId, SetAside
from biweekly.services.manuscripts import Deed, Intake, take_in

REPORT = Report(ReportId("ferry"), "The Ferry", "It has not come since the ice.\n")


def taken(**files: bytes | ReportError) -> Intake:
    """Import files of lines: each line is a report's id, a line with ! a reason to set it aside."""
    folder: dict[str, bytes] = {}

    def open_source(source: str) -> bytes:
        found = files[source]
        if isinstance(found, ReportError):
            raise found
        return found

    def read(name: str, raw: bytes) -> Sequence[Report | SetAside]:
        return [
            SetAside(name, "empty-body", line) if line.startswith("!") else replace(REPORT, id=ReportId(line))
            for line in raw.decode().split()
        ]

    def file(report: Report, raw: bytes, *, source: str) -> str:
        if report.id == "unfileable":
            raise ReportError("there is no picture", code="image-missing", name=source, line=3, hint="put it there")
        name = f"reports/{report.id}.incoming.md" if report.id in folder else f"reports/{report.id}.md"
        folder[report.id] = raw
        return name

    return take_in(list(files), open_source=open_source, read=read, file=file)


def test_sources_are_taken_in_one_after_another_in_their_order() -> None:
    intake = taken(one=b"a b", two=b"c")
    assert [(one.source, one.report.id, one.deed, one.file) for one in intake.taken] == [
        ("one", "a", Deed.FILED, "reports/a.md"),
        ("one", "b", Deed.FILED, "reports/b.md"),
        ("two", "c", Deed.FILED, "reports/c.md"),
    ]
    assert intake.set_aside == ()


def test_what_cannot_be_opened_read_or_filed_is_set_aside_and_the_rest_go_on() -> None:
    gone = ReportError("it cannot be opened", code="unreadable", name="two", hint="check its name")
    intake = taken(one=b"a !nothing b", two=gone, three=b"unfileable c")
    assert [one.report.id for one in intake.taken] == ["a", "b", "c"]
    assert intake.set_aside == (
        SetAside("one", "empty-body", "!nothing"),
        SetAside("two", "unreadable", "it cannot be opened", None, "check its name"),
        SetAside("three", "image-missing", "there is no picture", 3, "put it there"),
    )


def test_two_reports_of_one_import_never_share_an_id() -> None:
    intake = taken(one=b"a", two=b"a ", three=b"a  ")
    assert [one.file for one in intake.taken] == ["reports/a.md", "reports/a-2.md", "reports/a-3.md"]


def test_the_same_bytes_twice_are_the_same_report() -> None:
    assert [one.report.id for one in taken(one=b"a", two=b"a").taken] == ["a", "a"]


def test_a_text_that_waits_beside_an_editors_is_told_apart() -> None:
    intake = taken(one=b"a", two=b"a")
    assert [one.deed for one in intake.taken] == [Deed.FILED, Deed.BESIDE]


def test_without_a_folder_it_is_a_dry_run() -> None:
    intake = take_in(["one"], open_source=lambda _: b"", read=lambda _name, _raw: [REPORT], file=None)
    assert [(one.deed, one.file) for one in intake.taken] == [(Deed.READ, None)]


def test_what_is_nobodys_mistake_is_not_swallowed() -> None:
    def broken(_source: str) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        take_in(["one"], open_source=broken, read=lambda _name, _raw: [], file=None)
