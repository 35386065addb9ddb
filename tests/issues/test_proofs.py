import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from biweekly.errors import IssueError
from biweekly.frozen import to_json
from biweekly.issues.proofs import NAMES, write_proofs
from biweekly.model.issue import Edition, IssueId, Picture, Variant, VariantName

SHA = "ab" * 32
EDITION = Edition(
    sha256="cd" * 32,
    issue=IssueId("2026-11-26"),
    subject="The ferry",
    preheader="It has not come.",
    sender="The Review <editors@review.example>",
    reply_to="editors@review.example",
    list_id="<review.review.example>",
    audience="all",
    public_url="https://news.review.example",
    nonce="n0nce",
    variants=(
        Variant(VariantName.TEXT, None, "text only"),
        Variant(
            VariantName.HTML,
            f'<p>Dear bwph_reader_name_n0nce,</p><img src="https://news.review.example/m/{SHA}">',
            "Leave: bwph_unsubscribe_url_n0nce\n",
        ),
    ),
    web_id="w",
    web="<p>web</p>",
    pictures=(Picture(SHA, "image/png", 10, 10),),
    reports=(),
)


def proofs(out: Path, picture: Path | None = None) -> tuple[str, ...]:
    return write_proofs(EDITION, out, to_json=to_json, picture=lambda _: picture)


def test_a_rendered_issue_is_four_files_as_the_sample_reader_gets_them(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "proof"
    assert proofs(out) == NAMES
    assert sorted(one.name for one in out.iterdir()) == sorted(NAMES)
    assert "Dear Sample Reader," in (out / "issue.html").read_text("utf-8")
    assert (out / "issue.txt").read_text("utf-8") == "Leave: https://news.review.example/u/sample\n"
    assert json.loads((out / "edition.json").read_bytes())["nonce"] == "n0nce"


def test_the_message_opens_in_a_mail_program_with_its_pictures_inside(tmp_path: Path) -> None:
    (tmp_path / "dam.png").write_bytes(b"png")
    proofs(tmp_path / "proof", tmp_path / "dam.png")
    message = message_from_bytes((tmp_path / "proof" / "issue.eml").read_bytes(), policy=default)
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    page = next(part for part in message.walk() if part.get_content_type() == "text/html").get_content()
    assert "cid:" in page
    assert "https://news.review.example/m/" not in page


def test_the_same_edition_gives_the_same_files(tmp_path: Path) -> None:
    proofs(tmp_path / "one")
    proofs(tmp_path / "two")
    for name in NAMES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_file_where_the_folder_should_be_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "proof").write_text("mine")
    with pytest.raises(IssueError) as caught:
        proofs(tmp_path / "proof")
    assert caught.value.code == "issue-unwritable"
    assert (tmp_path / "proof").read_text() == "mine"
