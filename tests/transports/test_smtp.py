"""Letters over real sockets, to a relay that does everything wrong that a relay can do."""

import asyncio
import base64
import email
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import uvloop
from aiosmtpd.controller import Controller
from tests.transports.certificates import Certificates
from tests.transports.relay import EVERYTHING, Accepted, Fault, Relay

from biweekly.config import RelayConfig
from biweekly.errors import BiweeklyError, ConfigError, DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Lane, Letter, Phase, Reply, Spot
from biweekly.transports.smtp import USUAL, SmtpTransport, open_smtp
from biweekly.transports.wire import Timeouts

PASSWORD = "open sesame"
SHORT = timedelta(seconds=0.3)
LOCKSTEP = tuple(one for one in EVERYTHING if one != "PIPELINING")
PSEUDO_TERMINATORS = (
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n\x00.\r\n",
)  # fmt: skip


def letter(number: int = 1, *, to: str = "", content: bytes = b"", utf8: bool = False) -> Letter:
    head = f"Message-ID: <{number}@news.example>\r\nSubject: one\r\n\r\n".encode()
    body = content or b"two\r\n.three\r\n"
    return Letter(Spot(Lane(0), number), "from@example.com", to or f"reader{number}@example.org", (head, body), utf8)


@dataclass
class Try:
    """What became of a letter, and how often `handed` was called for it."""

    answer: Reply | TransportError
    handed: int


def config(relay: Relay, tls: Literal["implicit", "starttls", "none"] = "none", **more: Any) -> RelayConfig:
    return RelayConfig(host="127.0.0.1", port=relay.port, tls=tls, **more)


async def attempt(transport: SmtpTransport, one: Letter) -> Try:
    calls = []
    try:
        answer: Reply | TransportError = await transport.submit(one, handed=lambda: calls.append(1))
    except TransportError as error:
        answer = error
    return Try(answer, len(calls))


def send(
    relay: Relay, letters: Sequence[Letter], *, timeouts: Timeouts = USUAL, password: str | None = None, **more: Any
) -> list[Try]:
    """Send letters as an engine does: a new connection after each that was closed."""

    async def story() -> list[Try]:
        tries = []
        transport: SmtpTransport | None = None
        for one in letters:
            if transport is None:
                transport = await open_smtp(config(relay, **more), password=password, timeouts=timeouts)
            tries.append(await attempt(transport, one))
            if transport.closed:
                await transport.close()
                transport = None
        if transport is not None:
            await transport.close()
        return tries

    return asyncio.run(story())


def codes(tries: Sequence[Try]) -> list[int | str]:
    return [one.answer.code for one in tries]


def test_letters_arrive_once_each_byte_for_byte_on_one_connection() -> None:
    letters = [letter(number) for number in range(5)]
    with Relay() as relay:
        tries = send(relay, letters)
    assert codes(tries) == [250] * 5
    assert [one.handed for one in tries] == [1] * 5
    assert [one.content for one in relay.accepted] == [b"".join(one.content) for one in letters]
    assert [one.recipients for one in relay.accepted] == [(one.rcpt_to,) for one in letters]
    assert relay.accepted[0].mail_from == "from@example.com"
    (connection,) = relay.connections
    assert connection.commands[0] == "EHLO [127.0.0.1]"
    assert connection.commands[-1] == "QUIT"
    assert "RSET" not in connection.commands


# --- every phase, every fault -----------------------------------------------------------------------------------------

LIMITS = {
    "banner": "banner", "ehlo": "command", "mail": "command", "rcpt": "command", "data": "data", "content": "answer",
    "dot": "answer",
}  # fmt: skip
WORKS: dict[str, tuple[str, ...]] = {
    "drop": ("relay-closed",),
    # A reset may be seen as such or as an end, whichever the system tells first.
    "reset": ("relay-closed",),
    "garbage": ("relay-protocol",),
    "oversize": ("relay-protocol",),
    "freeze": ("relay-timeout",),
    "drip": ("relay-timeout",),
}


@pytest.mark.parametrize("offer", [EVERYTHING, LOCKSTEP], ids=["pipelined", "lockstep"])
@pytest.mark.parametrize("do", WORKS)
@pytest.mark.parametrize("at", LIMITS)
def test_a_fault_in_any_phase_is_safe_before_the_content_and_in_doubt_after(
    at: str, do: str, offer: tuple[str, ...]
) -> None:
    limits = replace(USUAL, **{LIMITS[at]: SHORT}) if do in ("freeze", "drip") else USUAL
    long_text = "250 " + "x" * 400 if do == "drip" else ""
    with Relay(offer=offer, faults=[Fault(at=at, do=do, text=long_text, times=1, after_bytes=1)]) as relay:
        if at in ("banner", "ehlo"):
            with pytest.raises(RelayUnavailable) as caught:
                send(relay, [letter()], timeouts=limits)
            # A reset may come while the connection is still being made: then there never was one.
            early = ("relay-unreachable",) if (at, do) == ("banner", "reset") else ()
            assert caught.value.code in WORKS[do] + early
            assert caught.value.place == f"127.0.0.1:{relay.port}"
            assert relay.accepted == []
            return
        tries = send(relay, [letter(1), letter(2)], timeouts=limits)
    first, second = tries
    if at in ("content", "dot"):
        assert isinstance(first.answer, DeliveryInDoubt)
        assert first.handed == 1
    else:
        assert isinstance(first.answer, RelayUnavailable)
        assert first.answer.code in WORKS[do]
        assert first.handed == 0
    # One letter's fault is not the next one's.
    assert isinstance(second.answer, Reply)
    assert second.answer.code == 250
    assert second.handed == 1
    assert len(relay.connections) == 2


@pytest.mark.parametrize("do", ["accept-and-drop", "accept-and-garbage"])
def test_a_letter_that_was_taken_without_a_word_is_in_doubt(do: str) -> None:
    with Relay(faults=[Fault(at="dot", do=do)]) as relay:
        (one,) = send(relay, [letter()])
    assert isinstance(one.answer, DeliveryInDoubt)
    assert len(relay.accepted) == 1


@pytest.mark.parametrize("after_bytes", [0, 1, 20, 60])
def test_a_drop_anywhere_in_the_content_is_in_doubt(after_bytes: int) -> None:
    with Relay(faults=[Fault(at="content", do="drop", after_bytes=after_bytes)]) as relay:
        (one,) = send(relay, [letter()])
    assert isinstance(one.answer, DeliveryInDoubt)
    assert relay.accepted == []


def test_a_relay_that_stops_reading_half_way_is_in_doubt_after_the_limit_for_a_block() -> None:
    big = letter(content=b"x" * 998 + b"\r\n" + b"y" * 32_000_000)
    with Relay(faults=[Fault(at="content", do="stall")]) as relay:
        (one,) = send(relay, [big], timeouts=replace(USUAL, block=SHORT))
    assert isinstance(one.answer, DeliveryInDoubt)
    assert "0.3 s" in one.answer.message
    assert relay.accepted == []


def test_a_relay_that_drips_its_envelope_meets_the_limit_for_the_whole_letter() -> None:
    slow = [Fault(at=at, do="drip", text="250 " + "x" * 60) for at in ("mail", "rcpt")]
    with Relay(offer=LOCKSTEP, faults=slow) as relay:
        (one,) = send(relay, [letter()], timeouts=replace(USUAL, letter=timedelta(seconds=1)))
    assert isinstance(one.answer, RelayUnavailable)
    assert (one.answer.code, one.handed) == ("relay-timeout", 0)


def test_a_relay_that_drips_its_greeting_meets_the_limit_for_opening() -> None:
    with (
        Relay(faults=[Fault(at="banner", do="drip", text="220 " + "x" * 400)]) as relay,
        pytest.raises(RelayUnavailable) as caught,
    ):
        send(relay, [letter()], timeouts=replace(USUAL, opening=SHORT))
    assert caught.value.code == "relay-timeout"


def test_a_slow_relay_that_keeps_within_the_limits_is_waited_for() -> None:
    with Relay(faults=[Fault(at="dot", do="drip")]) as relay:
        (one,) = send(relay, [letter()])
    assert one.answer.code == 250
    assert len(relay.accepted) == 1


def test_after_the_dot_a_relay_gets_ten_minutes() -> None:
    assert timedelta(minutes=10) <= USUAL.of(Phase.CONTENT)


def test_nobody_at_the_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    relay = RelayConfig(host="127.0.0.1", port=port, tls="none")
    with pytest.raises(RelayUnavailable) as caught:
        asyncio.run(open_smtp(relay))
    assert caught.value.code == "relay-unreachable"
    assert caught.value.hint


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [EVERYTHING, LOCKSTEP], ids=["pipelined", "lockstep"])
@pytest.mark.parametrize(
    ("at", "text", "phase", "handed"),
    [
        ("mail", "550 5.7.1 not you", Phase.MAIL, 0),
        ("rcpt", "550 5.1.1 nobody", Phase.RCPT, 0),
        ("rcpt", "451 4.7.1 greylisted", Phase.RCPT, 0),
        ("rcpt", "421 4.7.0 enough", Phase.RCPT, 0),
        ("data", "451 4.3.0 not now", Phase.DATA, 0),
        ("dot", "554 5.7.1 spam", Phase.CONTENT, 1),
        ("dot", "421 4.3.0 closing", Phase.CONTENT, 1),
        ("dot", "550-5.7.26 not\n550 5.7.26 authenticated", Phase.CONTENT, 1),
    ],
)
def test_a_refusal_is_an_answer_and_the_next_letter_arrives(
    at: str, text: str, phase: Phase, handed: int, offer: tuple[str, ...]
) -> None:
    with Relay(offer=offer, faults=[Fault(at=at, do="reply", text=text, nth=1)]) as relay:
        first, second = send(relay, [letter(1), letter(2)])
    assert isinstance(first.answer, Reply)
    assert (first.answer.code, first.answer.phase, first.handed) == (int(text[:3]), phase, handed)
    assert first.answer.enhanced == text[4:].split(maxsplit=1)[0]
    assert second.answer.code == 250
    assert relay.pairs() == {("<2@news.example>", "reader2@example.org"): 1}
    assert len(relay.connections) == (2 if text.startswith("421") else 1)


def test_a_refused_reader_behind_a_354_is_refused_and_nothing_of_the_letter_leaves() -> None:
    faults = [
        Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", nth=1),
        Fault(at="data", do="reply", text="354 go on", nth=1),
    ]
    with Relay(faults=faults) as relay:
        first, second = send(relay, [letter(1), letter(2)])
    assert isinstance(first.answer, Reply)
    assert (first.answer.code, first.answer.phase, first.handed) == (550, Phase.RCPT, 0)
    assert second.answer.code == 250
    assert [one.message_id for one in relay.accepted] == ["<2@news.example>"]
    (connection,) = relay.connections
    assert b"<1@news.example>" not in connection.in_clear
    assert "RSET" in connection.commands


def test_a_relay_that_closes_after_some_letters_loses_and_doubles_none() -> None:
    waiting = [letter(number) for number in range(1, 8)]
    with Relay(faults=[Fault(at="mail", do="reply", text="421 4.3.2 enough", nth=n) for n in (3, 6)]) as relay:
        for _ in range(3):
            tries = send(relay, waiting)
            assert all(one.handed == 0 for one in tries if isinstance(one.answer, RelayUnavailable))
            waiting = [one for one, tried in zip(waiting, tries, strict=True) if tried.answer.code != 250]
    assert waiting == []
    assert set(relay.pairs().values()) == {1}
    assert len(relay.accepted) == 7


def test_an_early_refusal_of_a_large_letter_is_its_answer_and_no_dot_follows() -> None:
    big = letter(content=(b"x" * 998 + b"\r\n") * 20_000)
    with Relay(faults=[Fault(at="content", do="reply", text="552 5.3.4 too big", after_bytes=1000)]) as relay:
        (one,) = send(relay, [big])
    assert isinstance(one.answer, Reply)
    assert (one.answer.code, one.answer.phase) == (552, Phase.CONTENT)
    assert relay.accepted == []
    assert b"\r\n.\r\n" not in relay.connections[0].in_clear


def test_an_early_acceptance_of_half_a_letter_is_in_doubt() -> None:
    big = letter(content=(b"x" * 998 + b"\r\n") * 20_000)
    with Relay(faults=[Fault(at="content", do="reply", text="250 2.0.0 taken", after_bytes=1000)]) as relay:
        (one,) = send(relay, [big])
    assert isinstance(one.answer, DeliveryInDoubt)


def test_an_address_beyond_ascii_needs_a_relay_that_takes_it() -> None:
    letters = [letter(1, to="björn@example.org", utf8=True), letter(2)]
    with Relay() as able, Relay(offer=("PIPELINING",)) as unable:
        assert codes(send(able, letters)) == [250, 250]
        first, second = send(unable, letters)
    assert able.accepted[0].recipients == ("björn@example.org",)
    assert isinstance(first.answer, Reply)
    assert (first.answer.code, first.answer.enhanced, first.handed) == (550, "5.6.7", 0)
    assert second.answer.code == 250
    assert not any("rn@" in command for command in unable.connections[0].commands)


def test_a_control_character_in_an_address_reaches_no_relay() -> None:
    with Relay() as relay:
        tries = send(relay, [letter(1, to="a@example.org>\r\nRCPT TO:<b@example.org"), letter(2)])
    assert codes(tries) == [553, 250]
    assert b"b@example.org" not in relay.connections[0].in_clear


# --- the content, and the dot -----------------------------------------------------------------------------------------


def smuggled(terminator: bytes) -> bytes:
    return b"before" + terminator + b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nevil\r\n"


@pytest.mark.parametrize("terminator", [*PSEUDO_TERMINATORS, b"\r\n.\r\n"])
def test_a_pseudo_terminator_in_the_content_arrives_as_one_letter_byte_for_byte(terminator: bytes) -> None:
    nasty = letter(content=smuggled(terminator))
    with Relay() as relay:
        tries = send(relay, [nasty, letter(2)])
    assert codes(tries) == [250, 250]
    assert [one.content for one in relay.accepted] == [b"".join(nasty.content), b"".join(letter(2).content)]


class _Keeper:
    """Keeps what aiosmtpd hands over."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.kept.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 kept"


def test_a_second_servers_opinion_is_the_same() -> None:
    keeper = _Keeper()
    controller = Controller(keeper, hostname="127.0.0.1", port=0, enable_SMTPUTF8=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        controller.port = free.getsockname()[1]
    controller.start()
    letters = [
        *(letter(number, content=smuggled(one)) for number, one in enumerate(PSEUDO_TERMINATORS)),
        letter(20, to="björn@example.org", utf8=True),
        letter(21, content=b".\r\n..\r\n...dots\r\n"),
    ]

    async def story() -> list[Try]:
        transport = await open_smtp(RelayConfig(host="127.0.0.1", port=controller.port, tls="none"))
        tries = [await attempt(transport, one) for one in letters]
        await transport.close()
        return tries

    try:
        tries = asyncio.run(story())
    finally:
        controller.stop()
    assert codes(tries) == [250] * len(letters)
    assert [content for _, _, content in keeper.kept] == [b"".join(one.content) for one in letters]
    assert [rcpt for _, rcpt, _ in keeper.kept] == [[one.rcpt_to] for one in letters]
    assert email.message_from_bytes(keeper.kept[-1][2])["Message-ID"] == "<21@news.example>"


def test_where_handed_raises_no_content_leaves_and_no_dot() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    async def story(relay: Relay) -> None:
        transport = await open_smtp(config(relay))
        with pytest.raises(OSError, match="No space left"):
            await transport.submit(letter(), handed=full)
        assert transport.closed
        again = await attempt(transport, letter(2))
        assert isinstance(again.answer, RelayUnavailable)
        assert again.handed == 0
        await transport.close()

    with Relay() as relay:
        asyncio.run(story(relay))
    assert relay.accepted == []
    assert relay.connections[0].in_clear.endswith(b"DATA\r\n")


def test_a_time_out_that_handed_raises_is_passed_on_as_it_is() -> None:
    def slow() -> None:
        raise TimeoutError("the disk took too long")

    async def story(relay: Relay) -> None:
        transport = await open_smtp(config(relay))
        with pytest.raises(TimeoutError, match="the disk"):
            await transport.submit(letter(), handed=slow)
        await transport.close()

    with Relay() as relay:
        asyncio.run(story(relay))
    assert relay.accepted == []


@pytest.mark.parametrize("at", ["mail", "content", "dot"])
def test_a_cancelled_letter_gets_no_dot(at: str) -> None:
    async def story(relay: Relay) -> None:
        transport = await open_smtp(config(relay))
        begun = asyncio.Event()
        big = letter(content=b"x" * 32_000_000)
        trying = asyncio.create_task(transport.submit(big, handed=begun.set))
        if at == "mail":
            while len(relay.connections[0].commands) < 2:  # noqa: ASYNC110 - the relay lives in another loop
                await asyncio.sleep(0.01)
        else:
            await begun.wait()
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        assert transport.closed
        await transport.close()

    with Relay(faults=[Fault(at=at, do="stall" if at == "content" else "freeze")]) as relay:
        asyncio.run(story(relay))
    assert relay.accepted == []
    assert b"\r\n.\r\n" not in relay.connections[0].in_clear


def test_one_connection_takes_one_letter_at_a_time() -> None:
    async def story(relay: Relay) -> None:
        transport = await open_smtp(config(relay))
        first = asyncio.create_task(attempt(transport, letter(1)))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await attempt(transport, letter(2))
        assert (await first).answer.code == 250
        await transport.close()

    with Relay(latency=0.05) as relay:
        asyncio.run(story(relay))


# --- TLS and the login ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_letters_and_the_login_go_inside_verified_tls(
    tls: Literal["implicit", "starttls"],
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    certificates: Certificates,
) -> None:
    letters = [letter(1), letter(2, content=(b"x" * 998 + b"\r\n") * 3000), letter(3)]

    async def story(relay: Relay) -> list[Try]:
        chosen = config(relay, tls, ca_file=str(certificates.authority), user="anna", password_file="secret")
        transport = await open_smtp(chosen, password=PASSWORD)
        tries = [await attempt(transport, one) for one in letters]
        await transport.close()
        return tries

    with (
        Relay(certificate=certificates.of("good"), implicit_tls=tls == "implicit", login=("anna", PASSWORD)) as relay,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        tries = runner.run(story(relay))
    assert codes(tries) == [250] * 3
    assert [one.content for one in relay.accepted] == [b"".join(one.content) for one in letters]
    assert relay.logins_tried == 1
    (connection,) = relay.connections
    assert b"AUTH" not in connection.in_clear
    assert b"MAIL" not in connection.in_clear
    assert connection.commands.count("EHLO [127.0.0.1]") == (2 if tls == "starttls" else 1)


@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong-name"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_that_does_not_verify_gets_no_login_and_no_letter(
    tls: Literal["implicit", "starttls"],
    kind: Literal["self-signed", "expired", "wrong-name"],
    certificates: Certificates,
) -> None:
    with Relay(certificate=certificates.of(kind), implicit_tls=tls == "implicit", login=("anna", PASSWORD)) as relay:
        with pytest.raises(RelayUnavailable, match="certificate") as caught:
            send(
                relay, [letter()], tls=tls, ca_file=str(certificates.authority), user="anna", password_file="x",
                password=PASSWORD,
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
        Fault(at="tls", do="garbage"),
        Fault(at="ehlo", do="reply", text="250-relay.example\n250 AUTH PLAIN"),
    ],
    ids=["454", "500", "injected", "dropped", "garbage", "not offered"],
)
def test_without_tls_nothing_is_said(fault: Fault, certificates: Certificates) -> None:
    with Relay(certificate=certificates.of("good"), login=("anna", PASSWORD), faults=[fault]) as relay:
        with pytest.raises(RelayUnavailable) as caught:
            send(
                relay, [letter()], tls="starttls", ca_file=str(certificates.authority), user="anna",
                password_file="x", password=PASSWORD,
            )  # fmt: skip
        assert caught.value.code == "relay-tls"
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
        relay._context = context
        with pytest.raises(RelayUnavailable) as caught:
            send(relay, [letter()], tls="starttls", ca_file=str(certificates.authority))
    assert caught.value.code == "relay-tls"


def test_a_login_that_is_refused_is_tried_once_and_told_without_the_password() -> None:
    encoded = base64.b64encode(f"\0anna\0{PASSWORD}".encode()).decode()
    refusal = Fault(at="auth", do="reply", text=f"535 5.7.8 no user anna with {PASSWORD} ({encoded})")
    with Relay(login=("anna", PASSWORD), faults=[refusal]) as relay:
        with pytest.raises(RelayUnavailable, match="no user anna with") as caught:
            send(relay, [letter()], user="anna", password_file="x", password=PASSWORD)
        error = caught.value
        assert error.code == "relay-login-refused"
        assert PASSWORD not in f"{error!r} {error.args} {error.hint} {error.place}"
        assert encoded not in repr(error)
    assert relay.logins_tried == 1
    assert len(relay.connections) == 1


def test_a_session_does_not_show_the_password() -> None:
    async def story(relay: Relay) -> str:
        transport = await open_smtp(config(relay, user="anna", password_file="x"), password=PASSWORD)
        shown = f"{transport!r} {transport._wire.dialogue!r} {transport._wire.dialogue._terms!r}"
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


def test_authorities_that_cannot_be_read_are_a_configuration_error(tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate")
    for name in (nonsense, tmp_path / "missing.pem"):
        with Relay() as relay, pytest.raises(BiweeklyError) as caught:
            send(relay, [letter()], tls="starttls", ca_file=str(name))
        assert caught.value.code == "ca-file-unreadable"


def test_closing_never_raises_and_never_waits_long() -> None:
    async def story(relay: Relay) -> None:
        transport = await open_smtp(config(relay), timeouts=replace(USUAL, quit=SHORT))
        await transport.close()
        await transport.close()
        assert transport.closed

    for do in ("drop", "reset", "garbage", "freeze", "oversize"):
        with Relay(faults=[Fault(at="quit", do=do)]) as relay:
            asyncio.run(story(relay))


def test_the_account_of_the_relay_is_its_own(tmp_path: Path) -> None:
    record = tmp_path / "record"
    with Relay(record=record) as relay:
        send(relay, [letter(1), letter(2)])
    assert record.read_text().count("\n") == 2
    assert relay.accepted[0] == Accepted(
        "<1@news.example>", "from@example.com", ("reader1@example.org",), b"".join(letter(1).content)
    )
