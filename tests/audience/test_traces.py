from pathlib import Path

from biweekly.audience.traces import files_holding


def test_files_that_still_hold_an_address_are_named(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "a.csv").write_text("name,email\nNino,NINO@Example.org\n")
    (tmp_path / "old" / "b.eml").write_bytes(b"To: <nino@example.org>\r\n")
    (tmp_path / "c.csv").write_text("giannino@example.org\nnino@example.org.ge-x\nnino@example.organic\n")
    (tmp_path / "d.csv").write_text("someone@bücher.example", encoding="cp1252")
    found = list(files_holding(["nino@example.org", "someone@xn--bcher-kva.example"], [tmp_path, tmp_path / "none"]))
    assert [one.name for one in found] == ["a.csv", "d.csv", "b.eml"]


def test_an_address_across_two_pieces_of_a_large_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_bytes(b"\n" * ((1 << 20) - 5) + b"nino@example.org\n")
    assert [one.name for one in files_holding(["nino@example.org"], [tmp_path])] == ["big.csv"]


def test_nobody_is_found_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    assert list(files_holding([], [tmp_path])) == []
