import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.audience.roster import Roster, read_roster, write_roster
from biweekly.audience.row import BadRow, Row
from biweekly.errors import RosterError
from biweekly.model.issue import VariantName


def _roster(folder: Path, content: str | bytes) -> Path:
    path = folder / "list.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _read(folder: Path, content: str | bytes) -> list[Row | BadRow]:
    return list(read_roster(_roster(folder, content)))


NINO = Row(2, "nino@example.org", "Nino Beridze")


@pytest.mark.parametrize(
    "content",
    [
        "email,name\nnino@example.org,Nino Beridze\n",
        "name,email\r\nNino Beridze,nino@example.org",
        "\ufeffEmail;Name\r\nnino@example.org;Nino Beridze\r\n",
        "Name\tE-Mail-Adresse\nNino Beridze\tnino@example.org\n",
        '"name","e-mail","city"\n"Nino Beridze","nino@example.org","Gori; Kartli"\n',
        "email,name\r nino@example.org , Nino Beridze \r",
        "email|name\nnino@example.org|Nino Beridze\n",
    ],
)
def test_common_shapes_of_a_list_are_read(tmp_path: Path, content: str) -> None:
    assert _read(tmp_path, content) == [NINO]


def test_the_line_with_which_excel_names_its_separator_is_obeyed(tmp_path: Path) -> None:
    rows = _read(tmp_path, "sep=;\r\nemail;name\r\nnino@example.org;Beridze, Nino\r\n")
    assert rows == [Row(3, "nino@example.org", "Beridze, Nino")]


def test_quoting_keeps_separators_and_quotation_marks(tmp_path: Path) -> None:
    rows = _read(tmp_path, 'email,name\nnino@example.org,"Beridze, ""Nino"""\n')
    assert rows == [Row(2, "nino@example.org", 'Beridze, "Nino"')]


def test_a_list_of_addresses_alone_needs_no_header(tmp_path: Path) -> None:
    rows = _read(tmp_path, "nino@example.org\n\nlevan@example.org\n")
    assert rows == [Row(1, "nino@example.org"), Row(3, "levan@example.org")]


def test_lines_in_windows_1252_are_read_and_flagged(tmp_path: Path) -> None:
    rows = _read(tmp_path, b"email,name\na@example.org,J\xf6rg\nb@example.org,J\xc3\xb6rg\n")
    assert rows == [
        Row(2, "a@example.org", "Jörg", recoded=True),
        Row(3, "b@example.org", "Jörg"),
    ]


def test_the_apostrophe_of_an_export_is_taken_back(tmp_path: Path) -> None:
    rows = _read(tmp_path, "email,name\n'+tag@example.org,'=cmd\n'o@example.org,'t Hooft\n")
    assert rows == [Row(2, "+tag@example.org", "=cmd"), Row(3, "'o@example.org", "'t Hooft")]


def test_formats_and_languages_are_read(tmp_path: Path) -> None:
    rows = _read(tmp_path, "email,format,language\nn@example.org,text,ka\n")
    assert rows == [Row(2, "n@example.org", variant=VariantName.TEXT, language="ka")]


def test_a_nul_byte_refuses_its_line_only(tmp_path: Path) -> None:
    rows = _read(tmp_path, "email,name\na@example.org,A\0\nb@example.org,B\n")
    assert rows == [BadRow(2, "a@example.org,A�", "The line holds a NUL byte."), Row(3, "b@example.org", "B")]


def test_a_giant_line_refuses_itself_only_and_fills_no_memory(tmp_path: Path) -> None:
    path = _roster(tmp_path, "email,name\n")
    with path.open("a") as file:
        file.writelines("x" * 1_000_000 for _ in range(20))
        file.write("\nb@example.org,B\n")
    tracemalloc.start()
    rows = list(read_roster(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(rows[0], BadRow)
    assert rows[0].reason == "The line is longer than 100,000 characters."
    assert len(rows[0].address) <= 120
    assert rows[1:] == [Row(3, "b@example.org", "B")]
    assert peak < 5_000_000


def test_a_quotation_mark_that_never_ends_loses_no_other_line(tmp_path: Path) -> None:
    others = [f"r{number}@example.org,R" for number in range(30_000)]
    rows = _read(tmp_path, "\n".join(["email,name", 'a@example.org,"A', *others]))
    assert isinstance(rows[0], BadRow)
    assert rows[0].line == 2
    assert "quotation marks" in rows[0].reason
    assert [row.address for row in rows[1:]] == [f"r{number}@example.org" for number in range(30_000)]
    assert [row.line for row in rows[1:]] == list(range(3, 30_003))


def test_a_broken_header_line_does_not_swallow_the_first_person(tmp_path: Path) -> None:
    rows = _read(tmp_path, 'email,"na"me\na@example.org,A\n')
    assert [row for row in rows if isinstance(row, Row)] == [Row(2, "a@example.org", "A")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04\x14\x00", "roster-kind"),
        ("email\nnino@example.org\n".encode("utf-16"), "roster-kind"),
        (b"\0" * 100_000, "roster-kind"),
        (b"", "roster-empty"),
        (b"\r\n \n", "roster-empty"),
        (b"city,name\nGori,Nino\n", "roster-header"),
        (b"nino@example.org,Nino\n", "roster-header"),
    ],
)
def test_what_is_no_list_is_one_clear_error(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(RosterError) as caught:
        _read(tmp_path, content)
    assert caught.value.code == code
    assert caught.value.place


def test_a_missing_file_and_a_folder_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(RosterError) as caught:
        read_roster(tmp_path / "none.csv")
    assert caught.value.code == "roster-missing"
    with pytest.raises(RosterError) as caught:
        read_roster(tmp_path)
    assert caught.value.code == "roster-unreadable"


def test_columns_that_nobody_asked_for_are_named(tmp_path: Path) -> None:
    roster = Roster(_roster(tmp_path, "email;name;city\na@example.org;A;Gori\n"))
    assert roster.columns.unused == ("city",)
    assert roster.separator == ";"


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail_otherwise_than_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("roster")
    for beginning in (b"", b"email,name\n"):
        try:
            for row in _read(folder, beginning + content):
                assert row.line >= 1
        except RosterError as error:
            assert error.place  # noqa: PT017 - either answer will do


@given(st.lists(st.text(st.sampled_from("ab@.,\"\n\r='; "), max_size=24), max_size=12))
def test_every_line_with_an_address_of_its_own_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, noise: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("roster")
    lines = ["email,name", *noise, "last@example.org,Last"]
    path = folder / "list.csv"
    path.write_text("\n".join(lines), newline="")
    found = list(read_roster(path))
    assert any("last@example.org" in (row.address + getattr(row, "name", "")) for row in found)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=9),
            st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=9),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_an_export_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("roster") / "out.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        assert write_roster(file, [("email", "name"), *people]) == len(people) + 1
    rows = [row for row in read_roster(path) if isinstance(row, Row)]
    expected = [
        (address, name.strip())
        for address, name in people
        if "\N{REPLACEMENT CHARACTER}" not in address + name and not _turns(name)
    ]
    assert [(row.address, row.name) for row in rows] == expected


def _turns(name: str) -> bool:
    return any(c in name for c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_an_export_quotes_every_cell_and_runs_nothing() -> None:
    file = io.StringIO()
    write_roster(file, [("=1+1", "a\0b"), ("-a@example.org", 'say "hi"')])
    assert file.getvalue() == '"\'=1+1","ab"\r\n"\'-a@example.org","say ""hi"""\r\n'
    assert list(csv.reader(io.StringIO(file.getvalue()))) == [["'=1+1", "ab"], ["'-a@example.org", 'say "hi"']]
