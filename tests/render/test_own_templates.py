"""A publication's own templates, broken, as `issue render` says it."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from biweekly.newsroom import open_newsroom
from biweekly.publication import data_root, open_publication
from biweekly.sample import lay_out


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("publication")
    lay_out(root, public_url="https://review.example")
    open_newsroom(open_publication(root, environ={})).compose_issue(now=datetime(2026, 11, 25, 9, tzinfo=UTC))
    (root / "templates").mkdir()
    return root


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        ("{{ page.sbject }}", "template-undefined", "sbject"),
        ("<mj-secton></mj-secton>", "template-unknown-tag", "did you mean <mj-section>?"),
        ('<mj-section pading="1px"></mj-section>', "template-unknown-attribute", "did you mean padding?"),
        ("<mj-raw><!--[if mso --></mj-raw>", "template-syntax", "conditional comment"),
        ("<mj-raw><!--[if mso", "template-syntax", "not well-formed"),
        ("<mj-section><mj-column><mj-text>5 < 6</mj-text></mj-column></mj-section>", "template-syntax", ""),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line_and_nothing_else(
    composed: Path, tmp_path: Path, written: str, code: str, said: str
) -> None:
    mark = "{{ parts.masthead() }}"
    text = (data_root() / "templates" / "issue.mjml.j2").read_text("utf-8")
    (composed / "templates" / "issue.mjml.j2").write_text(text.replace(mark, written + mark), "utf-8")
    line = text.split(mark)[0].count("\n") + 1
    out = tmp_path / "out"
    ran = subprocess.run(
        [sys.executable, "-m", "biweekly", "-C", composed, "issue", "render", "next", "--out", out],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"error {code}: templates/issue.mjml.j2:{line}: ")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "panicked" not in ran.stderr
    assert not out.exists()
