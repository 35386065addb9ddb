"""Letters over an open session, without a socket: what is said, what answers mean, and what a loss means where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import DeliveryInDoubt, RelayUnavailable
from biweekly.model.mailing import Lane, Letter, Phase, Reply, Spot
from biweekly.transports.dialogue import Dialogue
from biweekly.transports.envelope import Capabilities
from biweekly.transports.flight import Answered, Event, GoAhead
from biweekly.transports.replies import MOST_BYTES, ReplyParser
from biweekly.transports.sasl import Login

CONTENT = b"Subject: one\r\n\r\ntwo\r\n"
SIZE = len(CONTENT)
ENVELOPE = b"MAIL FROM:<from@example.com>\r\nRCPT TO:<bea@example.org>\r\nDATA\r\n"
CHUNK = b"MAIL FROM:<from@example.com>\r\nRCPT TO:<bea@example.org>\r\nBDAT %d LAST\r\n" % SIZE + CONTENT
LOCKSTEP: tuple[str, ...] = ()
PIPELINED = ("PIPELINING",)
CHUNKED = ("PIPELINING", "CHUNKING")
TAKEN = b"250 ok\r\n250 ok\r\n250 2.0.0 taken\r\n"  # a letter by BDAT


def letter(number: int = 1, to: str = "bea@example.org", *, content: bytes = CONTENT) -> Letter:
    return Letter(Spot(Lane(0), number), "from@example.com", to, (content,))


class Session(Dialogue):
    """A dialogue that keeps which letters were handed over."""

    def __init__(self, *offered: str, window: int = 4) -> None:
        super().__init__(Capabilities.of(offered), ReplyParser(), window=window)
        self.handed: list[Letter] = []

    def begin(self, *letters: Letter) -> bytes:
        """Submit letters and return what is said."""
        for one in letters:
            assert self.submit(one, handed=self.handed.append) is None
        return self.said()

    def said(self) -> bytes:
        return b"".join(self.to_send())


def invited(*offered: str) -> tuple[Session, Letter]:
    """Return a session that was told to go ahead with a letter."""
    session, one = Session("PIPELINING", *offered), letter()
    session.begin(one)
    assert session.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead(one)]
    return session, one


def waiting(*offered: str) -> tuple[Session, Letter]:
    """Return a session whose letter's content has left."""
    session, one = invited(*offered)
    session.content(one)
    assert session.said() == CONTENT + b".\r\n"
    return session, one


def answers(events: list[Event]) -> list[tuple[int, Phase]]:
    found = []
    for event in events:
        assert isinstance(event, Answered)
        assert isinstance(event.answer, Reply)
        found.append((event.answer.code, event.answer.phase))
    return found


def fates(events: list[Event]) -> dict[int, int | str]:
    """What became of each letter by its number: a code, `in doubt` or `unavailable`."""
    found: dict[int, int | str] = {}
    for event in events:
        assert isinstance(event, Answered)
        assert event.letter.spot.pos not in found
        match event.answer:
            case Reply(code=code):
                found[event.letter.spot.pos] = code
            case DeliveryInDoubt():
                found[event.letter.spot.pos] = "in doubt"
            case RelayUnavailable():
                found[event.letter.spot.pos] = "unavailable"
    return found


# --- the envelope ----------------------------------------------------------------------------------------------------


def test_an_envelope_is_one_write_where_the_relay_pipelines() -> None:
    assert Session(*PIPELINED).begin(letter()) == ENVELOPE
    sized = Session("PIPELINING", "SIZE 1000000").begin(letter())
    assert sized == ENVELOPE.replace(b"com>", b"com> SIZE=%d" % SIZE)


def test_an_envelope_is_one_command_at_a_time_where_it_does_not() -> None:
    session = Session()
    assert session.begin(letter()) == b"MAIL FROM:<from@example.com>\r\n"
    assert session.receive(b"250 ok\r\n") == []
    assert session.said() == b"RCPT TO:<bea@example.org>\r\n"
    assert answers(session.receive(b"550 5.1.1 nobody\r\n")) == [(550, Phase.RCPT)]
    assert session.said() == b""
    assert session.begin(letter(to="carl@example.org")) == b"RSET\r\n"
    assert session.receive(b"250 flushed\r\n") == []
    assert session.said() == b"MAIL FROM:<from@example.com>\r\n"


@pytest.mark.parametrize("offered", [LOCKSTEP, ("CHUNKING",)], ids=["nothing", "CHUNKING alone"])
def test_without_pipelining_there_is_room_for_one_letter_and_it_goes_by_data(offered: tuple[str, ...]) -> None:
    session = Session(*offered)
    session.begin(letter())
    assert session.room == 0
    session.receive(b"250 ok\r\n")
    session.receive(b"250 ok\r\n")
    assert session.said().endswith(b"DATA\r\n")
    session.receive(b"354 go\r\n")
    session.content(next(iter([one.letter for one in session._flights])))
    assert session.room == 0
    session.receive(b"250 taken\r\n")
    assert session.room == 1


@pytest.mark.parametrize(
    ("replies", "verdict"),
    [
        (b"550 5.7.1 not you\r\n503 no\r\n503 no\r\n", (550, Phase.MAIL)),
        (b"250 ok\r\n550 5.1.1 nobody\r\n503 no\r\n", (550, Phase.RCPT)),
        (b"250 ok\r\n450 4.2.1 later\r\n554 no valid recipients\r\n", (450, Phase.RCPT)),
        (b"250 ok\r\n251 forwarded\r\n451 4.3.0 later\r\n", (451, Phase.DATA)),
        (b"550 5.7.1 not you\r\n550 nobody\r\n421 bye\r\n", (550, Phase.MAIL)),
        (b"250 ok\r\n421 4.7.0 enough\r\n", (421, Phase.RCPT)),
    ],
)
def test_the_first_refusal_is_the_answer_after_all_replies_were_read(
    replies: bytes, verdict: tuple[int, Phase]
) -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    *parts, last = [part + b"\r\n" for part in replies.split(b"\r\n")[:-1]]
    for part in parts:
        assert session.receive(part) == []
    assert answers(session.receive(last)) == [verdict]
    assert session.said() == b""
    assert session.closed is last.startswith(b"421")
    assert session.handed == []


def test_a_refused_reader_behind_a_354_gets_a_lone_dot_and_the_next_letter_a_fresh_start() -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    assert session.receive(b"250 ok\r\n550 5.1.1 nobody\r\n354 go on\r\n") == []
    assert session.said() == b".\r\n"
    assert session.room == 0
    assert answers(session.receive(b"250 2.0.0 taken for nobody\r\n")) == [(550, Phase.RCPT)]
    carl = letter(2, "carl@example.org")
    assert session.begin(carl).startswith(b"RSET\r\nMAIL FROM:")
    assert session.receive(b"250 flushed\r\n250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead(carl)]


def test_a_refused_sender_with_an_accepted_reader_and_a_354_gets_no_dot() -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    assert answers(session.receive(b"550 no\r\n250 ok\r\n354 go on\r\n")) == [(550, Phase.MAIL)]
    assert session.closed
    assert session.said() == b""


@pytest.mark.parametrize("end", [b"garbage\r\n", b"", b"354 again\r\n"])
def test_a_refusal_that_was_read_stands_whatever_happens_next(end: bytes) -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    assert session.receive(b"250 ok\r\n550 5.1.1 nobody\r\n") == []
    events = session.receive(end) + session.lost("relay-timeout", "too slow")
    assert answers(events) == [(550, Phase.RCPT)]
    assert session.closed


@pytest.mark.parametrize(
    "replies",
    [b"354 go\r\n", b"250 ok\r\n354 go\r\n", b"250 ok\r\n250 ok\r\n250 ok\r\n", b"250 ok\r\n250 ok\r\n355 ?\r\n"],
)
def test_a_reply_that_a_command_cannot_have_ends_the_session_before_any_content(replies: bytes) -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    assert fates(session.receive(replies)) == {1: "unavailable"}
    assert session.failure is not None
    assert session.failure.code == "relay-protocol"
    assert session.handed == []


@pytest.mark.parametrize("offered", [LOCKSTEP, PIPELINED, CHUNKED])
@pytest.mark.parametrize("reply", [b"421 4.3.2 enough for today\r\n", b"503 5.5.1 you are out of turn\r\n"])
def test_a_relay_that_will_not_begin_has_not_tried_the_letter(reply: bytes, offered: tuple[str, ...]) -> None:
    session = Session(*offered)
    session.begin(letter())
    behind = b"" if reply.startswith(b"421") or offered != CHUNKED else b"503 5.5.1 no\r\n503 5.5.1 no\r\n"
    (event,) = session.receive(reply + behind)
    assert isinstance(event, Answered)
    assert isinstance(event.answer, RelayUnavailable)
    assert event.answer.code == "relay-closed"
    assert reply.decode().split(maxsplit=2)[2].strip() in event.answer.message
    assert session.closed
    assert session.room == 0


def test_a_refused_rset_ends_the_session_before_the_next_letter_is_begun() -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    session.receive(b"250 ok\r\n250 ok\r\n451 4.3.0 later\r\n")
    assert session.begin(letter(2)).startswith(b"RSET\r\n")
    assert fates(session.receive(b"502 5.5.1 what?\r\n")) == {2: "unavailable"}
    assert session.closed


def test_a_goodbye_between_letters_closes_the_session() -> None:
    session = Session()
    assert session.receive(b"421 4.4.2 idle for too long\r\n") == []
    assert session.closed
    assert session.failure is not None
    assert "idle for too long" in session.failure.message


def test_words_that_nobody_asked_for_close_the_session() -> None:
    session = Session()
    assert session.receive(b"250 hello again\r\n") == []
    assert session.failure is not None
    assert session.failure.code == "relay-protocol"


@pytest.mark.parametrize(
    ("mail_from", "to", "verdict"),
    [
        ("from@example.com", "bea@example.org>\r\nDATA", (553, Phase.RCPT)),
        ("from@example.com", "", (553, Phase.RCPT)),
        ("from@example.com\r\nRSET", "bea@example.org", (501, Phase.MAIL)),
    ],
)
@pytest.mark.parametrize("offered", [LOCKSTEP, PIPELINED, CHUNKED])
def test_an_address_that_cannot_be_written_fails_alone(
    mail_from: str, to: str, verdict: tuple[int, Phase], offered: tuple[str, ...]
) -> None:
    session = Session(*offered)
    refusal = session.submit(Letter(Spot(Lane(0), 1), mail_from, to, (CONTENT,)), handed=session.handed.append)
    assert refusal is not None
    assert (refusal.code, refusal.phase) == verdict
    assert session.said() == b""
    assert (session.handed, session.idle, session.closed) == ([], True, False)
    assert session.begin(letter()).startswith(b"MAIL")


def test_a_letter_is_begun_only_where_there_is_room() -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    with pytest.raises(RuntimeError):
        session.submit(letter(2), handed=session.handed.append)


def test_content_is_said_only_when_it_was_asked_for() -> None:
    session, one = waiting()
    with pytest.raises(RuntimeError):
        session.content(one)
    other, _ = invited()
    with pytest.raises(RuntimeError):
        other.content(letter(2))


# --- the content -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "closed"), [(b"250 2.0.0 taken\r\n", False), (b"554 5.7.1 no\r\n", False), (b"421 4.3.0 bye\r\n", True)]
)
def test_the_reply_to_the_content_is_the_letters_answer(reply: bytes, closed: bool) -> None:
    session, _ = waiting()
    assert answers(session.receive(reply)) == [(int(reply[:3]), Phase.CONTENT)]
    assert session.closed is closed


@pytest.mark.parametrize(
    "reply", [b"garbage\r\n", b"354 go on\r\n", b"250 no return\n", b"250-a\r\n251 b\r\n", b"550 p\xe5\r\n"]
)
@pytest.mark.parametrize("offered", [PIPELINED, CHUNKED])
def test_nonsense_after_the_content_is_in_doubt(reply: bytes, offered: tuple[str, ...]) -> None:
    if offered is CHUNKED:
        session = Session(*CHUNKED)
        session.begin(letter())
        assert session.receive(b"250 ok\r\n250 ok\r\n") == []
    else:
        session, _ = waiting()
    (event,) = session.receive(reply)
    assert isinstance(event, Answered)
    assert isinstance(event.answer, DeliveryInDoubt)
    assert event.answer.code == "delivery-in-doubt"
    assert session.closed


def test_a_loss_after_the_dot_is_in_doubt_even_with_half_a_reply() -> None:
    session, _ = waiting()
    assert session.receive(b"250 2.0.0 tak") == []
    assert fates(session.lost("relay-closed", "the relay closed the connection", by_relay=True)) == {1: "in doubt"}


def test_a_loss_before_the_first_byte_of_content_is_safe() -> None:
    session, one = invited()
    assert fates(session.lost("relay-closed", "the relay closed the connection", by_relay=True)) == {1: "unavailable"}
    assert not session.invited(one)
    assert session.lost("relay-closed", "again") == []


def test_a_loss_says_what_was_awaited() -> None:
    session = Session(*PIPELINED)
    session.begin(letter())
    (event,) = session.lost("relay-timeout", "the relay did not answer within 300 s")
    assert isinstance(event, Answered)
    assert str(event.answer) == "the relay did not answer within 300 s while waiting for its answer to MAIL"


def test_a_relay_that_thinks_better_of_its_invitation_gets_no_content() -> None:
    session, one = invited()
    assert answers(session.receive(b"451 4.3.0 on second thoughts\r\n")) == [(451, Phase.CONTENT)]
    assert not session.invited(one)
    assert session.closed


def test_a_relay_that_thinks_better_of_it_in_the_same_breath_gets_no_content_either() -> None:
    session, one = Session(*PIPELINED), letter()
    session.begin(one)
    go, answered = session.receive(b"250 ok\r\n250 ok\r\n354 go\r\n451 4.3.0 no\r\n")
    assert go == GoAhead(one)
    assert answers([answered]) == [(451, Phase.CONTENT)]
    assert not session.invited(one)


@pytest.mark.parametrize("code", [b"250", b"354"])
@pytest.mark.parametrize("offered", [PIPELINED, CHUNKED])
def test_an_acceptance_before_all_content_has_left_is_in_doubt(code: bytes, offered: tuple[str, ...]) -> None:
    if offered is CHUNKED:
        session = Session(*CHUNKED)
        session.begin(letter())
        session.receive(b"250 ok\r\n250 ok\r\n", unsent=5)
    else:
        session, _ = waiting()
    assert fates(session.receive(code + b" thanks\r\n", unsent=1)) == {1: "in doubt"}
    assert session.closed


def test_a_refusal_before_all_content_has_left_is_the_answer_and_ends_the_session() -> None:
    session, _ = waiting()
    assert answers(session.receive(b"552 5.3.4 too big\r\n", unsent=1)) == [(552, Phase.CONTENT)]
    assert session.closed
    assert session.said() == b""


def test_what_was_said_behind_the_content_may_be_unsent_when_it_is_answered() -> None:
    session, _ = waiting()
    behind = session.begin(letter(2))
    assert answers(session.receive(b"250 taken\r\n", unsent=len(behind))) == [(250, Phase.CONTENT)]
    other, _ = waiting()
    behind = other.begin(letter(2))
    assert fates(other.receive(b"250 taken\r\n", unsent=len(behind) + 1)) == {1: "in doubt", 2: "unavailable"}


def test_a_session_carries_many_letters_and_takes_leave() -> None:
    session, _ = waiting()
    for number in range(2, 5):
        assert answers(session.receive(b"250 taken\r\n")) == [(250, Phase.CONTENT)]
        one = letter(number)
        assert session.begin(one) == ENVELOPE
        assert not session.quit()
        session.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
        session.content(one)
        session.said()
    session.receive(b"250 taken\r\n")
    assert session.quit()
    assert session.said().endswith(b"QUIT\r\n")
    assert (session.room, session.phase) == (0, Phase.QUIT)
    assert session.receive(b"221 bye\r\n") == []
    assert session.closed
    assert session.failure is None


@pytest.mark.parametrize("end", [b"500 what?\r\n", b"garbage\r\n", b""])
def test_however_a_relay_takes_our_leave_it_is_no_failure(end: bytes) -> None:
    session = Session()
    session.quit()
    assert session.receive(end) == []
    assert session.lost("relay-closed", "the relay closed the connection", by_relay=True) == []
    assert session.closed
    assert session.failure is None


# --- two letters, pipelined -------------------------------------------------------------------------------------------


def pair() -> tuple[Session, Letter, Letter]:
    """Return a session with a letter's content said and the next one's envelope behind it."""
    session, first = waiting()
    assert session.room == 1
    second = letter(2)
    assert session.begin(second) == ENVELOPE
    assert session.room == 0
    return session, first, second


def test_two_letters_on_their_way_are_each_answered_by_its_own_reply() -> None:
    session, _, second = pair()
    assert fates(session.receive(b"250 2.0.0 the first\r\n")) == {1: 250}
    assert session.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead(second)]
    session.content(second)
    assert session.room == 1
    session.begin(letter(3))
    assert fates(session.receive(b"554 5.7.1 spam\r\n")) == {2: 554}
    assert fates(session.lost("relay-closed", "gone")) == {3: "unavailable"}


def test_a_first_letter_refused_at_its_end_leaves_the_next_its_chance() -> None:
    session, _, second = pair()
    assert fates(session.receive(b"554 5.7.1 spam\r\n")) == {1: 554}
    assert session.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead(second)]


def test_a_loss_between_two_letters_leaves_only_the_first_in_doubt() -> None:
    session, *_ = pair()
    assert fates(session.lost("relay-closed", "gone", by_relay=True)) == {1: "in doubt", 2: "unavailable"}
    other, *_ = pair()
    other.receive(b"250 taken\r\n")
    assert fates(other.lost("relay-closed", "gone", by_relay=True)) == {2: "unavailable"}


def test_a_relay_that_closes_with_its_answer_has_not_read_the_next_envelope() -> None:
    session, *_ = pair()
    assert fates(session.receive(b"421 4.3.0 bye\r\n")) == {1: 421, 2: "unavailable"}
    assert session.closed


def test_a_second_reader_refused_behind_a_354_takes_nothing_from_the_third() -> None:
    session, *_ = pair()
    assert fates(session.receive(b"250 taken\r\n250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n")) == {1: 250}
    assert session.said() == b".\r\n"
    assert session.room == 0
    assert fates(session.receive(b"554 no valid recipients\r\n")) == {2: 550}
    third = letter(3)
    assert session.begin(third) == b"RSET\r\n" + ENVELOPE
    assert session.receive(b"250 flushed\r\n250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead(third)]


# --- a window of letters, by chunks -----------------------------------------------------------------------------------


def window(so_many: int = 3) -> Session:
    session = Session(*CHUNKED, window=so_many)
    assert session.room == so_many
    said = session.begin(*(letter(number) for number in range(1, so_many + 1)))
    assert said == b"RSET\r\n".join([CHUNK] * so_many)
    assert session.room == 0
    assert [one.spot.pos for one in session.handed] == list(range(1, so_many + 1))
    return session


RESET = b"250 flushed\r\n"


def test_a_window_of_letters_leaves_as_groups_that_rset_parts() -> None:
    session = window(3)
    assert fates(session.receive(TAKEN + RESET + TAKEN)) == {1: 250, 2: 250}
    assert session.room == 2
    assert session.begin(letter(4)) == b"RSET\r\n" + CHUNK
    assert fates(session.receive(RESET + TAKEN + RESET + TAKEN)) == {3: 250, 4: 250}
    # After an acceptance the slate is clean, and RSET would only cost its answer.
    assert session.begin(letter(5)) == CHUNK


def test_after_a_refusal_the_next_chunk_begins_with_rset() -> None:
    session = window(1)
    assert fates(session.receive(b"250 ok\r\n550 5.1.1 nobody\r\n554 5.5.1 no valid recipients\r\n")) == {1: 550}
    assert session.begin(letter(2)) == b"RSET\r\n" + CHUNK


@pytest.mark.parametrize("behind", [b"503 5.5.1 no\r\n", b"554 5.5.1 no valid recipients\r\n", b"250 for nobody\r\n"])
def test_a_refused_reader_in_the_middle_of_a_window_fails_alone(behind: bytes) -> None:
    session = window(3)
    events = session.receive(TAKEN + RESET + b"250 ok\r\n550 5.1.1 nobody\r\n" + behind + RESET + TAKEN)
    assert fates(events) == {1: 250, 2: 550, 3: 250}
    assert not session.closed


def test_a_refused_sender_in_a_window_is_answered_by_the_refusal() -> None:
    session = window(2)
    events = session.receive(b"550 5.7.1 not you\r\n503 no\r\n503 no\r\n" + RESET + TAKEN)
    assert fates(events) == {1: 550, 2: 250}
    assert answers(events)[0] == (550, Phase.MAIL)


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (b"", {1: "in doubt", 2: "in doubt", 3: "in doubt"}),
        (b"250 ok\r\n", {1: "in doubt", 2: "in doubt", 3: "in doubt"}),
        (TAKEN, {1: 250, 2: "in doubt", 3: "in doubt"}),
        (TAKEN + RESET + TAKEN[:-5], {1: 250, 2: "in doubt", 3: "in doubt"}),
        (TAKEN + RESET + b"250 ok\r\n550 5.1.1 nobody\r\n", {1: 250, 2: 550, 3: "in doubt"}),
        (TAKEN + RESET + TAKEN + RESET + TAKEN, {1: 250, 2: 250, 3: 250}),
    ],
)
def test_a_lost_connection_leaves_in_doubt_exactly_those_that_were_handed_and_not_answered(
    came: bytes, expected: dict[int, int | str]
) -> None:
    session = window(3)
    events = session.receive(came) + session.lost("relay-closed", "gone", by_relay=True)
    assert fates(events) == expected


def test_a_letter_that_may_not_be_handed_is_not_said() -> None:
    def full(_: Letter) -> None:
        raise OSError(28, "No space left on device")

    session = Session(*CHUNKED)
    session.begin(letter(1))
    with pytest.raises(OSError, match="No space"):
        session.submit(letter(2), handed=full)
    assert session.said() == b""
    assert fates(session.lost("relay-closed", "cut")) == {1: "in doubt"}


def test_a_letter_of_a_window_is_answered_while_the_next_has_not_left() -> None:
    session = window(2)
    unsent = len(b"RSET\r\n" + CHUNK) - 3
    assert fates(session.receive(TAKEN, unsent=unsent)) == {1: 250}
    assert fates(session.receive(RESET + TAKEN, unsent=1)) == {2: "in doubt"}


def test_an_early_refusal_of_a_chunk_is_its_answer_and_the_session_goes_on() -> None:
    # The relay must read what was announced (RFC 3030 section 2); it need not wait for it to say no.
    session = window(2)
    early = session.receive(b"250 ok\r\n550 5.1.1 nobody\r\n554 5.5.1 no valid recipients\r\n", unsent=len(CHUNK) + 100)
    assert fates(early) == {1: 550}
    assert not session.closed
    assert fates(session.receive(RESET + TAKEN)) == {2: 250}


def test_a_relay_that_says_421_in_a_window_and_hangs_up_has_read_no_further() -> None:
    session = window(3)
    events = session.receive(TAKEN + RESET + b"250 ok\r\n250 ok\r\n421 4.7.0 enough\r\n")
    assert fates(events) == {1: 250, 2: 421}
    assert session.room == 0
    assert fates(session.lost("relay-closed", "the relay closed the connection", by_relay=True)) == {3: "unavailable"}
    assert session.failure is not None
    assert "421 4.7.0 enough" in session.failure.message


def test_a_relay_that_says_421_and_goes_on_is_believed_letter_by_letter() -> None:
    session = window(3)
    events = session.receive(b"250 ok\r\n421 4.7.0 enough\r\n503 no\r\n" + RESET + TAKEN + RESET + TAKEN)
    assert fates(events) == {1: 421, 2: 250, 3: 250}
    assert session.closed


@pytest.mark.parametrize("code", ["relay-timeout", "relay-protocol", "relay-closed"])
def test_a_relay_that_says_421_and_neither_hangs_up_nor_goes_on_leaves_the_rest_in_doubt(code: str) -> None:
    session = window(3)
    assert fates(session.receive(b"250 ok\r\n250 ok\r\n421 4.7.0 enough\r\n")) == {1: 421}
    assert fates(session.lost(code, "over")) == {2: "in doubt", 3: "in doubt"}


def test_421_to_mail_in_a_window_means_untried() -> None:
    session = window(2)
    assert session.receive(b"421 4.3.2 enough for today\r\n") == []
    assert session.room == 0
    assert fates(session.lost("relay-closed", "gone", by_relay=True)) == {1: "unavailable", 2: "unavailable"}


def test_a_letter_out_of_sequence_is_untried_and_the_session_ends_with_the_window() -> None:
    session = window(2)
    events = session.receive(b"503 5.5.1 nested MAIL\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n")
    assert fates(events) == {1: "unavailable"}
    assert (session.room, session.closed) == (0, False)
    assert fates(session.receive(RESET + TAKEN)) == {2: 250}
    assert session.closed


def test_a_letter_out_of_sequence_that_is_taken_all_the_same_was_taken() -> None:
    session = window(1)
    assert fates(session.receive(b"503 5.5.1 nested MAIL\r\n250 ok\r\n250 taken\r\n")) == {1: 250}


def test_a_relay_that_does_not_know_rset_says_nothing_about_the_letter_behind_it() -> None:
    session = window(3)
    unknown = b"502 5.5.1 what?\r\n"
    events = session.receive(TAKEN + unknown + b"250 ok\r\n550 5.1.1 nobody\r\n503 no\r\n" + unknown + TAKEN)
    assert fates(events) == {1: 250, 2: 550, 3: 250}


def test_a_window_is_never_wider_than_sixteen() -> None:
    assert Session(*CHUNKED, window=100).room == 16


# --- secrets ---------------------------------------------------------------------------------------------------------


LOGIN = Login("anna", "open sesame, please")


@pytest.mark.parametrize(
    "reply",
    [
        b"550 5.7.1 open sesame, please is wrong\r\n",
        b"550-5.7.1 " + b"x" * 490 + b"\r\n550 5.7.1 open sesame, please\r\n",
        b"550 5.7.1 " + b"x" * 485 + b" open sesame, please\r\n",
        b"AUTH PLAIN " + b"x" * 57 + b" " + LOGIN.plain().encode() + b"\r\n",
        b"250 open sesame, please \xff\r\n",
        b"421 4.7.0 open sesame, please\r\n",
        b"355 open sesame, please\r\n",
    ],
)
def test_a_secret_that_a_relay_repeats_is_not_passed_on_not_even_in_part(reply: bytes) -> None:
    dialogue = Dialogue(Capabilities.of(PIPELINED), ReplyParser(), conceal=LOGIN.conceal)
    dialogue.submit(letter(), handed=lambda _: None)
    events = dialogue.receive(reply) + dialogue.lost("relay-closed", "over")
    shown = f"{events!r} {dialogue.failure!r} {[str(one.answer) for one in events if isinstance(one, Answered)]}"
    assert "open s" not in shown
    assert LOGIN.plain()[:12] not in shown


# --- anything --------------------------------------------------------------------------------------------------------

LINES = st.sampled_from([
    b"220 hi\r\n", b"250 ok\r\n", b"250 2.0.0 taken\r\n", b"250-more\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n",
    b"354 go\r\n", b"421 bye\r\n", b"450 4.2.1 later\r\n", b"550 5.1.1 no\r\n", b"503 5.5.1 out of turn\r\n",
    b"500\r\n", b"250 x\n", TAKEN, RESET + TAKEN,
])  # fmt: skip
OFFERS = st.sampled_from([LOCKSTEP, PIPELINED, CHUNKED, ("CHUNKING",), (*CHUNKED, "SIZE 10")])
STEPS = st.one_of(LINES, st.binary(max_size=40), st.sampled_from(["submit", "submit", "quit", "stumble"]))


@given(OFFERS, st.integers(1, 4), st.lists(STEPS, max_size=40), st.integers(0, 60), st.booleans(), st.booleans())
def test_whatever_a_relay_says_each_letter_gets_one_answer_and_doubt_only_where_content_was_said(
    offered: tuple[str, ...],
    wide: int,
    steps: list[bytes | str],
    unsent: int,
    in_pieces: bool,
    by_relay: bool,
) -> None:
    session = Session(*offered, window=wide)
    submitted: list[int] = []
    told: list[Event] = []
    said = bytearray()

    def take(events: list[Event]) -> None:
        told.extend(events)
        for event in events:
            if isinstance(event, GoAhead) and session.invited(event.letter):
                session.handed.append(event.letter)
                session.content(event.letter)

    for step in steps:
        if step == "quit":
            session.quit()
        elif step in ("stumble", "submit"):
            if session.room > 0:
                number = len(submitted) + 1
                one = letter(number, "bad>address" if step == "stumble" else f"r{number}@example.org",
                             content=b"X-Number: %d\r\n\r\n" % number)  # fmt: skip
                submitted.append(number)
                refusal = session.submit(one, handed=session.handed.append)
                if refusal is not None:
                    told.append(Answered(one, refusal))
        elif isinstance(step, bytes):
            for piece in [step[at : at + 1] for at in range(len(step))] if in_pieces else [step]:
                take(session.receive(piece, unsent=unsent))
        assert session.room >= 0
        said += session.said()
        # What is content on the wire was handed over before.
        assert all(
            b"X-Number: %d\r\n" % one not in bytes(said) for one in submitted if one not in _numbers(session.handed)
        )
    take(session.lost("relay-closed", "over", by_relay=by_relay))
    answered = [one for one in told if isinstance(one, Answered)]
    assert sorted(one.letter.spot.pos for one in answered) == submitted
    for each in answered:
        number = each.letter.spot.pos
        if isinstance(each.answer, DeliveryInDoubt) or (isinstance(each.answer, Reply) and each.answer.code < 300):
            assert number in _numbers(session.handed)
            assert b"X-Number: %d\r\n" % number in bytes(said)
    assert session.closed
    assert session.said() == b""
    assert session.receive(b"250 ok\r\n") == []


def _numbers(letters: list[Letter]) -> set[int]:
    return {one.spot.pos for one in letters}


@given(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=60))
def test_memory_is_bounded_whatever_a_relay_says(pieces: list[bytes]) -> None:
    session = Session(*CHUNKED)
    session.begin(letter())
    for piece in pieces:
        session.receive(b"250-" + piece.replace(b"\n", b" "))
        assert len(session._parser._buffer) <= MOST_BYTES + len(piece) + 4
        assert sum(map(len, session._parser._lines)) <= MOST_BYTES


def test_nothing_piles_up_over_a_thousand_letters() -> None:
    session = Session(*CHUNKED, window=2)
    session.begin(letter(0))
    session.receive(TAKEN)
    for number in range(1, 1001):
        session.begin(letter(number))
        session.receive(TAKEN)
        assert len(session._flights) + len(session._expected) + len(session._out) == 0
        assert len(session._parser._buffer) <= len(TAKEN)
