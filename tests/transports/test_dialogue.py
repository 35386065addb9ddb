"""The state table, without a socket: what it says, what it makes of answers, and what a loss means where."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Lane, Letter, Phase, Spot
from biweekly.transports.commands import Login
from biweekly.transports.dialogue import Answered, Dialogue, Event, GoAhead, Gone, Ready, Secure, State, Terms
from biweekly.transports.replies import MOST_BYTES

LOGIN = Login("anna", "open sesame")
CONTENT = b"Subject: one\r\n\r\ntwo\r\n"


def letter(to: str = "bea@example.org", *, mail_from: str = "from@example.com", content: bytes = CONTENT) -> Letter:
    return Letter(Spot(Lane(0), 1), mail_from, to, (content,))


def opened(*offered: str, terms: Terms | None = None) -> Dialogue:
    dialogue = Dialogue(terms or Terms())
    assert dialogue.receive(b"220 relay.example ESMTP\r\n") == []
    lines = ["relay.example", *offered]
    reply = "".join(f"250{'-' if at < len(lines) - 1 else ' '}{line}\r\n" for at, line in enumerate(lines))
    assert dialogue.receive(reply.encode()) == [Ready()]
    dialogue.to_send()
    return dialogue


def invited(*offered: str) -> Dialogue:
    """Return a dialogue that was told to go ahead with a letter."""
    dialogue = opened("PIPELINING", *offered)
    assert dialogue.submit(letter()) == []
    dialogue.to_send()
    assert dialogue.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead()]
    return dialogue


def waiting(*offered: str) -> Dialogue:
    """Return a dialogue whose content has left."""
    dialogue = invited(*offered)
    assert b"".join(dialogue.content(letter())) == CONTENT + b".\r\n"
    return dialogue


def answer(events: list[Event]) -> tuple[int, Phase]:
    (event,) = events
    assert isinstance(event, Answered)
    return event.reply.code, event.reply.phase


# --- opening -------------------------------------------------------------------------------------------------------


def test_a_greeting_of_several_lines_is_one_greeting() -> None:
    dialogue = Dialogue(Terms())
    dialogue.introduce_as("mail.example.org")
    assert dialogue.receive(b"220-relay.example\r\n220-welcome\r\n") == []
    assert dialogue.to_send() == b""
    assert dialogue.receive(b"220 indeed\r\n") == []
    assert dialogue.to_send() == b"EHLO mail.example.org\r\n"


@pytest.mark.parametrize("banner", [b"554 no mail here\r\n", b"421 4.3.2 too busy\r\n", b"554-no\r\n554 never\r\n"])
def test_a_relay_that_greets_with_a_refusal_is_unavailable_in_its_own_words(banner: bytes) -> None:
    dialogue = Dialogue(Terms())
    with pytest.raises(RelayUnavailable, match=r"no|busy") as caught:
        dialogue.receive(banner)
    assert caught.value.code == "relay-refused"
    assert dialogue.closed
    assert dialogue.to_send() == b""


def test_helo_is_tried_where_ehlo_is_not_known() -> None:
    dialogue = Dialogue(Terms())
    dialogue.receive(b"220 old.example\r\n")
    dialogue.to_send()
    assert dialogue.receive(b"502 what?\r\n") == []
    assert dialogue.to_send() == b"HELO [127.0.0.1]\r\n"
    assert dialogue.receive(b"250 old.example\r\n") == [Ready()]
    dialogue.submit(letter())
    assert dialogue.to_send() == b"MAIL FROM:<from@example.com>\r\n"


@pytest.mark.parametrize("terms", [Terms(starttls=True), Terms(login=LOGIN, private=True)])
def test_helo_is_not_tried_where_it_could_not_give_what_is_needed(terms: Terms) -> None:
    dialogue = Dialogue(terms)
    dialogue.receive(b"220 old.example\r\n")
    dialogue.to_send()
    with pytest.raises(RelayUnavailable):
        dialogue.receive(b"502 what?\r\n")
    assert dialogue.to_send() == b""


def test_capabilities_are_read_again_after_tls() -> None:
    dialogue = Dialogue(Terms(starttls=True))
    dialogue.receive(b"220 relay.example\r\n")
    dialogue.receive(b"250-relay.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
    assert dialogue.to_send() == b"EHLO [127.0.0.1]\r\nSTARTTLS\r\n"
    assert dialogue.receive(b"220 ready\r\n") == [Secure()]
    dialogue.secured()
    assert not dialogue.capabilities.pipelining
    assert dialogue.to_send() == b"EHLO [127.0.0.1]\r\n"
    assert dialogue.receive(b"250-relay.example\r\n250 SMTPUTF8\r\n") == [Ready()]
    assert dialogue.capabilities.smtputf8
    assert dialogue.capabilities.most_bytes is None
    assert not dialogue.capabilities.pipelining


@pytest.mark.parametrize(
    "behind", [b"250 injected\r\n", b"2", b"250-relay.example\r\n250 AUTH PLAIN\r\n", b"\r\n", b"\x16\x03\x01"]
)
def test_text_behind_the_answer_to_starttls_is_an_error(behind: bytes) -> None:
    dialogue = Dialogue(Terms(starttls=True, login=LOGIN))
    dialogue.receive(b"220 relay.example\r\n")
    dialogue.receive(b"250-relay.example\r\n250 STARTTLS\r\n")
    dialogue.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        dialogue.receive(b"220 ready\r\n" + behind)
    assert caught.value.code == "relay-tls"
    assert dialogue.to_send() == b""


def test_text_before_the_handshake_is_an_error_in_a_packet_of_its_own_too() -> None:
    dialogue = Dialogue(Terms(starttls=True))
    dialogue.receive(b"220 relay.example\r\n")
    dialogue.receive(b"250-relay.example\r\n250 STARTTLS\r\n")
    assert dialogue.receive(b"220 ready\r\n") == [Secure()]
    with pytest.raises(RelayUnavailable) as caught:
        dialogue.receive(b"250 injected\r\n")
    assert caught.value.code == "relay-tls"


@pytest.mark.parametrize("reply", [b"250 relay.example\r\n", b"250-relay.example\r\n250 AUTH PLAIN\r\n"])
def test_a_relay_without_starttls_gets_neither_login_nor_letter(reply: bytes) -> None:
    dialogue = Dialogue(Terms(starttls=True, login=LOGIN))
    dialogue.receive(b"220 relay.example\r\n")
    dialogue.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        dialogue.receive(reply)
    assert caught.value.code == "relay-tls"
    assert dialogue.to_send() == b""


def test_a_password_is_never_said_in_the_clear_to_another_machine() -> None:
    dialogue = Dialogue(Terms(login=LOGIN, private=False))
    dialogue.receive(b"220 relay.example\r\n")
    dialogue.to_send()
    with pytest.raises(RelayUnavailable):
        dialogue.receive(b"250-relay.example\r\n250 AUTH PLAIN\r\n")
    assert dialogue.to_send() == b""


def test_a_login_is_tried_once_and_its_refusal_has_the_relays_words_without_the_password() -> None:
    dialogue = Dialogue(Terms(login=LOGIN, private=True))
    dialogue.receive(b"220 relay.example\r\n")
    dialogue.receive(b"250-relay.example\r\n250 AUTH LOGIN PLAIN\r\n")
    said = dialogue.to_send()
    assert said.count(b"AUTH") == 1
    with pytest.raises(RelayUnavailable, match="not good enough") as caught:
        dialogue.receive(b"535 5.7.8 open sesame (" + LOGIN.plain().encode() + b") is not good enough\r\n")
    assert caught.value.code == "relay-login-refused"
    assert "sesame" not in str(caught.value)
    assert LOGIN.plain() not in str(caught.value)
    assert dialogue.to_send() == b""


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"534 5.7.9 too weak\r\n", "relay-login-refused"),
        (b"454 4.7.0 come back\r\n", "relay-refused"),
        (b"421 4.3.2 bye\r\n", "relay-refused"),
        (b"334 \r\n", "relay-protocol"),
    ],
)
def test_other_answers_to_a_login_are_told_apart(reply: bytes, code: str) -> None:
    dialogue = Dialogue(Terms(login=LOGIN, private=True))
    dialogue.receive(b"220 relay.example\r\n250-relay.example\r\n250 AUTH PLAIN\r\n")
    with pytest.raises(RelayUnavailable) as caught:
        dialogue.receive(reply)
    assert caught.value.code == code


# --- the envelope ----------------------------------------------------------------------------------------------------


def test_an_envelope_is_one_write_where_the_relay_pipelines() -> None:
    dialogue = opened("PIPELINING", "SIZE 1000000")
    dialogue.submit(letter())
    size = len(CONTENT)
    assert dialogue.to_send() == (
        b"MAIL FROM:<from@example.com> SIZE=%d\r\nRCPT TO:<bea@example.org>\r\nDATA\r\n" % size
    )


def test_an_envelope_is_one_command_at_a_time_where_it_does_not() -> None:
    dialogue = opened()
    dialogue.submit(letter())
    assert dialogue.to_send() == b"MAIL FROM:<from@example.com>\r\n"
    assert dialogue.receive(b"250 ok\r\n") == []
    assert dialogue.to_send() == b"RCPT TO:<bea@example.org>\r\n"
    assert answer(dialogue.receive(b"550 5.1.1 nobody\r\n")) == (550, Phase.RCPT)
    assert dialogue.to_send() == b""
    dialogue.submit(letter("carl@example.org"))
    assert dialogue.to_send() == b"RSET\r\n"
    assert dialogue.receive(b"250 flushed\r\n") == []
    assert dialogue.to_send() == b"MAIL FROM:<from@example.com>\r\n"


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
    dialogue = opened("PIPELINING")
    dialogue.submit(letter())
    dialogue.to_send()
    *parts, last = [part + b"\r\n" for part in replies.split(b"\r\n")[:-1]]
    for part in parts:
        assert dialogue.receive(part) == []
    assert answer(dialogue.receive(last)) == verdict
    assert dialogue.to_send() == b""
    assert dialogue.closed is last.startswith(b"421")


def test_a_refused_reader_behind_a_354_gets_a_lone_dot_and_the_next_letter_a_fresh_start() -> None:
    dialogue = opened("PIPELINING")
    dialogue.submit(letter())
    dialogue.to_send()
    assert dialogue.receive(b"250 ok\r\n550 5.1.1 nobody\r\n354 go on\r\n") == []
    assert dialogue.to_send() == b".\r\n"
    assert answer(dialogue.receive(b"250 2.0.0 taken for nobody\r\n")) == (550, Phase.RCPT)
    dialogue.submit(letter("carl@example.org"))
    assert dialogue.to_send().startswith(b"RSET\r\nMAIL FROM:")
    assert dialogue.receive(b"250 flushed\r\n250 ok\r\n250 ok\r\n354 go\r\n") == [GoAhead()]


def test_a_refused_sender_with_an_accepted_reader_and_a_354_gets_no_dot() -> None:
    dialogue = opened("PIPELINING")
    dialogue.submit(letter())
    dialogue.to_send()
    assert answer(dialogue.receive(b"550 no\r\n250 ok\r\n354 go on\r\n")) == (550, Phase.MAIL)
    assert dialogue.closed
    assert dialogue.to_send() == b""


@pytest.mark.parametrize("end", [b"garbage\r\n", b"", b"354 again\r\n"])
def test_a_refusal_that_was_read_stands_whatever_happens_next(end: bytes) -> None:
    dialogue = opened("PIPELINING")
    dialogue.submit(letter())
    assert dialogue.receive(b"250 ok\r\n550 5.1.1 nobody\r\n") == []
    if not end.startswith(b"354"):
        events = dialogue.receive(end) if end else dialogue.lost("relay-closed", "the relay closed the connection")
        assert answer(events) == (550, Phase.RCPT)
        assert dialogue.closed
    else:
        dialogue.receive(end)
        assert answer(dialogue.lost("relay-timeout", "too slow")) == (550, Phase.RCPT)


@pytest.mark.parametrize(
    "replies",
    [b"354 go\r\n", b"250 ok\r\n354 go\r\n", b"250 ok\r\n250 ok\r\n250 ok\r\n", b"250 ok\r\n250 ok\r\n355 ?\r\n"],
)
def test_a_reply_that_a_command_cannot_have_ends_the_session_before_any_content(replies: bytes) -> None:
    dialogue = opened("PIPELINING")
    dialogue.submit(letter())
    with pytest.raises(RelayUnavailable) as caught:
        dialogue.receive(replies)
    assert caught.value.code == "relay-protocol"


def test_a_relay_that_closes_instead_of_taking_a_letter_has_not_tried_it() -> None:
    dialogue = opened("PIPELINING")
    dialogue.submit(letter())
    with pytest.raises(RelayUnavailable, match="enough for today") as caught:
        dialogue.receive(b"421 4.3.2 enough for today\r\n")
    assert caught.value.code == "relay-closed"


def test_a_goodbye_between_letters_closes_the_session() -> None:
    dialogue = opened()
    with pytest.raises(RelayUnavailable, match="idle"):
        dialogue.receive(b"421 4.4.2 idle for too long\r\n")


@pytest.mark.parametrize(
    ("mail_from", "to", "verdict"),
    [
        ("from@example.com", "bea@example.org>\r\nDATA", (553, Phase.RCPT)),
        ("from@example.com", "bea@example.org> NOTIFY=NEVER", (553, Phase.RCPT)),
        ("from@example.com", "", (553, Phase.RCPT)),
        ("from@example.com", "be\x7fa@example.org", (553, Phase.RCPT)),
        ("from@example.com\r\nRSET", "bea@example.org", (501, Phase.MAIL)),
    ],
)
def test_an_address_that_cannot_be_written_fails_alone(mail_from: str, to: str, verdict: tuple[int, Phase]) -> None:
    dialogue = opened("PIPELINING")
    assert answer(dialogue.submit(letter(to, mail_from=mail_from))) == verdict
    assert dialogue.to_send() == b""
    assert dialogue.submit(letter()) == []


def test_an_address_beyond_ascii_fails_alone_where_the_relay_cannot_take_it() -> None:
    dialogue = opened("PIPELINING")
    (event,) = dialogue.submit(letter("björn@example.org"))
    assert isinstance(event, Answered)
    assert (event.reply.code, event.reply.phase, event.reply.enhanced) == (550, Phase.MAIL, "5.6.7")
    assert dialogue.to_send() == b""
    able = opened("PIPELINING", "SMTPUTF8")
    assert able.submit(letter("björn@example.org")) == []
    assert able.to_send() == "MAIL FROM:<from@example.com> SMTPUTF8\r\nRCPT TO:<björn@example.org>\r\nDATA\r\n".encode()


def test_a_letter_larger_than_the_relay_takes_is_not_sent() -> None:
    dialogue = opened("PIPELINING", f"SIZE {len(CONTENT) - 1}")
    (event,) = dialogue.submit(letter())
    assert isinstance(event, Answered)
    assert (event.reply.code, event.reply.enhanced) == (552, "5.3.4")
    assert dialogue.to_send() == b""


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE x", "SIZE 99999999999999999999999", "SIZE ٣"])
def test_a_size_without_a_limit_is_no_limit(size: str) -> None:
    assert opened(size).capabilities.most_bytes is None


def test_a_bounce_has_an_empty_sender() -> None:
    dialogue = opened()
    dialogue.submit(letter(mail_from=""))
    assert dialogue.to_send() == b"MAIL FROM:<>\r\n"


# --- the content -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "closed"), [(b"250 2.0.0 taken\r\n", False), (b"554 5.7.1 no\r\n", False), (b"421 4.3.0 bye\r\n", True)]
)
def test_the_reply_to_the_content_is_the_letters_answer(reply: bytes, closed: bool) -> None:
    dialogue = waiting()
    assert answer(dialogue.receive(reply)) == (int(reply[:3]), Phase.CONTENT)
    assert dialogue.closed is closed


@pytest.mark.parametrize(
    "reply", [b"garbage\r\n", b"354 go on\r\n", b"250 no return\n", b"250-a\r\n251 b\r\n", b"550 p\xe5\r\n"]
)
def test_nonsense_after_the_dot_is_in_doubt(reply: bytes) -> None:
    with pytest.raises(DeliveryInDoubt) as caught:
        waiting().receive(reply)
    assert caught.value.code == "delivery-in-doubt"


def test_a_loss_after_the_dot_is_in_doubt_even_with_half_a_reply() -> None:
    dialogue = waiting()
    assert dialogue.receive(b"250 2.0.0 tak") == []
    with pytest.raises(DeliveryInDoubt):
        dialogue.lost("relay-closed", "the relay closed the connection")


def test_a_loss_before_the_first_byte_of_content_is_safe() -> None:
    with pytest.raises(RelayUnavailable):
        invited().lost("relay-closed", "the relay closed the connection")


def test_a_relay_that_thinks_better_of_its_invitation_gets_no_content() -> None:
    dialogue = invited()
    assert answer(dialogue.receive(b"451 4.3.0 on second thoughts\r\n")) == (451, Phase.CONTENT)
    assert not dialogue.invited
    assert dialogue.closed


@pytest.mark.parametrize("code", [b"250", b"354"])
def test_an_acceptance_before_all_content_has_left_is_in_doubt(code: bytes) -> None:
    dialogue = waiting()
    with pytest.raises(DeliveryInDoubt):
        dialogue.receive(code + b" thanks\r\n", unsent=True)


def test_a_refusal_before_all_content_has_left_is_the_answer_and_ends_the_session() -> None:
    dialogue = waiting()
    assert answer(dialogue.receive(b"552 5.3.4 too big\r\n", unsent=True)) == (552, Phase.CONTENT)
    assert dialogue.closed


def test_content_stops_where_the_relay_refuses_it_half_way() -> None:
    dialogue = invited()
    long = letter(content=b"x" * 998 + b"\r\n")
    many = Letter(long.spot, long.mail_from, long.rcpt_to, long.content * 1000)
    blocks = dialogue.content(many)
    assert not next(blocks).endswith(b"\r\n.\r\n")
    assert answer(dialogue.receive(b"552 5.3.4 too big\r\n")) == (552, Phase.CONTENT)
    assert list(blocks) == []


def test_a_session_carries_many_letters_and_takes_leave() -> None:
    dialogue = waiting()
    for _ in range(3):
        assert answer(dialogue.receive(b"250 taken\r\n")) == (250, Phase.CONTENT)
        dialogue.submit(letter())
        assert dialogue.to_send().startswith(b"MAIL")
        dialogue.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
        b"".join(dialogue.content(letter()))
    dialogue.receive(b"250 taken\r\n")
    dialogue.quit()
    assert dialogue.to_send() == b"QUIT\r\n"
    assert dialogue.receive(b"221 bye\r\n") == [Gone()]
    assert dialogue.closed


# --- anything --------------------------------------------------------------------------------------------------------

LINES = st.sampled_from([
    b"220 hi\r\n", b"250 ok\r\n", b"250-STARTTLS\r\n", b"250-AUTH PLAIN\r\n", b"250-PIPELINING\r\n", b"250 SIZE 99\r\n",
    b"235 in\r\n", b"354 go\r\n", b"421 bye\r\n", b"450 4.2.1 later\r\n", b"550 5.1.1 no\r\n", b"500\r\n", b"250 x\n",
])  # fmt: skip
TERMS = st.builds(
    Terms,
    implicit_tls=st.booleans(),
    starttls=st.booleans(),
    private=st.booleans(),
    login=st.sampled_from([None, LOGIN]),
)


@given(TERMS, st.lists(st.one_of(LINES, st.binary(max_size=40), st.just(None)), max_size=40), st.booleans())
def test_whatever_a_relay_says_is_an_event_or_a_transport_error(
    terms: Terms, script: list[bytes | None], at_once: bool
) -> None:
    dialogue = Dialogue(terms)
    password_said_in_clear = False
    encrypted = False
    pieces = script if at_once else [p[i : i + 1] if p else p for p in script for i in range(len(p or b"x"))]
    with contextlib.suppress(TransportError):
        for piece in pieces:
            if dialogue.state is State.HANDSHAKE and piece is None:
                dialogue.secured()
                encrypted = True
            elif dialogue.state is State.READY and piece is None:
                dialogue.submit(letter())
            elif dialogue.state is State.INVITED and piece is None:
                b"".join(dialogue.content(letter()))
            elif piece is not None:
                left = dialogue.state in (State.CONTENT, State.ANSWER)
                try:
                    dialogue.receive(piece)
                except DeliveryInDoubt:
                    assert left
                    raise
            said = dialogue.to_send()
            password_said_in_clear |= b"AUTH" in said and not encrypted
        dialogue.lost("relay-closed", "over")
    assert not password_said_in_clear or terms.private
    assert dialogue.closed
    assert dialogue.to_send() == b""


@given(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=60))
def test_memory_is_bounded_whatever_a_relay_says(pieces: list[bytes]) -> None:
    dialogue = Dialogue(Terms())
    with contextlib.suppress(TransportError):
        for piece in pieces:
            dialogue.receive(b"250-" + piece.replace(b"\n", b" "))
            assert len(dialogue._parser._buffer) <= MOST_BYTES + len(piece) + 4
