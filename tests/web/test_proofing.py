import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from biweekly.errors import BiweeklyError, NothingToDo
from biweekly.model.issue import IssueId
from biweekly.publication import data_root
from biweekly.web.proofing import Look, Proof, ProofDesk

ISSUE = IssueId("2026-11-26")
FERRY = "reports/2026-11-18-the-last-ferry-to-kerbent.md"


@pytest.fixture
def desk(publication: Path) -> ProofDesk:
    return ProofDesk(publication, environ={}, clock=lambda: datetime(2026, 11, 25, 9, tzinfo=UTC))


def good(look: Look) -> Proof:
    assert look.fault is None
    assert look.proof is not None
    return look.proof


def faulty(look: Look) -> BiweeklyError:
    assert look.fault is not None
    return look.fault


def own_template(root: Path, name: str, old: str, new: str) -> int:
    """Put a template with one change into the publication and return the line of the change."""
    text = (data_root() / "templates" / name).read_text("utf-8")
    assert old in text
    (root / "templates").mkdir(exist_ok=True)
    (root / "templates" / name).write_text(text.replace(old, new, 1), "utf-8")
    return text.split(old)[0].count("\n") + 1


def test_a_proof_is_the_issue_as_the_sample_reader_gets_it(desk: ProofDesk) -> None:
    proof = good(desk.look(ISSUE))
    assert "A Second Track Through the Gorge" in proof.html
    assert "reader@example.org" in proof.html
    assert "bwph_" not in proof.html + proof.text
    assert proof.sender_name == "The Steppe and Strait Review"
    assert proof.size_bytes == len(proof.html.encode())
    assert [one.report for one in proof.candidates if not one.included]


def test_nothing_is_rendered_again_while_nothing_has_changed(desk: ProofDesk) -> None:
    assert desk.look(ISSUE) is desk.look(ISSUE)


@pytest.mark.parametrize("saved", [FERRY, f"issues/{ISSUE}/issue.toml", "config.toml"])
def test_a_save_is_seen_at_the_next_look(desk: ProofDesk, publication: Path, saved: str) -> None:
    before = desk.look(ISSUE)
    path = publication / saved
    path.write_text(path.read_text("utf-8").replace("Ferry to", "Boat to") + "\n", "utf-8")
    assert desk.look(ISSUE) is not before
    assert ("Boat to" in good(desk.look(ISSUE)).html) is (saved == FERRY)


def test_a_save_that_keeps_the_size_is_told_by_its_time(desk: ProofDesk, publication: Path) -> None:
    before = good(desk.look(ISSUE))
    path = publication / FERRY
    path.write_text(path.read_text("utf-8").replace("Kerbent", "Kerbant"), "utf-8")
    os.utime(path, ns=(0, 1))
    assert "Kerbant" in good(desk.look(ISSUE)).html
    assert "Kerbant" not in before.html


def test_a_template_of_the_publication_is_used_and_its_going_is_seen(desk: ProofDesk, publication: Path) -> None:
    plain = good(desk.look(ISSUE)).html
    own_template(publication, "parts.mjml.j2", 'border-top="6px', 'border-top="9px')
    assert "border-top:9px" in good(desk.look(ISSUE)).html
    shutil.rmtree(publication / "templates")
    assert good(desk.look(ISSUE)).html == plain


def test_a_template_may_be_saved_with_the_line_ends_of_any_system(desk: ProofDesk, publication: Path) -> None:
    plain = good(desk.look(ISSUE)).html
    (publication / "templates").mkdir()
    for name in ("issue.mjml.j2", "parts.mjml.j2"):
        text = (data_root() / "templates" / name).read_bytes()
        (publication / "templates" / name).write_bytes(text.replace(b"\n", b"\r\n").replace(b"    <", b"\t<"))
    assert good(desk.look(ISSUE)).html.split() == plain.split()


def test_a_fault_stands_in_front_of_the_last_good_proof_with_its_lines(desk: ProofDesk, publication: Path) -> None:
    before = good(desk.look(ISSUE))
    line = own_template(publication, "parts.mjml.j2", 'border-top="6px', 'bordr-top="6px')
    look = desk.look(ISSUE)
    assert faulty(look).place == f"templates/parts.mjml.j2:{line}"
    assert look.proof is before
    assert [one.number for one in look.lines] == list(range(line - 2, line + 3))
    assert ["bordr-top" in one.text for one in look.lines] == [one.marked for one in look.lines]
    assert desk.look(ISSUE) is look
    shutil.rmtree(publication / "templates")
    assert good(desk.look(ISSUE)).html == before.html


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("{{ parts.masthead() }}", "{{ parts.mastead() }}", "template-undefined", "mastead"),
        ("{{ page.language }}", "{{ page.langage }}", "template-undefined", "langage"),
        ("{% if page.note %}", "{% if page.note ! %}", "template-syntax", "!"),
        ('<mj-breakpoint width="520px" />', "<mj-brekpoint />", "template-unknown-tag", "mj-brekpoint"),
        ('<mj-body width="640px"', '<mj-body widht="640px"', "template-unknown-attribute", "widht"),
        ('<mj-spacer height="1px" />', '<mj-spacer height="1px" ></mj-spcer>', "template-unclosed-tag", "mj-spacer"),
        ("{{ parts.masthead() }}", "<mj-text>a</mj-text>", "template-misplaced-tag", "mj-text"),
        ("{{ parts.masthead() }}", "<mj-raw><!--[if mso --></mj-raw>", "template-syntax", "conditional comment"),
        ('<mj-spacer height="1px" />', "<mj-text>5 < 6</mj-text>", "template-syntax", "well-formed"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_publications_own_template_has_its_file_and_line(
    desk: ProofDesk, publication: Path, old: str, new: str, code: str, said: str
) -> None:
    line = own_template(publication, "issue.mjml.j2", old, new)
    fault = faulty(desk.look(ISSUE))
    assert (fault.code, fault.place) == (code, f"templates/issue.mjml.j2:{line}")
    assert said in fault.message


def test_a_panic_of_the_compiler_is_a_fault_of_the_template(
    desk: ProofDesk, publication: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the dialect refuses never reaches the compiler; with that guard gone, it breaks down.
    own_template(publication, "issue.mjml.j2", "{{ parts.masthead() }}", "<mj-raw><!--[if mso --></mj-raw>")
    monkeypatch.setattr("biweekly.render.mjml.find_fault", lambda _: None)
    fault = faulty(desk.look(ISSUE))
    assert fault.code == "compiler-panicked"
    assert (fault.place or "").startswith("templates/issue.mjml.j2")
    assert fault.hint is not None


def test_a_stylesheet_that_is_none_is_a_fault_with_its_line(desk: ProofDesk, publication: Path) -> None:
    line = own_template(publication, "editorial.css", "li { margin", "@import url(x.css); li { margin")
    look = desk.look(ISSUE)
    assert (faulty(look).code, faulty(look).place) == ("style-at-rule", f"templates/editorial.css:{line}")
    assert any("@import" in one.text and one.marked for one in look.lines)


def test_an_issue_that_cannot_be_read_is_a_fault_and_not_an_end(desk: ProofDesk, publication: Path) -> None:
    before = good(desk.look(ISSUE))
    path = publication / "issues" / ISSUE / "issue.toml"
    written = path.read_text("utf-8")
    path.write_text("number = = 1\n" + written, "utf-8")
    look = desk.look(ISSUE)
    assert ":1" in (faulty(look).place or "")
    assert look.proof is before
    path.write_text(written, "utf-8")
    assert good(desk.look(ISSUE)).edition == before.edition


def test_a_fault_at_first_sight_has_nothing_behind_it(desk: ProofDesk, publication: Path) -> None:
    own_template(publication, "issue.mjml.j2", "{{ page.language }}", "{{ nothing }}")
    assert desk.look(ISSUE).proof is None
    assert desk.last_good(ISSUE) is None


def test_a_configuration_that_is_wrong_is_a_fault_too(desk: ProofDesk, publication: Path) -> None:
    path = publication / "config.toml"
    path.write_text(path.read_text("utf-8").replace("[web]", "[web]\nprot = 1"), "utf-8")
    assert "prot" in faulty(desk.look(ISSUE)).message


def test_issues_are_listed_newest_first(desk: ProofDesk, publication: Path) -> None:
    shutil.copytree(publication / "issues" / ISSUE, publication / "issues" / "2026-12-10")
    name, issues = desk.issues()
    assert name == "The Steppe and Strait Review"
    assert [one.id for one in issues] == ["2026-12-10", ISSUE]


def test_an_issue_is_understood_by_its_id_or_as_next(desk: ProofDesk) -> None:
    assert desk.resolve("next") == ISSUE
    assert desk.resolve(ISSUE) == ISSUE
    with pytest.raises(NothingToDo) as caught:
        desk.resolve("2001-01-01")
    assert caught.value.code == "no-such-issue"


def test_the_web_version_and_the_pictures_are_found_by_their_addresses(desk: ProofDesk) -> None:
    assert desk.by_web_id("x" * 24) is None
    proof = good(desk.look(ISSUE))
    assert desk.by_web_id(proof.edition.web_id) is proof
    picture = desk.picture(proof.edition.pictures[0].sha256)
    assert picture is not None
    assert picture.is_file()
    assert desk.picture("0" * 64) is None
