"""How a session begins, without a socket: nothing is said that should not be, and nothing is trusted too early."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import RelayUnavailable
from biweekly.transports.opening import Opening, State, Terms
from biweekly.transports.replies import MOST_BYTES
from biweekly.transports.sasl import Login

LOGIN = Login("anna", "open sesame")
TOKEN = Login("anna", token="ya29.secret-token")
PRIVATE = Terms(login=LOGIN, private=True, nonce="nonce")


def ready(*offered: str) -> Opening:
    opening = Opening(Terms())
    opening.receive(b"220 relay.example ESMTP\r\n" + ehlo(*offered))
    assert opening.state is State.READY
    return opening


def ehlo(*offered: str) -> bytes:
    lines = ["relay.example", *offered]
    return "".join(f"250{'-' if at < len(lines) - 1 else ' '}{line}\r\n" for at, line in enumerate(lines)).encode()


def encoded(text: str | bytes) -> bytes:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode())


def logging_in(login: Login, *mechanisms: str) -> Opening:
    """Return an opening that has said AUTH, and what it said."""
    opening = Opening(Terms(login=login, private=True, nonce="nonce"))
    opening.receive(b"220 relay.example\r\n" + ehlo("AUTH " + " ".join(mechanisms)))
    return opening


def said_last(opening: Opening) -> bytes:
    return opening.to_send().split(b"\r\n")[-2]


def test_a_greeting_of_several_lines_is_one_greeting() -> None:
    opening = Opening(Terms())
    opening.introduce_as("mail.example.org")
    opening.receive(b"220-relay.example\r\n220-welcome\r\n")
    assert opening.to_send() == b""
    opening.receive(b"220 indeed\r\n")
    assert opening.to_send() == b"EHLO mail.example.org\r\n"


@pytest.mark.parametrize("banner", [b"554 no mail here\r\n", b"421 4.3.2 too busy\r\n", b"554-no\r\n554 never\r\n"])
def test_a_relay_that_greets_with_a_refusal_is_unavailable_in_its_own_words(banner: bytes) -> None:
    opening = Opening(Terms())
    with pytest.raises(RelayUnavailable, match=r"no|busy") as caught:
        opening.receive(banner)
    assert caught.value.code == "relay-refused"
    assert opening.state is State.CLOSED
    assert opening.to_send() == b""


def test_helo_is_tried_where_ehlo_is_not_known() -> None:
    opening = Opening(Terms())
    opening.receive(b"220 old.example\r\n")
    opening.to_send()
    opening.receive(b"502 what?\r\n")
    assert opening.to_send() == b"HELO [127.0.0.1]\r\n"
    opening.receive(b"250-old.example\r\n250 PIPELINING\r\n")
    assert opening.state is State.READY
    assert not opening.capabilities.pipelining


@pytest.mark.parametrize("terms", [Terms(starttls=True), PRIVATE])
def test_helo_is_not_tried_where_it_could_not_give_what_is_needed(terms: Terms) -> None:
    opening = Opening(terms)
    opening.receive(b"220 old.example\r\n")
    opening.to_send()
    with pytest.raises(RelayUnavailable):
        opening.receive(b"502 what?\r\n")
    assert opening.to_send() == b""


def test_words_behind_the_answer_to_ehlo_are_left_for_the_dialogue() -> None:
    opening = Opening(Terms())
    opening.receive(b"220 relay.example\r\n" + ehlo() + b"421 4.3.2 bye\r\n")
    assert opening.state is State.READY
    assert opening.parser.pending


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_capabilities_are_read_again_after_tls() -> None:
    opening = Opening(Terms(starttls=True))
    opening.receive(b"220 relay.example\r\n" + ehlo("PIPELINING", "SIZE 1000", "STARTTLS"))
    assert opening.to_send() == b"EHLO [127.0.0.1]\r\nSTARTTLS\r\n"
    opening.receive(b"220 ready\r\n")
    opening.secured()
    assert not opening.capabilities.pipelining
    assert opening.to_send() == b"EHLO [127.0.0.1]\r\n"
    opening.receive(ehlo("SMTPUTF8"))
    assert opening.state is State.READY
    assert opening.capabilities.smtputf8
    assert opening.capabilities.most_bytes is None
    assert not opening.capabilities.pipelining


@pytest.mark.parametrize(
    "behind", [b"250 injected\r\n", b"2", b"250-relay.example\r\n250 AUTH PLAIN\r\n", b"\r\n", b"\x16\x03\x01"]
)
def test_text_behind_the_answer_to_starttls_is_an_error(behind: bytes) -> None:
    opening = Opening(Terms(starttls=True, login=LOGIN))
    opening.receive(b"220 relay.example\r\n" + ehlo("STARTTLS"))
    opening.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(b"220 ready\r\n" + behind)
    assert caught.value.code == "relay-tls"
    assert opening.to_send() == b""


@pytest.mark.parametrize("implicit", [False, True])
def test_text_before_the_handshake_is_an_error_in_a_packet_of_its_own_too(implicit: bool) -> None:
    opening = Opening(Terms(starttls=not implicit, implicit_tls=implicit))
    if not implicit:
        opening.receive(b"220 relay.example\r\n" + ehlo("STARTTLS"))
        opening.receive(b"220 ready\r\n")
    assert opening.state is State.HANDSHAKE
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(b"250 injected\r\n")
    assert caught.value.code == "relay-tls"


@pytest.mark.parametrize("reply", [b"250 relay.example\r\n", b"250-relay.example\r\n250 AUTH PLAIN\r\n"])
def test_a_relay_without_starttls_gets_neither_login_nor_letter(reply: bytes) -> None:
    opening = Opening(Terms(starttls=True, login=LOGIN))
    opening.receive(b"220 relay.example\r\n")
    opening.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(reply)
    assert caught.value.code == "relay-tls"
    assert opening.to_send() == b""


@pytest.mark.parametrize("reply", [b"454 4.7.0 not now\r\n", b"500 what?\r\n", b"421 bye\r\n"])
def test_a_refused_starttls_is_the_end(reply: bytes) -> None:
    opening = Opening(Terms(starttls=True, login=LOGIN))
    opening.receive(b"220 relay.example\r\n" + ehlo("STARTTLS", "AUTH PLAIN"))
    opening.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(reply)
    assert caught.value.code == "relay-tls"
    assert opening.to_send() == b""


# --- the login -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", [LOGIN, TOKEN])
def test_a_secret_is_never_said_in_the_clear_to_another_machine(login: Login) -> None:
    opening = Opening(Terms(login=login))
    opening.receive(b"220 relay.example\r\n")
    opening.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(ehlo("AUTH PLAIN LOGIN XOAUTH2 SCRAM-SHA-256"))
    assert caught.value.code == "relay-tls"
    assert opening.to_send() == b""


def test_a_login_is_tried_once_and_its_refusal_has_the_relays_words_without_the_password() -> None:
    opening = logging_in(LOGIN, "LOGIN", "PLAIN")
    assert opening.to_send().count(b"AUTH") == 1
    with pytest.raises(RelayUnavailable, match="not good enough") as caught:
        opening.receive(b"535 5.7.8 open sesame (" + LOGIN.plain().encode() + b") is not good enough\r\n")
    assert caught.value.code == "relay-login-refused"
    assert caught.value.hint is not None
    assert "token_file" in caught.value.hint
    assert "sesame" not in str(caught.value)
    assert LOGIN.plain() not in str(caught.value)
    assert opening.to_send() == b""


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"534 5.7.9 too weak\r\n", "relay-login-refused"),
        (b"454 4.7.0 come back\r\n", "relay-refused"),
        (b"421 4.3.2 bye\r\n", "relay-refused"),
        (b"334 \r\n", "relay-protocol"),
        (b"355 go on\r\n", "relay-protocol"),
    ],
)
def test_other_answers_to_a_login_are_told_apart(reply: bytes, code: str) -> None:
    opening = logging_in(LOGIN, "PLAIN")
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(reply)
    assert caught.value.code == code


def test_where_there_is_no_way_to_log_in_what_there_is_is_named() -> None:
    with pytest.raises(RelayUnavailable, match="XOAUTH2; it offers CRAM-MD5, PLAIN") as caught:
        logging_in(TOKEN, "PLAIN", "CRAM-MD5")
    assert caught.value.code == "relay-login-refused"
    with pytest.raises(RelayUnavailable, match="no login at all"):
        Opening(PRIVATE).receive(b"220 relay.example\r\n" + ehlo())


def test_plain_goes_in_one_line() -> None:
    opening = logging_in(LOGIN, "PLAIN", "LOGIN")
    assert said_last(opening) == b"AUTH PLAIN " + LOGIN.plain().encode()
    opening.receive(b"235 2.7.0 welcome\r\n")
    assert opening.state is State.READY


def test_login_goes_word_by_word() -> None:
    opening = logging_in(LOGIN, "LOGIN")
    assert said_last(opening) == b"AUTH LOGIN"
    opening.receive(b"334 " + encoded("Username:") + b"\r\n")
    assert opening.to_send() == encoded("anna") + b"\r\n"
    opening.receive(b"334 " + encoded("Password:") + b"\r\n")
    assert opening.to_send() == encoded("open sesame") + b"\r\n"
    opening.receive(b"235 welcome\r\n")
    assert opening.state is State.READY


def test_a_refused_token_is_answered_with_an_empty_line_and_the_refusal_is_told() -> None:
    opening = logging_in(TOKEN, "XOAUTH2", "PLAIN")
    assert said_last(opening) == b"AUTH XOAUTH2 " + encoded("user=anna\x01auth=Bearer ya29.secret-token\x01\x01")
    opening.receive(b"334 " + encoded('{"status":"401"}') + b"\r\n")
    assert opening.to_send() == b"\r\n"
    with pytest.raises(RelayUnavailable, match=r"535 5\.7\.8 the token has expired") as caught:
        opening.receive(b"535 5.7.8 the token has expired\r\n")
    assert caught.value.code == "relay-login-refused"


@pytest.mark.parametrize("consent", [b"235 2.7.0 welcome\r\n", b"235\r\n", b"235 2.7.0 dj1BQUFB\r\n"])
def test_scram_without_a_proof_by_the_relay_is_no_login(consent: bytes) -> None:
    opening = logging_in(LOGIN, "SCRAM-SHA-256", "PLAIN")
    assert said_last(opening) == b"AUTH SCRAM-SHA-256 " + encoded("n,,n=anna,r=nonce")
    opening.receive(b"334 " + encoded("r=nonceAndMore,s=c2FsdHk=,i=4096") + b"\r\n")
    assert b"open sesame" not in base64.b64decode(opening.to_send())
    with pytest.raises(RelayUnavailable, match=r"no proof|UTF-8") as caught:
        opening.receive(consent)
    assert caught.value.code == "relay-login-refused"


@pytest.mark.parametrize(
    ("mechanism", "challenge"),
    [
        ("SCRAM-SHA-256", encoded("r=nonceAndMore,s=c2FsdHk=,i=open sesame\x07\x1b[31m")),
        ("PLAIN", encoded("open sesame")),
        ("LOGIN", b"no base64, open sesame"),
        ("PLAIN", LOGIN.plain().encode()),
    ],
)
def test_what_a_relay_asks_in_the_login_is_shown_without_secrets_and_can_be_printed(
    mechanism: str, challenge: bytes
) -> None:
    opening = logging_in(LOGIN, mechanism)
    opening.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(b"334 " + challenge + b"\r\n")
    assert caught.value.code == "relay-protocol"
    assert "sesame" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_error_that_scram_is_given_is_shown_without_secrets_and_can_be_printed() -> None:
    opening = logging_in(LOGIN, "SCRAM-SHA-256")
    opening.receive(b"334 " + encoded("r=nonceAndMore,s=c2FsdHk=,i=4096") + b"\r\n")
    opening.to_send()
    with pytest.raises(RelayUnavailable) as caught:
        opening.receive(b"235 " + encoded("e=open sesame\x1b[31m") + b"\r\n")
    assert "sesame" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_login_of_an_opening_does_not_show_itself() -> None:
    opening = logging_in(LOGIN, "PLAIN")
    shown = f"{opening!r} {opening._terms!r} {opening._way!r}"
    assert "sesame" not in shown
    assert "anna" not in shown


# --- anything --------------------------------------------------------------------------------------------------------

LINES = st.sampled_from([
    b"220 hi\r\n", b"250 ok\r\n", b"250-STARTTLS\r\n", b"250-AUTH PLAIN\r\n", b"250-AUTH SCRAM-SHA-256\r\n",
    b"250-AUTH LOGIN XOAUTH2\r\n", b"250-PIPELINING\r\n", b"250 SIZE 99\r\n", b"235 in\r\n", b"334 \r\n",
    b"334 " + encoded("r=nonceAndMore,s=c2FsdHk=,i=4096") + b"\r\n", b"421 bye\r\n", b"550 5.1.1 no\r\n", b"500\r\n",
    b"250 x\n", b"334 " + encoded("r=nonce2,s=AAAA,i=" + "9" * 5000) + b"\r\n",
])  # fmt: skip
TERMS = st.builds(
    Terms,
    implicit_tls=st.booleans(),
    starttls=st.booleans(),
    private=st.booleans(),
    login=st.sampled_from([None, LOGIN, TOKEN]),
    nonce=st.just("nonce"),
)


@given(TERMS, st.lists(st.one_of(LINES, st.binary(max_size=40), st.just(None)), max_size=40), st.booleans())
def test_whatever_a_relay_says_is_an_opening_or_a_relay_that_is_unavailable(
    terms: Terms, script: list[bytes | None], at_once: bool
) -> None:
    opening = Opening(terms)
    login_said_in_clear = encrypted = False
    pieces = script if at_once else [p[i : i + 1] if p else p for p in script for i in range(len(p or b"x"))]
    with contextlib.suppress(RelayUnavailable):
        for piece in pieces:
            if piece is not None:
                opening.receive(piece)
            elif opening.state is State.HANDSHAKE:
                opening.secured()
                encrypted = True
            said = opening.to_send()
            login_said_in_clear |= b"AUTH" in said and not encrypted
            assert b"MAIL" not in said
            if opening.state is State.READY:
                assert encrypted or not (terms.starttls or terms.implicit_tls)
        opening.lost("relay-closed", "over")
    assert opening.state is State.CLOSED
    assert not login_said_in_clear or terms.private
    assert opening.to_send() == b""


@given(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=60))
def test_memory_is_bounded_whatever_a_relay_says(pieces: list[bytes]) -> None:
    opening = Opening(Terms())
    with contextlib.suppress(RelayUnavailable):
        for piece in pieces:
            opening.receive(b"250-" + piece.replace(b"\n", b" "))
            assert len(opening.parser._buffer) <= MOST_BYTES + len(piece) + 4
