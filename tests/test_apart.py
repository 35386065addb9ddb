"""Rendering in a process of its own: the same bytes, the same errors, and nothing left behind here."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from biweekly.apart import freeze_apart
from biweekly.errors import BiweeklyError, NothingToDo, RenderError
from biweekly.model.issue import IssueId
from biweekly.newsroom import open_newsroom
from biweekly.publication import Publication, open_publication
from biweekly.sample import lay_out

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ISSUE = IssueId("2026-11-26")


@pytest.fixture
def publication(tmp_path: Path) -> Publication:
    lay_out(tmp_path, public_url="http://127.0.0.1:8765")
    found = open_publication(tmp_path, environ={})
    assert open_newsroom(found).compose_issue(now=NOW).issue.id == ISSUE
    return found


def test_an_edition_made_apart_is_the_one_made_here(publication: Publication) -> None:
    edition, (sha256, web_id, _) = freeze_apart(publication, ISSUE, NOW)
    here = open_newsroom(publication).render_issue(ISSUE, now=NOW)
    assert edition == here
    assert (sha256, web_id) == (here.sha256, here.web_id)


def test_what_is_wrong_is_said_with_its_place_and_its_cure(publication: Publication) -> None:
    (publication.root / "templates").mkdir()
    (publication.root / "templates" / "issue.mjml.j2").write_text("<mjml>\n{{ nothing }}</mjml>", "utf-8")
    with pytest.raises(RenderError) as apart:
        freeze_apart(publication, ISSUE, NOW)
    with pytest.raises(RenderError) as here:
        open_newsroom(publication).render_issue(ISSUE, now=NOW)
    assert apart.value.__dict__ == here.value.__dict__
    assert apart.value.place == "templates/issue.mjml.j2:2"
    with pytest.raises(NothingToDo) as missing:
        freeze_apart(publication, IssueId("2020-01-01"), NOW)
    assert missing.value.code == "no-such-issue"


@pytest.mark.parametrize("kind", [BiweeklyError, *BiweeklyError.__subclasses__()])
def test_every_error_goes_whole_from_one_process_to_another(kind: type[BiweeklyError]) -> None:
    import pickle

    error = kind.__new__(kind, "the cause")
    error.args = ("the cause",)
    error.__dict__.update(message="the cause", code="a-code", place="a:1", hint="a cure", line=1)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(back) is kind
    assert (str(back), back.__dict__) == (str(error), error.__dict__)


def test_a_sender_never_loads_what_renders(publication: Publication) -> None:
    script = (
        "import sys, pathlib; from datetime import datetime, UTC\n"
        "from biweekly.publication import open_publication; from biweekly.wiring import open_office\n"
        "if __name__ == '__main__':\n"
        "    office = open_office(open_publication(pathlib.Path(sys.argv[1]), environ={}), apart=True)\n"
        f"    print(office.mailings.plan('{ISSUE}').subscribers)\n"
        "    print(sorted({'jinja2', 'lxml', 'premailer', 'mjml', 'PIL', 'nh3'} & set(sys.modules)))\n"
    )
    file = publication.root / "look.py"
    file.write_text(script, "utf-8")
    ran = subprocess.run(
        [sys.executable, str(file), str(publication.root)], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.splitlines() == ["0", "[]"]
