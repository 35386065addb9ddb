"""What is said before and inside TLS, and to whom a relay is logged in to."""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
import uvloop
from tests.transports.certificates import CertificateKind, Certificates
from tests.transports.listening import Listener, config, hold_to_account, letter, send
from tests.transports.relay import EVERYTHING, WITH_CHUNKING, Fault, Relay

from biweekly.errors import BiweeklyError, ConfigError, DeliveryInDoubt, RelayUnavailable
from biweekly.transports.sasl import Login
from biweekly.transports.smtp import USUAL, open_smtp

PASSWORD = "open sesame"
TOKEN = "ya29.a-secret-token"
ANNA = Login("anna", PASSWORD)
BEARER = Login("anna", token=TOKEN)
SHORT = timedelta(seconds=0.3)
OFFERS = {"pipelined": EVERYTHING, "chunked": WITH_CHUNKING}
Secured = Literal["implicit", "starttls"]
by_tls = pytest.mark.parametrize("tls", ["implicit", "starttls"])
by_offer = pytest.mark.parametrize("way", OFFERS)
by_loop = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@by_loop
@by_offer
@by_tls
def test_letters_and_the_login_go_inside_verified_tls(
    tls: Secured, way: str, loop_factory: Callable[[], asyncio.AbstractEventLoop], certificates: Certificates
) -> None:
    letters = [letter(1), letter(2, content=(b"x" * 998 + b"\r\n") * 3000), *(letter(number) for number in range(3, 9))]
    with Relay(
        offer=OFFERS[way], certificate=certificates.of("good"), implicit_tls=tls == "implicit",
        login=("anna", PASSWORD), mechanisms=["SCRAM-SHA-256", "PLAIN"],
    ) as relay:  # fmt: skip
        ear = send(
            relay, letters, tls=tls, ca_file=str(certificates.authority), user="anna", password_file="x", login=ANNA,
            loop_factory=loop_factory,
        )  # fmt: skip
    hold_to_account(ear, relay)
    assert ear.fates() == dict.fromkeys(range(1, 9), 250)
    assert [one.content for one in relay.accepted] == [b"".join(one.content) for one in letters]
    assert relay.logins_tried == 1
    (connection,) = relay.connections
    assert b"AUTH" not in connection.in_clear
    assert b"MAIL" not in connection.in_clear
    assert PASSWORD.encode() not in connection.in_tls
    assert connection.commands.count("EHLO [127.0.0.1]") == (2 if tls == "starttls" else 1)
    assert ("BDAT" in " ".join(connection.commands)) is (way == "chunked")


@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong-name"])
@by_tls
def test_a_certificate_that_does_not_verify_gets_no_login_and_no_letter(
    tls: Secured, kind: CertificateKind, certificates: Certificates
) -> None:
    with Relay(certificate=certificates.of(kind), implicit_tls=tls == "implicit", login=("anna", PASSWORD)) as relay:
        with pytest.raises(RelayUnavailable, match="certificate") as caught:
            send(
                relay, [letter()], tls=tls, ca_file=str(certificates.authority), user="anna", password_file="x",
                login=ANNA,
            )  # fmt: skip
        assert caught.value.code == "relay-tls"
        assert caught.value.hint
    assert relay.logins_tried == 0
    assert set(relay.connections[0].commands if relay.connections else []) <= {"EHLO [127.0.0.1]", "STARTTLS"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(at="starttls", do="reply", text="454 4.7.0 not now"),
        Fault(at="starttls", do="reply", text="500 what?"),
        Fault(at="starttls", do="inject", text="250 injected"),
        Fault(at="tls", do="drop"),
        Fault(at="tls", do="drop", after_bytes=3),
        Fault(at="tls", do="drop", after_bytes=200),
        Fault(at="tls", do="reset", after_bytes=500),
        Fault(at="tls", do="garbage"),
        Fault(at="ehlo", do="reply", text="250-relay.example\n250 AUTH PLAIN"),
    ],
    ids=["454", "500", "injected", "dropped", "cut at 3", "cut at 200", "reset at 500", "garbage", "not offered"],
)
@by_loop
def test_without_tls_nothing_is_said(
    fault: Fault, loop_factory: Callable[[], asyncio.AbstractEventLoop], certificates: Certificates
) -> None:
    with Relay(certificate=certificates.of("good"), login=("anna", PASSWORD), faults=[fault]) as relay:
        with pytest.raises(RelayUnavailable) as caught:
            send(
                relay, [letter()], tls="starttls", ca_file=str(certificates.authority), user="anna",
                password_file="x", login=ANNA, loop_factory=loop_factory,
            )  # fmt: skip
        assert caught.value.code == "relay-tls"
        assert caught.value.place == f"127.0.0.1:{relay.port}"
    assert relay.logins_tried == 0
    (connection,) = relay.connections
    assert b"AUTH" not in connection.in_clear + connection.in_tls
    assert b"MAIL" not in connection.in_clear + connection.in_tls


def test_a_relay_that_freezes_in_the_handshake_meets_a_limit(certificates: Certificates) -> None:
    with Relay(certificate=certificates.of("good"), faults=[Fault(at="tls", do="freeze")]) as relay:
        with pytest.raises(RelayUnavailable) as caught:
            send(
                relay, [letter()], tls="starttls", ca_file=str(certificates.authority),
                timeouts=replace(USUAL, handshake=SHORT),
            )  # fmt: skip
        assert caught.value.code == "relay-tls"


def test_a_plain_port_asked_for_implicit_tls_is_named(certificates: Certificates) -> None:
    with Relay() as relay:
        with pytest.raises(RelayUnavailable) as caught:
            send(relay, [letter()], tls="implicit", ca_file=str(certificates.authority))
        assert caught.value.code == "relay-tls"


def test_old_tls_is_refused(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.of("good"))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with Relay(certificate=certificates.of("good")) as relay:
        relay._house.context = context
        with pytest.raises(RelayUnavailable) as caught:
            send(relay, [letter()], tls="starttls", ca_file=str(certificates.authority))
    assert caught.value.code == "relay-tls"


# --- limits and losses under TLS --------------------------------------------------------------------------------------


@by_offer
@by_loop
def test_a_relay_that_has_read_all_gets_the_whole_time_for_its_answer_under_tls_too(
    way: str, loop_factory: Callable[[], asyncio.AbstractEventLoop], certificates: Certificates
) -> None:
    # A block's limit alone would end long before the relay has thought it over.
    limits = replace(USUAL, block=timedelta(milliseconds=5))
    big = letter(content=(b"x" * 998 + b"\r\n") * 20_000)
    with Relay(
        offer=OFFERS[way], certificate=certificates.of("good"), implicit_tls=True, crawl={"example.org": 2.0}
    ) as relay:
        ear = send(
            relay, [big], tls="implicit", ca_file=str(certificates.authority), timeouts=limits,
            loop_factory=loop_factory,
        )  # fmt: skip
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 250}


@by_offer
@by_loop
def test_a_relay_that_stops_reading_under_tls_is_in_doubt_after_the_limit_for_a_block(
    way: str, loop_factory: Callable[[], asyncio.AbstractEventLoop], certificates: Certificates
) -> None:
    big = letter(content=b"y" * 32_000_000)
    limits = replace(USUAL, block=timedelta(milliseconds=1), command=SHORT)
    with Relay(
        offer=OFFERS[way], certificate=certificates.of("good"), implicit_tls=True,
        faults=[Fault(at="content", do="stall")],
    ) as relay:  # fmt: skip
        ear = send(
            relay, [big], tls="implicit", ca_file=str(certificates.authority), timeouts=limits,
            loop_factory=loop_factory,
        )  # fmt: skip
    assert isinstance(ear.last(1), DeliveryInDoubt)
    assert relay.accepted == []


@by_offer
@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "bdat", "content", "dot"])
@pytest.mark.parametrize("do", ["drop", "reset", "garbage"])
def test_a_loss_under_tls_loses_and_doubles_nobody(way: str, at: str, do: str, certificates: Certificates) -> None:
    fault = Fault(at=at, do=do, nth=3, after_bytes=1)
    with Relay(offer=OFFERS[way], certificate=certificates.of("good"), implicit_tls=True, faults=[fault]) as relay:
        ear = send(
            relay, [letter(number) for number in range(1, 8)], tls="implicit", ca_file=str(certificates.authority)
        )
    hold_to_account(ear, relay)
    doubtful = [number for number, fate in ear.fates().items() if fate == "in doubt"]
    happens = at != ("data" if way == "chunked" else "bdat")
    assert bool(doubtful) is (happens and (way == "chunked" or at in ("content", "dot")))


# --- the login --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof_with_consent", [False, True])
@pytest.mark.parametrize(
    ("mechanisms", "login", "verb"),
    [
        (["PLAIN"], ANNA, "AUTH PLAIN"),
        (["LOGIN"], ANNA, "AUTH LOGIN"),
        (["LOGIN", "PLAIN", "SCRAM-SHA-256"], ANNA, "AUTH SCRAM-SHA-256"),
        (["SCRAM-SHA-256"], Login("a,nn=a", PASSWORD), "AUTH SCRAM-SHA-256"),
        (["PLAIN", "XOAUTH2"], BEARER, "AUTH XOAUTH2"),
    ],
)
def test_a_relay_is_logged_in_to_by_the_best_way_that_it_offers(
    mechanisms: list[str], login: Login, verb: str, proof_with_consent: bool
) -> None:
    known = (login.user, login.password or login.token)
    with Relay(login=known, mechanisms=mechanisms, proof_with_consent=proof_with_consent) as relay:
        ear = send(relay, [letter(1), letter(2)], user=login.user, password_file="x", login=login)
    assert ear.fates() == {1: 250, 2: 250}
    assert relay.connections[0].commands[1].startswith(verb)
    assert relay.logins_tried == 1


@pytest.mark.parametrize(
    ("mechanism", "login"),
    [
        ("PLAIN", Login("anna", "open barley")),
        ("LOGIN", Login("anna", "open barley")),
        ("SCRAM-SHA-256", Login("anna", "open barley")),
        ("SCRAM-SHA-256", Login("ann", PASSWORD)),
        ("XOAUTH2", Login("anna", token="ya29.expired")),
    ],
)
def test_a_login_that_is_wrong_is_tried_once(mechanism: str, login: Login) -> None:
    known = ("anna", TOKEN if login.token else PASSWORD)
    with Relay(login=known, mechanisms=[mechanism]) as relay:
        with pytest.raises(RelayUnavailable, match=r"535 5\.7\.8 wrong name or password") as caught:
            send(relay, [letter()], user=login.user, password_file="x", login=login)
        assert caught.value.code == "relay-login-refused"
    assert relay.logins_tried == 1
    assert len(relay.connections) == 1


@pytest.mark.parametrize("proof_with_consent", [False, True])
def test_an_impostor_that_takes_whoever_comes_gets_no_letter(proof_with_consent: bool) -> None:
    impostor = Fault(at="auth", do="impostor")
    with Relay(
        login=("anna", PASSWORD), mechanisms=["SCRAM-SHA-256"], faults=[impostor],
        proof_with_consent=proof_with_consent,
    ) as relay:  # fmt: skip
        with pytest.raises(RelayUnavailable, match="no proof") as caught:
            send(relay, [letter()], user="anna", password_file="x", login=ANNA)
        assert caught.value.code in ("relay-login-refused", "relay-protocol")
    assert not any(one.startswith("MAIL") for one in relay.connections[0].commands)


def test_a_login_that_is_refused_is_told_without_the_password() -> None:
    encoded = base64.b64encode(f"\0anna\0{PASSWORD}".encode()).decode()
    refusal = Fault(at="auth", do="reply", text=f"535 5.7.8 no user anna with {PASSWORD} ({encoded})")
    with Relay(login=("anna", PASSWORD), faults=[refusal]) as relay:
        with pytest.raises(RelayUnavailable, match="no user anna with") as caught:
            send(relay, [letter()], user="anna", password_file="x", login=ANNA)
        error = caught.value
        assert error.code == "relay-login-refused"
        assert PASSWORD not in f"{error!r} {error.args} {error.hint} {error.place}"
        assert encoded not in repr(error)
    assert relay.logins_tried == 1


def test_a_relay_that_repeats_the_password_to_a_letter_does_not_bring_it_into_the_books() -> None:
    refusal = Fault(at="rcpt", do="reply", text=f"550 5.7.1 {PASSWORD} is no reason")
    with Relay(login=("anna", PASSWORD), faults=[refusal]) as relay:
        ear = send(relay, [letter()], user="anna", password_file="x", login=ANNA)
    assert ear.reply(1).text == "(concealed) is no reason"


def test_a_session_does_not_show_the_password() -> None:
    async def story(relay: Relay) -> str:
        ear = Listener(deque())
        transport = await open_smtp(config(relay, user="anna", password_file="x"), ear, login=ANNA)
        wire = transport._wire
        shown = f"{transport!r} {transport._dialogue!r} {wire!r} {wire.opening!r} {wire.opening._terms!r}"
        await transport.close()
        return shown

    with Relay(login=("anna", PASSWORD)) as relay:
        assert PASSWORD not in asyncio.run(story(relay))


def test_a_user_without_a_password_is_a_configuration_error() -> None:
    with Relay(login=("anna", PASSWORD)) as relay:
        with pytest.raises(ConfigError) as caught:
            send(relay, [letter()], user="anna", password_file="x")
        assert caught.value.code == "password-missing"
    assert relay.connections == []


def test_a_login_that_is_not_asked_for_is_not_said() -> None:
    with Relay() as relay:
        ear = send(relay, [letter()], login=ANNA)
    assert ear.fates() == {1: 250}
    assert b"AUTH" not in relay.connections[0].in_clear


def test_authorities_that_cannot_be_read_are_a_configuration_error(tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate")
    for name in (nonsense, tmp_path / "missing.pem"):
        with Relay() as relay, pytest.raises(BiweeklyError) as caught:
            send(relay, [letter()], tls="starttls", ca_file=str(name))
        assert caught.value.code == "ca-file-unreadable"
