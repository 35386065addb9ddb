import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biweekly.errors import ReportError
from biweekly.model.issue import Image, Report, ReportId, SetAside, Status
from biweekly.reports import READERS, Shelf, read_as
from biweekly.reports.folder import LARGEST_FILE, file_report, read_folder, read_source
from biweekly.reports.frontmatter import parse
from biweekly.reports.identity import report_id

NOW = datetime(2026, 11, 24, 9, 30, 15, 7, tzinfo=UTC)
STAMP = "2026-11-24T09:30:15Z"
BODY = "The ferry has not come since the ice, and nobody has asked after it.\n"
SECTIONS = ("Analytical Articles", "Field Reports")
REPORT = Report(ReportId("2026-11-20-the-last-ferry"), "The Last Ferry", BODY, lead=BODY.strip())
RAW = b"what the import came from"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reports"
    made.mkdir()
    return made


def put(folder: Path, name: str, *settings: str, body: str = BODY) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["+++", *settings, "+++", "", body]), "utf-8")
    return path


def read(folder: Path, now: datetime = NOW) -> Shelf:
    return read_folder(folder, sections=SECTIONS, now=now)


def the_aside(folder: Path) -> SetAside:
    (aside,) = read(folder).set_aside
    return aside


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_its_names_and_what_is_no_manuscript_is_left(folder: Path) -> None:
    for name in ("b.md", "a.md", "README.md", "_draft.md", ".hidden.md", "notes.txt"):
        put(folder, name, f'title = "{name}"')
    (folder / "c.md").mkdir()
    assert [one.id for one in read(folder).reports] == ["a", "b"]
    assert read(folder).set_aside == ()


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "reports") == Shelf((), ())


def test_a_folder_that_is_a_file_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(ReportError) as caught:
        read(tmp_path / "reports")
    assert (caught.value.code, caught.value.place) == ("unreadable", "reports/")


def test_a_section_gets_its_configured_name(folder: Path) -> None:
    put(folder, "a.md", 'title = "A"', 'section = "field reports"')
    assert read(folder).reports[0].section == "Field Reports"


def test_today_and_times_without_a_zone_are_the_publications(folder: Path) -> None:
    put(folder, "a.md", 'title = "A"', "published = 2026-11-25", "embargo_until = 2026-11-26T09:00:00")
    late = datetime(2026, 11, 24, 20, tzinfo=UTC)
    (report,) = read_folder(folder, sections=SECTIONS, now=late, zone=ZoneInfo("Asia/Tashkent")).reports
    assert report.embargo_until == datetime(2026, 11, 26, 4, tzinfo=UTC)
    assert "future_date" not in [one.code for one in report.warnings]
    assert "future_date" in [one.code for one in read(folder, now=late).reports[0].warnings]


# --- what cannot be read is set aside, and the others go on --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (b'+++\ntitle = "A"\nsection = Field\n+++\n\n' + BODY.encode(), "bad-front-matter", 3),
        (b'+++\ntitle = "A"\n\n' + BODY.encode(), "bad-front-matter", 1),
        (b'+++\ntitle = "A"\n+++\n', "empty-body", 4),
        (b"", "empty-body", 1),
        (b'+++\ntitle = "A"\n+++\n\nCaf\xe9 and bread, and no more of either.\n', "bad-encoding", 5),
        (b'+++\nid = "../a"\n+++\n\n' + BODY.encode(), "bad-front-matter", 2),
        (b'+++\ntitle = "A"\nimages = ["a/dam.jpg"]\n+++\n\n' + BODY.encode(), "image-missing", 3),
        (b'+++\ntitle = "A"\nimages = ["../dam.jpg"]\n+++\n\n' + BODY.encode(), "image-outside", 3),
        (b'+++\ntitle = "A"\nimages = ["/etc/hostname"]\n+++\n\n' + BODY.encode(), "image-outside", 3),
        (b'+++\ntitle = "A"\nimages = ["https://x.example/dam.jpg"]\n+++\n\n' + BODY.encode(), "image-outside", 3),
        (b'+++\ntitle = "A"\nimages = ["' + b"x" * 300 + b'"]\n+++\n\n' + BODY.encode(), "image-missing", 3),
        (b"x" * (LARGEST_FILE + 1), "too-large", None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_broken_file_is_set_aside_with_line_and_cure_and_the_others_go_on(
    folder: Path, text: bytes, code: str, line: int | None
) -> None:
    put(folder, "b.md", 'title = "B"')
    (folder / "a.md").write_bytes(text)
    shelf = read(folder)
    assert [one.id for one in shelf.reports] == ["b"]
    assert [(one.source, one.code, one.line) for one in shelf.set_aside] == [("reports/a.md", code, line)]
    assert shelf.set_aside[0].cure


def test_a_file_that_cannot_be_opened_is_set_aside(folder: Path) -> None:
    (folder / "a.md").symlink_to(folder / "a.md")
    put(folder, "b.md", 'title = "B"')
    assert [one.id for one in read(folder).reports] == ["b"]
    with pytest.raises(ReportError) as caught:
        read_source(folder / "a.md", name="reports/a.md")
    assert (caught.value.code, caught.value.place) == ("unreadable", "reports/a.md")


def test_a_file_whose_name_cannot_be_shown_is_set_aside(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"dam-\xff.md")).write_text(BODY)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    aside = the_aside(folder)
    assert (aside.source, aside.code) == (r"reports/dam-\udcff.md", "bad-name")


def test_of_two_files_with_one_id_the_one_that_is_named_after_it_stays(folder: Path) -> None:
    put(folder, "a.md", 'id = "b"', 'title = "A"')
    put(folder, "b.md", 'title = "B"')
    assert [one.title for one in read(folder).reports] == ["B"]
    aside = the_aside(folder)
    assert (aside.source, aside.code) == ("reports/a.md", "duplicate-id")
    assert "reports/b.md" in aside.message


def test_of_two_files_with_one_id_and_other_names_the_first_stays(folder: Path) -> None:
    put(folder, "c.md", 'id = "b"', 'title = "C"')
    put(folder, "a.md", 'id = "b"', 'title = "A"')
    assert [one.title for one in read(folder).reports] == ["A"]
    assert the_aside(folder).source == "reports/c.md"


def test_a_picture_behind_a_link_out_of_the_folder_is_outside(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "private.jpg").write_bytes(b"x")
    (folder / "a").mkdir()
    (folder / "a" / "dam.jpg").symlink_to(tmp_path / "private.jpg")
    put(folder, "a.md", 'title = "A"', 'images = ["a/dam.jpg"]')
    assert the_aside(folder).code == "image-outside"


def test_a_picture_of_another_report_may_be_shown_again(folder: Path) -> None:
    put(folder, "a.md", 'title = "A"', 'images = ["b\\\\dam.jpg"]')
    (folder / "b").mkdir()
    (folder / "b" / "dam.jpg").write_bytes(b"x")
    assert [one.id for one in read(folder).reports] == ["a"]


# --- when a report was received ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'+++\ntitle = "A"\n+++\n', b"+++\nreceived = %s\n" + b'title = "A"\n+++\n'),
        (b"---\r\ntitle: A\r\n---\r\n", b"---\r\nreceived: %s\r\ntitle: A\r\n---\r\n"),
        (b"\xef\xbb\xbf\n+++ \ntitle='A'\n+++\n", b"\xef\xbb\xbf\n+++ \nreceived = %s\ntitle='A'\n+++\n"),
        (b"# A\n", b'+++\nstatus = "draft"\nreceived = %s\n+++\n\n# A\n'),
    ],
    ids=["toml", "yaml", "mark", "none"],
)
def test_the_first_sight_of_a_report_is_written_down_and_nothing_else_is_touched(
    folder: Path, before: bytes, after: bytes
) -> None:
    rest = b"\nA text with  two blanks,\ta tab and a \\ backslash at its end. \n\n"
    path = folder / "a.md"
    path.write_bytes(before + rest)
    first = read(folder).reports[0]
    assert path.read_bytes() == after.replace(b"%s", STAMP.encode()) + rest
    again = read(folder, now=NOW + timedelta(days=3)).reports[0]
    assert first.received == again.received == NOW.replace(microsecond=0)
    assert path.read_bytes() == after.replace(b"%s", STAMP.encode()) + rest


def test_whoever_looks_after_the_cut_off_does_not_make_a_report_late(folder: Path) -> None:
    cutoff = NOW - timedelta(minutes=10)
    for name, written in (("in-time.md", cutoff), ("late.md", cutoff + timedelta(seconds=1))):
        path = put(folder, name, 'title = "A"')
        os.utime(path, (written.timestamp(), written.timestamp()))
    for _ in range(2):
        first, second = read_folder(folder, sections=SECTIONS, now=NOW, cutoff=cutoff).reports
        assert (first.received, second.received) == (cutoff.replace(microsecond=0), NOW.replace(microsecond=0))
    put(folder, "later.md", 'title = "A"')
    early = read_folder(folder, sections=SECTIONS, now=cutoff - timedelta(hours=1), cutoff=cutoff).reports[-1]
    assert early.received == (cutoff - timedelta(hours=1)).replace(microsecond=0)


def test_a_file_without_settings_stays_a_draft_after_its_arrival_is_noted(folder: Path) -> None:
    (folder / "a.md").write_text(f"# Notes for later\n\n{BODY}", "utf-8")
    assert [read(folder).reports[0].status for _ in range(2)] == [Status.DRAFT, Status.DRAFT]


def test_settings_that_a_line_would_spoil_are_left_alone_and_that_is_said(folder: Path) -> None:
    path = folder / "a.md"
    path.write_text(f'---\n{{"title": "A", "section": "Field Reports"}}\n---\n\n{BODY}', "utf-8")
    before = path.read_bytes()
    (report,) = read(folder).reports
    assert (report.title, path.read_bytes()) == ("A", before)
    assert "received_not_written" in [one.code for one in report.warnings]


def test_what_was_received_before_keeps_its_time(folder: Path) -> None:
    path = put(folder, "a.md", 'title = "A"', "received = 2026-11-01T08:00:00Z")
    before = path.read_bytes()
    assert read(folder).reports[0].received == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert path.read_bytes() == before


def test_a_manuscript_keeps_its_permissions_when_its_arrival_is_noted(folder: Path) -> None:
    path = put(folder, "a.md", 'title = "A"')
    path.chmod(0o640)
    read(folder)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in folder.iterdir()] == ["a.md"]


LINES = st.sampled_from(["+++", "---", 'title = "A"', "title: A", "received = 1", "", "# A", " +++", "text"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=20
)


@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_noting_an_arrival_never_changes_what_a_file_says(folder: Path, lines: list[str], end: str) -> None:
    path = folder / "a.md"
    path.write_bytes(end.join([*lines, BODY.strip()]).encode())
    before = path.read_bytes()
    shelf = read(folder)
    if shelf.set_aside:
        assert path.read_bytes() == before
        return
    (first,) = shelf.reports
    (again,) = read(folder).reports
    assert again.received == first.received
    assert replace(again, warnings=()) == replace(first, warnings=())
    codes = [sorted({one.code for one in report.warnings} - {"no_front_matter"}) for report in (first, again)]
    assert codes[0] == codes[1]


# --- filing ------------------------------------------------------------------------------------------------------


def filed(folder: Path, report: Report = REPORT, raw: bytes = RAW, **options: object) -> Path:
    return file_report(folder, report, raw, now=NOW, **options)  # type: ignore[arg-type]


def test_an_import_is_filed_under_its_id_and_its_source_is_kept(folder: Path) -> None:
    path = filed(folder)
    assert path == folder / "2026-11-20-the-last-ferry.md"
    report = parse(path.read_text("utf-8"), name=path.name)
    assert (report.title, report.received) == ("The Last Ferry", NOW.replace(microsecond=0))
    assert report.source.raw_sha256 is not None
    assert (folder / "sources" / report.source.raw_sha256).read_bytes() == RAW
    assert read(folder).reports[0].id == REPORT.id


def test_the_same_import_twice_gives_the_same_files(folder: Path) -> None:
    before = {path: path.read_bytes() for path in [filed(folder)]}
    again = file_report(folder, REPORT, RAW, now=NOW + timedelta(days=9))
    assert {again: again.read_bytes()} == before
    assert len(list(folder.iterdir())) == 2


def test_a_newer_text_takes_the_place_of_an_import_that_nobody_touched(folder: Path) -> None:
    filed(folder)
    path = file_report(folder, replace(REPORT, body=f"{BODY}\nMore.\n"), b"newer", now=NOW + timedelta(days=9))
    report = parse(path.read_text("utf-8"), name=path.name)
    assert report.body == f"{BODY}\nMore.\n"
    assert report.received == NOW.replace(microsecond=0)


def test_a_file_that_an_editor_changed_is_never_written_over(folder: Path) -> None:
    path = filed(folder)
    path.write_text(path.read_text("utf-8").replace("The Last Ferry", "The Very Last Ferry"), "utf-8")
    mine = path.read_bytes()
    beside = filed(folder, replace(REPORT, body=f"{BODY}\nMore.\n"), b"newer")
    assert beside.name == "2026-11-20-the-last-ferry.incoming.md"
    assert path.read_bytes() == mine
    (report,) = read(folder).reports
    assert report.title == "The Very Last Ferry"
    assert "incoming_beside" in [one.code for one in report.warnings]


def test_a_file_that_an_editor_changed_gets_nothing_beside_it_when_nothing_new_came(folder: Path) -> None:
    path = filed(folder)
    path.write_text(path.read_text("utf-8").replace("The Last Ferry", "The Very Last Ferry"), "utf-8")
    assert filed(folder) == path
    assert sorted(one.name for one in folder.iterdir()) == [path.name, "sources"]


def test_a_file_of_an_editors_own_is_never_written_over(folder: Path) -> None:
    path = put(folder, f"{REPORT.id}.md", 'title = "Mine"')
    mine = path.read_bytes()
    assert filed(folder).name.endswith(".incoming.md")
    assert path.read_bytes() == mine
    (folder / f"{REPORT.id}.md").write_bytes(b"+++\nbroken")
    assert filed(folder).name.endswith(".incoming.md")


def test_a_newer_text_whose_older_one_is_gone_is_read(folder: Path) -> None:
    path = put(folder, f"{REPORT.id}.md", 'title = "Mine"')
    filed(folder)
    path.unlink()
    assert [(one.id, one.title) for one in read(folder).reports] == [(REPORT.id, "The Last Ferry")]


def test_pictures_are_copied_beside_the_report(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "shots").mkdir(parents=True)
    (tmp_path / "inbox" / "shots" / "dam.jpg").write_bytes(b"dam")
    report = replace(REPORT, images=(Image("shots/dam.jpg", alt="A dam"),))
    path = filed(folder, report, origin=tmp_path / "inbox")
    assert (folder / REPORT.id / "dam.jpg").read_bytes() == b"dam"
    assert parse(path.read_text("utf-8"), name=path.name).images == (Image(f"{REPORT.id}/dam.jpg", alt="A dam"),)
    assert filed(folder, report, origin=tmp_path / "inbox") == path


def test_a_text_shows_its_pictures_where_they_are_now(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dam.jpg").write_bytes(b"dam")
    body = "![A dam]({0})\n\n![](<{0}>) and ![]({0} 'A') are not ![](dam.jpgs) or [dam.jpg](dam.jpg), at all.\n"
    report = replace(REPORT, body=body.format("dam.jpg"), images=(Image("dam.jpg"),))
    path = filed(folder, report, origin=tmp_path)
    assert parse(path.read_text("utf-8"), name=path.name).body == body.format(f"{REPORT.id}/dam.jpg")


def test_two_pictures_of_one_name_stay_two(folder: Path, tmp_path: Path) -> None:
    for where in ("a", "b"):
        (tmp_path / where).mkdir()
        (tmp_path / where / "dam.jpg").write_bytes(where.encode())
    report = replace(REPORT, images=(Image("a/dam.jpg", alt="A"), Image("b/dam.jpg", alt="B")))
    path = filed(folder, report, origin=tmp_path)
    images = parse(path.read_text("utf-8"), name=path.name).images
    assert [((folder / one.path).read_bytes(), one.alt) for one in images] == [(b"a", "A"), (b"b", "B")]


def test_a_picture_that_is_not_there_leaves_nothing_half_filed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ReportError) as caught:
        filed(folder, replace(REPORT, images=(Image("dam.jpg"),)), origin=tmp_path)
    assert caught.value.code == "image-missing"
    assert read(folder) == Shelf((), ())


def test_a_name_in_any_alphabet_can_be_filed(folder: Path) -> None:
    report = replace(REPORT, id=report_id(date(2026, 11, 20), "𐍈" * 90))
    filed(folder, replace(report, title="Mine"))
    put(folder, f"{report.id}.md", 'title = "Mine"')
    assert filed(folder, report).name == f"{report.id}.incoming.md"
    (folder / f"{report.id}.md").unlink()
    assert read_folder(filed(folder, report).parent, sections=(), now=NOW).reports[0].id == report.id


@pytest.mark.parametrize("at", ["reports", "reports/sources"])
def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path, at: str) -> None:
    (tmp_path / at).parent.mkdir(exist_ok=True)
    (tmp_path / at).write_text("a file where a folder should be")
    with pytest.raises(ReportError) as caught:
        filed(tmp_path / "reports")
    assert caught.value.code == "report-unwritable"
    assert caught.value.place == "reports/2026-11-20-the-last-ferry.md"


# --- the door ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "said"), [("a.pdf", ".pdf files are"), ("notes", "a file without an ending is")])
def test_a_kind_of_file_that_nobody_reads_is_set_aside_with_those_that_are(name: str, said: str) -> None:
    (aside,) = read_as(name, b"x", url=None, sections=SECTIONS, today=date(2026, 11, 24), zone=UTC)
    assert isinstance(aside, SetAside)
    assert aside.code == "unknown-kind"
    assert said in aside.message
    assert all(kind in aside.message for kind in READERS)


def test_a_kind_is_known_by_its_ending_in_any_case() -> None:
    (report,) = read_as("A.TXT", BODY.encode(), url=None, sections=SECTIONS, today=date(2026, 11, 24), zone=UTC)
    assert isinstance(report, Report)
