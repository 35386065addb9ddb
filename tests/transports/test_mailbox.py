"""The built-in mailbox: answers like a relay, keeps letters byte for byte, lets nothing leave."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from biweekly.errors import RelayUnavailable, StoreError, TransportError
from biweekly.model.mailing import Lane, Letter, Phase, Reply, Spot
from biweekly.transports.mailbox import GREYLISTED_FOR, Mailbox, list_caught, open_mailbox, read_caught

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def letter(to: str = "nino@d.example", *, subject: str = "A bridge opens") -> Letter:
    content = (
        f"Date: Thu, 26 Nov 2026 09:00:00 +0000\r\nTo: <{to}>\r\n".encode(),
        f"Subject: {subject}\r\n\r\n".encode(),
        b"Dear reader,\r\n.. and so on\r\n",
    )
    return Letter(Spot(Lane(0), 0), "news@review.example", to, content)


@dataclass
class Listener:
    """Keeps what it is told; `at_handing` is called in between."""

    at_handing: Callable[[], None] = lambda: None
    told: list[tuple[Letter, Reply | TransportError]] = field(default_factory=list)
    handings: int = 0

    def handed(self, letter: Letter) -> None:  # noqa: ARG002
        self.handings += 1
        self.at_handing()

    def answered(self, letter: Letter, answer: Reply | TransportError) -> None:
        self.told.append((letter, answer))

    def stirred(self) -> None:
        """Nothing here comes later."""


def box(folder: Path, ear: Listener | None = None, *, clock: Callable[[], datetime] = lambda: NOW) -> Mailbox:
    return Mailbox(folder, ear or Listener(), clock=clock)


def submit(mailbox: Mailbox, one: Letter) -> Reply:
    """Submit a letter and return its answer, which comes at once and once."""
    ear = mailbox._ear
    assert isinstance(ear, Listener)
    assert mailbox.room == 1
    before = len(ear.told)
    mailbox.submit(one)
    ((told, answer),) = ear.told[before:]
    assert told is one
    assert isinstance(answer, Reply)
    return answer


def test_a_letter_is_kept_byte_for_byte_and_numbered(tmp_path: Path) -> None:
    mailbox = box(tmp_path / "mailbox")
    assert submit(mailbox, letter()) == Reply(250, "stored as 1", Phase.CONTENT, "2.0.0")
    assert submit(mailbox, letter()).text == "stored as 2"
    assert (tmp_path / "mailbox/000001.eml").read_bytes() == b"".join(letter().content)
    assert read_caught(tmp_path / "mailbox", 2) == b"".join(letter().content)
    assert read_caught(tmp_path / "mailbox", 3) is None
    assert sorted(path.name for path in (tmp_path / "mailbox").iterdir()) == ["000001.eml", "000002.eml"]
    assert (tmp_path / "mailbox").stat().st_mode & 0o077 == 0


def test_numbers_go_on_in_the_next_process_and_nothing_is_written_over(tmp_path: Path) -> None:
    submit(box(tmp_path), letter(subject="first"))
    first, second = box(tmp_path), box(tmp_path)
    assert submit(first, letter(subject="second")).text == "stored as 2"
    # It has looked before the other one wrote, and finds its number taken.
    assert submit(second, letter(subject="third")).text == "stored as 3"
    assert submit(first, letter(subject="fourth")).text == "stored as 4"
    assert [one.subject for one in list_caught(tmp_path)] == ["first", "second", "third", "fourth"]


def test_what_was_caught_is_listed_oldest_first_by_its_headers(tmp_path: Path) -> None:
    mailbox = box(tmp_path)
    for number in range(1, 4):
        submit(mailbox, letter(f"r{number}@d.example", subject=f"=?utf-8?q?No=2E_{number}?="))
    found = list_caught(tmp_path)
    assert [(one.number, one.to, one.subject) for one in found] == [
        (number, f"r{number}@d.example", f"No. {number}") for number in range(1, 4)
    ]
    assert found[0].size_bytes == len((tmp_path / "000001.eml").read_bytes())
    assert found[0].date == "Thu, 26 Nov 2026 09:00:00 +0000"
    assert [one.number for one in list_caught(tmp_path, newest=2)] == [2, 3]
    assert list_caught(tmp_path, newest=0) == []
    assert list_caught(tmp_path / "nowhere") == []


def test_what_is_no_caught_letter_is_passed_over(tmp_path: Path) -> None:
    submit(box(tmp_path), letter())
    (tmp_path / "notes.eml").write_text("no letter")
    (tmp_path / ".123-4.part").write_text("half a letter")
    assert [one.number for one in list_caught(tmp_path)] == [1]


def test_a_letter_is_handed_before_it_is_there(tmp_path: Path) -> None:
    seen = []
    submit(box(tmp_path, Listener(lambda: seen.append(list_caught(tmp_path)))), letter())
    assert seen == [[]]


@pytest.mark.parametrize(
    "error", [StoreError("no room", code="journal-unwritable"), OSError(28, "No space left on device")]
)
def test_a_letter_that_may_not_leave_is_not_kept(tmp_path: Path, error: Exception) -> None:
    def refuse() -> None:
        raise error

    ear = Listener(refuse)
    mailbox = box(tmp_path, ear)
    with pytest.raises(type(error)):
        mailbox.submit(letter())
    assert (list(tmp_path.iterdir()), ear.told, mailbox.closed) == ([], [], False)


@pytest.mark.parametrize("to", ["bounce@d.example", "Bounce-me@d.example", "bounces+7@d.example"])
def test_a_bouncing_address_is_no_such_mailbox_and_nothing_was_handed(tmp_path: Path, to: str) -> None:
    ear = Listener()
    reply = submit(box(tmp_path, ear), letter(to))
    assert (reply.code, reply.enhanced, reply.phase) == (550, "5.1.1", Phase.RCPT)
    assert (ear.handings, list_caught(tmp_path)) == (0, [])


def test_a_greylisted_address_is_taken_once_it_has_waited_also_after_a_restart(tmp_path: Path) -> None:
    now = NOW

    def mailbox() -> Mailbox:
        return box(tmp_path, clock=lambda: now)

    reply = submit(mailbox(), letter("greylist.me@d.example"))
    assert (reply.code, reply.enhanced, reply.phase) == (451, "4.7.1", Phase.RCPT)
    now = NOW + GREYLISTED_FOR - timedelta(seconds=1)
    assert submit(mailbox(), letter("greylist.me@d.example")).code == 451
    now = NOW + GREYLISTED_FOR
    assert submit(mailbox(), letter("greylist.me@d.example")).code == 250
    # Another one waits by itself, and no address is left in the folder by name.
    assert submit(mailbox(), letter("greylist.other@d.example")).code == 451
    assert not any("@" in path.name or "@" in path.read_text() for path in (tmp_path / "greylist").iterdir())


@pytest.mark.parametrize("mark", ["", "soon", "nan", "inf", "1e300"])
def test_a_broken_mark_of_a_greylisting_begins_anew(tmp_path: Path, mark: str) -> None:
    now = NOW
    mailbox = box(tmp_path, clock=lambda: now)
    submit(mailbox, letter("greylist@d.example"))
    (path,) = (tmp_path / "greylist").iterdir()
    path.write_text(mark)
    assert submit(mailbox, letter("greylist@d.example")).code == 451
    now = NOW + GREYLISTED_FOR
    assert submit(mailbox, letter("greylist@d.example")).code == 250


def test_a_folder_that_cannot_be_written_is_a_relay_that_cannot_be_reached(tmp_path: Path) -> None:
    (tmp_path / "mailbox").write_text("a file in the way")
    ear = Listener()
    mailbox = box(tmp_path / "mailbox", ear)
    mailbox.submit(letter())
    ((_, answer),) = ear.told
    assert isinstance(answer, RelayUnavailable)
    assert (answer.code, ear.handings) == ("mailbox-unwritable", 0)
    assert (mailbox.room, mailbox.closed, mailbox.failure) == (0, True, answer)


def test_it_opens_and_closes_like_any_transport(tmp_path: Path) -> None:
    async def carry() -> Reply:
        mailbox = await open_mailbox(tmp_path, Listener(), clock=lambda: NOW)
        reply = submit(mailbox, letter())
        await mailbox.close()
        mailbox.cut()
        return reply

    assert asyncio.run(carry()).code == 250
    assert message_from_bytes((tmp_path / "000001.eml").read_bytes())["Subject"] == "A bridge opens"
