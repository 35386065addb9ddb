import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.audience.row import BadRow, Columns, Row, protect, understand, unprotect
from biweekly.model.issue import VariantName


@given(st.text())
def test_protecting_a_cell_is_undone_exactly(cell: str) -> None:
    assert unprotect(protect(cell)) == cell


@given(st.text("'=+-@\t\rab", max_size=6))
def test_no_protected_cell_begins_like_a_formula(cell: str) -> None:
    assert protect(cell)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-a@example.org", "@SUM(A1)", "\tx", "\rx", "'=x"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert protect(cell) == f"'{cell}"


def test_an_apostrophe_that_belongs_to_a_name_stays() -> None:
    assert protect("'t Hooft") == "'t Hooft"
    assert unprotect("'t Hooft") == "'t Hooft"


@pytest.mark.parametrize(
    "header",
    ["email", "E-Mail", "e-mail address", "E-Mail-Adresse", "EMAIL_ADDRESS", "Mail", "address", "Email Address "],
)
def test_common_names_of_the_address_column_are_known(header: str) -> None:
    assert understand(["Name", header]) == Columns(address=1, name=0)


def test_an_e_mail_column_wins_over_a_postal_address() -> None:
    columns = understand(["Address", "City", "E-mail", "Format", "Lang"])
    assert columns is not None
    assert (columns.address, columns.variant, columns.language) == (2, 3, 4)
    assert columns.unused == ("Address", "City")


def test_a_header_without_an_address_is_not_understood() -> None:
    assert understand(["City", "Name"]) is None


def test_first_and_last_name_make_a_name() -> None:
    columns = understand(["Last name", "First name", "email"])
    assert columns is not None
    assert columns.read(["Beridze", "Nino", "n@example.org"], line=2, recoded=False) == Row(
        2, "n@example.org", "Nino Beridze"
    )
    assert columns.read(["Beridze", "", "n@example.org"], line=2, recoded=False) == Row(2, "n@example.org", "Beridze")


@pytest.mark.parametrize(
    ("word", "variant"),
    [("HTML", VariantName.HTML), ("text", VariantName.TEXT), ("Text-only", VariantName.TEXT), ("", None)],
)
def test_formats_are_read(word: str, variant: VariantName | None) -> None:
    row = Columns(address=0, variant=1).read(["n@example.org", word], line=2, recoded=False)
    assert row == Row(2, "n@example.org", variant=variant)


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        (["", "Nino", ""], "no address"),
        (["n@example.org", "Nino\nBeridze", ""], "control character"),
        (["n@example.org", "Nino\u202eBeridze", ""], "control character"),
        (["n@example.org", "x" * 201, ""], "longer than 200"),
        (["n@example.org", "Nino", "carrier pigeon"], "neither html nor text"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(cells: list[str], part: str) -> None:
    row = Columns(address=0, name=1, variant=2).read(cells, line=9, recoded=False)
    assert isinstance(row, BadRow)
    assert row.line == 9
    assert part in row.reason


@pytest.mark.parametrize("name", ["لیلا مرادی‌نیا", "ნინო ბერიძე", "Đỗ Hồng Nhung", "A\N{NO-BREAK SPACE}B"])
def test_names_of_every_alphabet_pass_as_they_are(name: str) -> None:
    row = Columns(address=0, name=1).read(["n@example.org", name], line=2, recoded=False)
    assert row == Row(2, "n@example.org", name)


def test_a_short_line_has_empty_cells_at_its_end() -> None:
    assert Columns(address=0, name=5).read(["n@example.org"], line=2, recoded=False) == Row(2, "n@example.org")
