"""`biweekly reports`, as it is typed."""

from pathlib import Path

import pytest
from tests.cli.typed import Type, found_empty, typist

BODY = "The ferry has not come since the ice, and nobody in Kerbent has asked after it."
PAGE = f"""Wednesday, 06 May 2015

The Quarry Road

Published in Field Reports

By Anna Lund and Marek Holt (5/6/2015 issue of the Valley Review)

{BODY}

{BODY} The road is closed as well.

Read 411 times
"""
URL = "https://review.example/item/77-quarry.html"


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    return found_empty(tmp_path / "review", capsys)


@pytest.fixture
def typed(home: Path, capsys: pytest.CaptureFixture[str]) -> Type:
    return typist(home, "reports", capsys)


def put(home: Path, name: str, *settings: str, body: str = BODY) -> Path:
    path = home / "reports" / f"{name}.md"
    path.write_text("\n".join(["+++", *settings, "+++", "", body, ""]), "utf-8")
    return path


def page(tmp_path: Path, text: str = PAGE, name: str = "page.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


# --- import ------------------------------------------------------------------------------------------------------


def test_a_page_is_filed_and_told_in_words(home: Path, tmp_path: Path, typed: Type) -> None:
    done = typed("import", page(tmp_path), "--url", URL)
    assert done.code == 0
    assert done.out.splitlines() == [
        "reports/2015-05-06-the-quarry-road.md",
        "  The Quarry Road, by Anna Lund, Marek Holt",
        "  Field Reports, 2015-05-06, 22 words, ready",
    ]
    assert done.err == "1 report filed, 0 set aside. Next: biweekly issue compose\n"
    assert sorted(one.name for one in (home / "reports").iterdir()) == ["2015-05-06-the-quarry-road.md", "sources"]


def test_an_import_as_json_has_the_keys_that_scripts_rely_on(tmp_path: Path, typed: Type) -> None:
    done = typed("import", page(tmp_path), "--url", URL, "--json")
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert next(iter(document)) == "schema"
    assert document["schema"] == "biweekly/reports-import/1"
    assert document["set_aside"] == []
    (report,) = document["reports"]
    assert report | {
        "id": "2015-05-06-the-quarry-road", "source": str(tmp_path / "page.txt"), "kind": "report",
        "title": "The Quarry Road", "authors": [{"name": "Anna Lund"}, {"name": "Marek Holt"}],
        "section": "Field Reports", "published": "2015-05-06", "issue_date": "2015-05-06", "lead": BODY,
        "body": f"{BODY} The road is closed as well.\n", "url": URL, "warnings": [],
        "file": "reports/2015-05-06-the-quarry-road.md", "outcome": "filed",
    } == report  # fmt: skip


def test_a_dry_run_says_the_same_and_writes_nothing(home: Path, tmp_path: Path, typed: Type) -> None:
    done = typed("import", page(tmp_path), "--url", URL, "--dry-run", "--json")
    (report,) = done.document["reports"]
    assert (report["outcome"], report["file"], report["title"]) == ("read", None, "The Quarry Road")
    assert list((home / "reports").iterdir()) == []
    assert "nothing was written" in typed("import", page(tmp_path), "--dry-run").err


def test_what_cannot_be_read_is_set_aside_with_its_cure_the_rest_go_on_and_the_exit_code_is_1(
    home: Path, tmp_path: Path, typed: Type
) -> None:
    (tmp_path / "bad.md").write_text('+++\ntitle = "A"\nsection = Field Reports\n+++\n\n' + BODY, "utf-8")
    (tmp_path / "empty.txt").write_text("\n", "utf-8")
    (tmp_path / "letter.pdf").write_bytes(b"%PDF")
    sources = [tmp_path / name for name in ("bad.md", "empty.txt", "gone.txt", "letter.pdf")]
    done = typed("import", sources[0], page(tmp_path), *sources[1:])
    assert done.code == 1
    assert "reports/2015-05-06-the-quarry-road.md" in done.out
    assert f"set aside bad-front-matter: {sources[0]}:3: the front matter is not valid TOML" in done.err
    assert f"set aside empty-body: {sources[1]}: " in done.err
    assert f"set aside unreadable: {sources[2]}: it cannot be opened: No such file" in done.err
    assert f"set aside unknown-kind: {sources[3]}: " in done.err
    assert done.err.count("\n  help: ") == 4
    assert done.err.endswith("1 report filed, 4 set aside. Next: biweekly issue compose\n")
    assert (home / "reports" / "2015-05-06-the-quarry-road.md").exists()


def test_a_set_aside_file_has_its_place_in_json(tmp_path: Path, typed: Type) -> None:
    done = typed("import", page(tmp_path, "+++\n[\n\n", "bad.md"), "--json")
    assert done.code == 1
    (aside,) = done.document["set_aside"]
    assert (aside["source"], aside["code"], aside["line"]) == (str(tmp_path / "bad.md"), "bad-front-matter", 1)
    assert set(aside) >= {"source", "code", "message"}


def test_yaml_that_only_looks_like_yaml_is_read_with_a_warning(tmp_path: Path, typed: Type) -> None:
    text = f"---\ntitle: GEORGIA: THE HONEYMOON IS OVER\nauthor: Anna Lund\ndate: 2001-11-20\n---\n\n{BODY}\n"
    done = typed("import", page(tmp_path, text, "georgia.md"))
    assert done.code == 0
    assert "  GEORGIA: THE HONEYMOON IS OVER, by Anna Lund" in done.out
    assert "  line 2: yaml_repaired: " in done.out
    no = page(tmp_path, text.replace("GEORGIA: THE HONEYMOON IS OVER", "No"), "no.md")
    assert "  No, by Anna Lund" in typed("import", no).out


def test_a_picture_that_is_not_there_sets_its_report_aside(home: Path, tmp_path: Path, typed: Type) -> None:
    text = f'+++\ntitle = "The Dam"\nimages = ["dam.jpg"]\n+++\n\n{BODY}\n'
    done = typed("import", page(tmp_path, text, "dam.md"))
    assert (done.code, "set aside image-missing" in done.err) == (1, True)
    (tmp_path / "dam.jpg").write_bytes(b"jpeg")
    assert typed("import", tmp_path / "dam.md").code == 0
    assert (home / "reports" / "the-dam" / "dam.jpg").read_bytes() == b"jpeg"


def test_an_editors_own_work_is_never_written_over(home: Path, tmp_path: Path, typed: Type) -> None:
    typed("import", page(tmp_path))
    mine = home / "reports" / "2015-05-06-the-quarry-road.md"
    mine.write_text(mine.read_text("utf-8").replace("The Quarry Road", "My Quarry Road"), "utf-8")
    again = typed("import", page(tmp_path, PAGE.replace("closed as well", "closed too")))
    assert again.out.startswith("reports/2015-05-06-the-quarry-road.incoming.md\n")
    assert "your own file was changed since its import and stays" in again.out
    assert "My Quarry Road" in mine.read_text("utf-8")


def test_one_address_for_several_files_is_a_usage_error(tmp_path: Path, typed: Type) -> None:
    done = typed("import", page(tmp_path), page(tmp_path, name="other.txt"), "--url", URL)
    assert (done.code, "error url-for-many" in done.err) == (2, True)


def test_a_folder_that_cannot_be_written_sets_aside_in_words(home: Path, tmp_path: Path, typed: Type) -> None:
    (home / "reports").rmdir()
    (home / "reports").write_text("")
    done = typed("import", page(tmp_path))
    assert (done.code, "set aside report-unwritable" in done.err) == (1, True)


# --- list, show, check -------------------------------------------------------------------------------------------


def test_reports_are_listed_oldest_first_with_a_sign_where_there_is_something_to_look_at(
    home: Path, typed: Type
) -> None:
    put(
        home, "b", 'title = "The Dam"', 'authors = ["Anna Lund"]', "published = 2001-11-20", 'section = "Field Reports"'
    )
    put(home, "a", 'title = "The Ferry"', 'status = "hold"')
    done = typed("list")
    assert done.code == 0
    assert done.out.splitlines() == [
        "-           hold   -              The Ferry  (2 warnings)",
        "            a",
        "2001-11-20  ready  Field Reports  The Dam",
        "            b",
    ]
    assert done.err == "2 reports; biweekly reports show ID prints one.\n"
    assert [one["id"] for one in typed("list", "--json").document["reports"]] == ["a", "b"]


def test_a_list_ends_with_1_where_a_file_had_to_be_set_aside(home: Path, typed: Type) -> None:
    put(home, "a", 'title = "The Ferry"')
    put(home, "b", "title = ")
    put(home, "c", 'id = "a"', 'title = "Twice"')
    done = typed("list")
    assert done.code == 1
    assert "set aside bad-front-matter: reports/b.md:2" in done.err
    assert "set aside duplicate-id: reports/c.md: its id a is that of reports/a.md" in done.err
    as_json = typed("list", "--json")
    assert (as_json.code, [one["code"] for one in as_json.document["set_aside"]]) == (
        1,
        ["bad-front-matter", "duplicate-id"],
    )


def test_a_report_is_shown_by_its_id_or_the_beginning_of_it(home: Path, typed: Type) -> None:
    put(
        home,
        "2001-11-20-ferry",
        'title = "The Ferry"',
        'authors = ["Anna Lund"]',
        "embargo_until = 2026-12-01T09:00:00Z",
    )
    done = typed("show", "2001-11-20-f")
    assert done.code == 0
    assert "title      The Ferry" in done.out
    assert "status     ready, embargo until 2026-12-01 09:00 UTC" in done.out
    assert done.out.endswith(f"\n\n{BODY}\n")
    assert done.err == "look at no_date: line 2: it names no date\n"
    report = typed("show", "2001-11-20-ferry", "--json").document["report"]
    assert report["embargo_until"] == "2026-12-01T09:00:00+00:00"
    assert report["received"] is not None


def test_an_id_goes_before_those_that_only_begin_like_it(home: Path, typed: Type) -> None:
    put(home, "ferry", 'title = "The Ferry"')
    put(home, "ferry-2", 'title = "The Other Ferry"')
    assert "title      The Ferry\n" in typed("show", "ferry").out
    several = typed("show", "ferr")
    assert (several.code, "several reports begin like that: ferry-2, ferry" in several.err) == (1, True)


def test_a_report_that_is_not_there_or_set_aside_is_an_error_with_a_cure(home: Path, typed: Type) -> None:
    put(home, "b", "title = ")
    gone = typed("show", "ferry")
    assert (gone.code, gone.err.splitlines()[1]) == (1, "  help: biweekly reports list")
    aside = typed("show", "b")
    assert (aside.code, "error bad-front-matter: reports/b.md:2: it was set aside" in aside.err) == (1, True)


def test_a_check_names_every_warning_with_its_line(home: Path, typed: Type) -> None:
    put(home, "a", 'title = "The Ferry"', 'authors = ["Anna Lund"]', 'published = "soon"', 'mood = "grey"')
    put(home, "b", 'title = "The Dam"', 'authors = ["Anna Lund"]', "published = 2001-11-20")
    done = typed("check")
    assert done.code == 0
    assert done.out.splitlines() == [
        "reports/a.md",
        "  line 4: bad_date: published is no date; write 2026-11-24",
        "  line 5: unknown_key: unknown setting mood; it is kept",
        "2 reports read, 2 warnings, 0 set aside",
    ]
    put(home, "c", body="short")
    broken = typed("check", "--json")
    assert (broken.code, broken.document["warnings"]) == (1, 2)
    assert [one["code"] for one in broken.document["set_aside"]] == ["empty-body"]


def test_a_folder_that_is_none_is_an_error_in_words(home: Path, typed: Type) -> None:
    (home / "reports").rmdir()
    (home / "reports").write_text("")
    done = typed("list")
    assert (done.code, "error unreadable: reports/" in done.err) == (1, True)
