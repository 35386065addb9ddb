"""Letters over real sockets, to a relay that does everything wrong that a relay can do."""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.transports.listening import Listener, config, fate, hold_to_account, letter, send
from tests.transports.relay import EVERYTHING, LOCKSTEP, WITH_CHUNKING, Accepted, Fault, Relay

from biweekly.config import RelayConfig
from biweekly.errors import DeliveryInDoubt, RelayUnavailable
from biweekly.model.mailing import Letter, Phase, Reply
from biweekly.transports.smtp import USUAL, open_smtp

SHORT = timedelta(seconds=0.3)
OFFERS = {"lockstep": LOCKSTEP, "pipelined": EVERYTHING, "chunked": WITH_CHUNKING}
by_offer = pytest.mark.parametrize("way", OFFERS)
LARGE = (b"x" * 998 + b"\r\n") * 20_000


@by_offer
def test_letters_arrive_once_each_byte_for_byte_on_one_connection(way: str) -> None:
    letters = [letter(number) for number in range(20)]
    with Relay(offer=OFFERS[way]) as relay:
        ear = send(relay, letters)
    hold_to_account(ear, relay)
    assert ear.fates() == dict.fromkeys(range(20), 250)
    assert ear.handings == list(range(20))
    assert [one.content for one in relay.accepted] == [b"".join(one.content) for one in letters]
    assert [one.recipients for one in relay.accepted] == [(one.rcpt_to,) for one in letters]
    assert relay.accepted[0].mail_from == "from@example.com"
    (connection,) = relay.connections
    assert connection.commands[0] == "EHLO [127.0.0.1]"
    assert connection.commands[-1] == "QUIT"
    verbs = {one.partition(" ")[0] for one in connection.commands}
    assert verbs == {"EHLO", "MAIL", "RCPT", "QUIT"} | ({"BDAT", "RSET"} if way == "chunked" else {"DATA"})
    assert ear.most_on_way == {"lockstep": 1, "pipelined": 2, "chunked": 2}[way]


def test_a_far_relay_gets_more_letters_on_their_way_and_each_its_own_answer() -> None:
    refused = Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^reader7@")
    with Relay(offer=WITH_CHUNKING, latency=0.02, faults=[refused]) as relay:
        ear = send(relay, [letter(number) for number in range(20)])
    hold_to_account(ear, relay)
    assert ear.fates() == dict.fromkeys(range(20), 250) | {7: 550}
    assert ear.most_on_way == 6
    assert len(relay.connections) == 1


# --- every phase, every fault -----------------------------------------------------------------------------------------

LIMITS = {
    "mail": "command", "rcpt": "command", "data": "data", "bdat": "answer", "content": "answer", "dot": "answer",
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


def phases(way: str) -> list[str]:
    return [one for one in LIMITS if one != ("data" if way == "chunked" else "bdat")]


@pytest.mark.parametrize("do", WORKS)
@pytest.mark.parametrize(("way", "at"), [(way, at) for way in OFFERS for at in phases(way)])
def test_a_fault_in_any_phase_is_safe_before_the_content_and_in_doubt_after(way: str, at: str, do: str) -> None:
    limits = replace(USUAL, **{LIMITS[at]: SHORT}) if do in ("freeze", "drip") else USUAL
    if way == "chunked" and do in ("freeze", "drip"):
        # Its content has left before the first command is answered: then that answer is what is awaited.
        limits = replace(limits, command=SHORT)
    fault = Fault(at=at, do=do, text="250 " + "x" * 400 if do == "drip" else "", times=1, after_bytes=1)
    with Relay(offer=OFFERS[way], faults=[fault]) as relay:
        ear = send(relay, [letter(number) for number in (1, 2, 3)], timeouts=limits)
    hold_to_account(ear, relay)
    first = ear.told[1][0]
    if way == "chunked" or at in ("content", "dot"):
        assert isinstance(first, DeliveryInDoubt)
    else:
        assert isinstance(first, RelayUnavailable)
        assert first.code in WORKS[do]
        assert fate(ear.last(1)) == 250
    assert first.place == f"127.0.0.1:{relay.port}"
    # One letter's fault is not the next one's, but for what was handed over on the same connection.
    assert ear.last(3).code == 250
    assert fate(ear.last(2)) in ((250, "in doubt") if way == "chunked" else (250,))
    assert len(relay.connections) == 2


@pytest.mark.parametrize("do", WORKS)
@pytest.mark.parametrize("at", ["banner", "ehlo"])
def test_a_fault_in_the_greeting_is_a_relay_that_is_unavailable(at: str, do: str) -> None:
    limits = replace(USUAL, banner=SHORT, command=SHORT) if do in ("freeze", "drip") else USUAL
    fault = Fault(at=at, do=do, text="250 " + "x" * 400 if do == "drip" else "")
    with Relay(faults=[fault]) as relay, pytest.raises(RelayUnavailable) as caught:
        send(relay, [letter()], timeouts=limits)
    # A reset may come while the connection is still being made: then there never was one.
    assert caught.value.code in WORKS[do] + (("relay-unreachable",) if (at, do) == ("banner", "reset") else ())
    assert caught.value.place == f"127.0.0.1:{relay.port}"
    assert relay.accepted == []


@by_offer
@pytest.mark.parametrize("do", ["drop", "accept-and-drop"])
@pytest.mark.parametrize("after_bytes", [0, 1, 3, 4, 10, 14, 15, 100])
def test_a_drop_at_any_byte_of_the_answer_to_the_content_is_in_doubt(way: str, do: str, after_bytes: int) -> None:
    with Relay(offer=OFFERS[way], faults=[Fault(at="dot", do=do, after_bytes=after_bytes, nth=1)]) as relay:
        ear = send(relay, [letter(1)])
    hold_to_account(ear, relay)
    assert ear.fates() == {1: "in doubt"}
    assert len(relay.accepted) == (do == "accept-and-drop")


@by_offer
@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "bdat"])
@pytest.mark.parametrize("after_bytes", [0, 1, 4, 100])
def test_a_drop_at_any_byte_of_an_envelopes_answers_loses_and_doubles_nobody(
    way: str, at: str, after_bytes: int
) -> None:
    with Relay(offer=OFFERS[way], faults=[Fault(at=at, do="drop", after_bytes=after_bytes, nth=2)]) as relay:
        ear = send(relay, [letter(number) for number in range(1, 6)])
    hold_to_account(ear, relay)
    doubtful = [number for number, fate in ear.fates().items() if fate == "in doubt"]
    assert doubtful == [] or way == "chunked"
    assert sum(fate == 250 for fate in ear.fates().values()) + len(doubtful) == 5


@by_offer
@pytest.mark.parametrize("after_bytes", [0, 1, 20, 60])
def test_a_drop_anywhere_in_the_content_is_in_doubt(way: str, after_bytes: int) -> None:
    with Relay(offer=OFFERS[way], faults=[Fault(at="content", do="drop", after_bytes=after_bytes)]) as relay:
        ear = send(relay, [letter()])
    assert ear.fates() == {1: "in doubt"}
    assert relay.accepted == []


@by_offer
def test_a_letter_that_was_taken_with_a_word_that_is_none_is_in_doubt(way: str) -> None:
    with Relay(offer=OFFERS[way], faults=[Fault(at="dot", do="accept-and-garbage")]) as relay:
        ear = send(relay, [letter()])
    hold_to_account(ear, relay)
    assert ear.fates() == {1: "in doubt"}
    assert len(relay.accepted) == 1


@by_offer
@pytest.mark.parametrize("seed", range(4))
def test_a_relay_where_anything_may_go_wrong_loses_and_doubles_nobody(way: str, seed: int) -> None:
    faults = [
        Fault(at, do, text, chance=0.06)
        for at in ("mail", "rcpt", "data", "bdat", "content", "dot", "rset")
        for do, text in [("drop", ""), ("reset", ""), ("garbage", ""), ("reply", "451 4.3.0 later"),
                         ("reply", "421 4.3.2 bye"), ("stay", "421 4.7.0 and yet"), ("reply", "550 5.1.1 no")]
    ]  # fmt: skip
    faults.append(Fault("dot", "accept-and-drop", chance=0.1))
    with Relay(offer=OFFERS[way], faults=faults, seed=seed) as relay:
        ear = send(relay, [letter(number) for number in range(60)])
    hold_to_account(ear, relay)
    assert sorted(ear.fates()) == list(range(60))


def test_nobody_at_the_port_is_unreachable() -> None:
    with Relay() as relay:
        pass
    with pytest.raises(RelayUnavailable) as caught:
        asyncio.run(open_smtp(config(relay), Listener()))
    assert caught.value.code == "relay-unreachable"
    assert caught.value.hint
    assert caught.value.place == f"127.0.0.1:{relay.port}"


# --- limits of time ---------------------------------------------------------------------------------------------------


def test_after_the_content_a_relay_gets_ten_minutes() -> None:
    assert USUAL.of(Phase.CONTENT) >= 600
    assert (USUAL.of(Phase.MAIL), USUAL.of(Phase.RCPT), USUAL.of(Phase.DATA)) == (300, 300, 120)
    assert USUAL.of(Phase.BANNER) == 60


@by_offer
def test_a_relay_that_stops_reading_half_way_is_in_doubt_after_the_limit_for_a_block(way: str) -> None:
    big = letter(content=b"y" * 32_000_000)
    limits = replace(USUAL, block=timedelta(milliseconds=1), command=SHORT)
    with Relay(offer=OFFERS[way], faults=[Fault(at="content", do="stall")]) as relay:
        ear = send(relay, [big], timeouts=limits)
    answer = ear.last(1)
    assert isinstance(answer, DeliveryInDoubt)
    assert "did not answer within" in answer.message
    assert relay.accepted == []


@by_offer
def test_a_relay_that_has_read_all_gets_the_whole_time_for_its_answer(way: str) -> None:
    # A block's limit alone would end long before the relay has thought it over.
    limits = replace(USUAL, block=timedelta(milliseconds=5))
    with Relay(offer=OFFERS[way], crawl={"example.org": 1.0}) as relay:
        ear = send(relay, [letter(content=LARGE)], timeouts=limits)
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 250}


def test_a_relay_that_drips_its_greeting_meets_the_limit_for_opening() -> None:
    with (
        Relay(faults=[Fault(at="banner", do="drip", text="220 " + "x" * 400)]) as relay,
        pytest.raises(RelayUnavailable) as caught,
    ):
        send(relay, [letter()], timeouts=replace(USUAL, opening=SHORT))
    assert caught.value.code == "relay-timeout"


@by_offer
def test_a_slow_relay_that_keeps_within_the_limits_is_waited_for(way: str) -> None:
    with Relay(offer=OFFERS[way], faults=[Fault(at="dot", do="drip"), Fault(at="mail", do="drip")]) as relay:
        ear = send(relay, [letter(1), letter(2)])
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 250, 2: 250}


def test_a_letter_begun_upon_half_a_word_has_its_limit_too() -> None:
    """A relay says half a reply while nothing is asked, and then nothing any more."""

    async def story() -> Listener:
        half = asyncio.Event()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 relay.example\r\n")
            await reader.readline()
            writer.write(b"250-relay.example\r\n250 PIPELINING\r\n")
            await half.wait()
            writer.write(b"42")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            ear = Listener(deque([letter()]))
            chosen = RelayConfig(host="127.0.0.1", port=port, tls="none")
            ear.transport = await open_smtp(chosen, ear, timeouts=replace(USUAL, command=SHORT))
            half.set()
            await ear.until(lambda: 1 in ear.told)
            await ear.transport.close()
            return ear

    answer = asyncio.run(story()).last(1)
    assert isinstance(answer, RelayUnavailable)
    assert answer.code == "relay-timeout"


# --- refusals ---------------------------------------------------------------------------------------------------------

REFUSALS = [
    ("mail", "550 5.7.1 not you", Phase.MAIL),
    ("rcpt", "550 5.1.1 nobody", Phase.RCPT),
    ("rcpt", "451 4.7.1 greylisted", Phase.RCPT),
    ("rcpt", "421 4.7.0 enough", Phase.RCPT),
    ("data", "451 4.3.0 not now", Phase.DATA),
    ("bdat", "452 4.3.1 no room", Phase.CONTENT),
    ("dot", "554 5.7.1 spam", Phase.CONTENT),
    ("dot", "421 4.3.0 closing", Phase.CONTENT),
    ("dot", "550-5.7.26 not\n550 5.7.26 authenticated", Phase.CONTENT),
]


@pytest.mark.parametrize(
    ("way", "at", "text", "phase"), [(way, *row) for way in OFFERS for row in REFUSALS if row[0] in phases(way)]
)
def test_a_refusal_is_an_answer_and_the_next_letter_arrives(way: str, at: str, text: str, phase: Phase) -> None:
    with Relay(offer=OFFERS[way], faults=[Fault(at=at, do="reply", text=text, nth=1)]) as relay:
        ear = send(relay, [letter(1), letter(2)])
    hold_to_account(ear, relay)
    (first,) = ear.told[1]
    assert isinstance(first, Reply)
    assert (first.code, first.phase) == (int(text[:3]), phase)
    assert first.enhanced == text[4:].split(maxsplit=1)[0]
    assert (1 in ear.handings) is (way == "chunked" or phase is Phase.CONTENT)
    assert ear.reply(2).code == 250
    assert relay.pairs() == {("<2@news.example>", "reader2@example.org"): 1}
    assert len(relay.connections) == (2 if text.startswith("421") else 1)


def test_a_refused_reader_behind_a_354_is_refused_and_nothing_of_the_letter_leaves() -> None:
    faults = [
        Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", nth=1),
        Fault(at="data", do="reply", text="354 go on", nth=1),
    ]
    with Relay(faults=faults) as relay:
        ear = send(relay, [letter(1), letter(2), letter(3)])
    hold_to_account(ear, relay)
    assert (ear.reply(1).code, ear.reply(1).phase) == (550, Phase.RCPT)
    assert ear.handings == [2, 3]
    assert [one.message_id for one in relay.accepted] == ["<2@news.example>", "<3@news.example>"]
    (connection,) = relay.connections
    assert b"<1@news.example>" not in connection.in_clear
    assert "RSET" in connection.commands


def test_a_refused_reader_behind_another_letters_content_is_refused_alone() -> None:
    faults = [
        Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^reader2@"),
        Fault(at="data", do="reply", text="354 go on", to="^reader2@"),
    ]
    with Relay(faults=faults, latency=0.005) as relay:
        ear = send(relay, [letter(number) for number in range(1, 5)])
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 250, 2: 550, 3: 250, 4: 250}
    assert b"<2@news.example>" not in relay.connections[0].in_clear


@by_offer
@pytest.mark.parametrize("latency", [0.0, 0.005])
def test_a_relay_that_closes_after_some_letters_loses_doubles_and_doubts_none(way: str, latency: float) -> None:
    with Relay(offer=OFFERS[way], close_after=3, latency=latency) as relay:
        ear = send(relay, [letter(number) for number in range(20)])
    hold_to_account(ear, relay)
    assert ear.fates() == dict.fromkeys(range(20), 250)
    assert len(relay.connections) == 7


def test_a_relay_that_says_421_and_takes_the_next_letter_all_the_same_doubles_none() -> None:
    with Relay(offer=WITH_CHUNKING, faults=[Fault(at="dot", do="stay", text="421 4.7.0 enough", nth=1)]) as relay:
        ear = send(relay, [letter(1), letter(2), letter(3)])
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 421, 2: 250, 3: 250}
    assert relay.pairs() == {(f"<{n}@news.example>", f"reader{n}@example.org"): 1 for n in (2, 3)}


def test_an_early_refusal_of_a_large_letter_is_its_answer_and_no_dot_follows() -> None:
    with Relay(faults=[Fault(at="content", do="reply", text="552 5.3.4 too big", after_bytes=1000)]) as relay:
        ear = send(relay, [letter(content=LARGE)])
    assert (ear.reply(1).code, ear.reply(1).phase) == (552, Phase.CONTENT)
    assert relay.accepted == []
    assert b"\r\n.\r\n" not in relay.connections[0].in_clear


@pytest.mark.parametrize("at", ["bdat", "content"])
def test_an_early_refusal_of_a_large_chunk_is_its_answer_and_the_next_letter_arrives_whole(at: str) -> None:
    early = Fault(at=at, do="reply", text="552 5.3.4 too big", after_bytes=1000 * (at == "content"), nth=1)
    with Relay(offer=WITH_CHUNKING, faults=[early]) as relay:
        ear = send(relay, [letter(1, content=LARGE), letter(2, content=LARGE)])
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 552, 2: 250}
    assert relay.accepted[0].content == b"".join(letter(2, content=LARGE).content)
    assert len(relay.connections) == 1


@by_offer
def test_an_early_acceptance_of_half_a_letter_is_in_doubt(way: str) -> None:
    with Relay(
        offer=OFFERS[way], faults=[Fault(at="content", do="reply", text="250 2.0.0 taken", after_bytes=1000)]
    ) as relay:
        ear = send(relay, [letter(content=LARGE)])
    assert ear.fates() == {1: "in doubt"}


@by_offer
def test_an_address_beyond_ascii_needs_a_relay_that_takes_it(way: str) -> None:
    letters = [letter(1, to="björn@example.org", utf8=True), letter(2)]
    unknowing = [one for one in OFFERS[way] if one != "SMTPUTF8"]
    with Relay(offer=OFFERS[way]) as able, Relay(offer=unknowing) as unable:
        assert send(able, letters).fates() == {1: 250, 2: 250}
        ear = send(unable, letters)
    assert able.accepted[0].recipients == ("björn@example.org",)
    assert ear.fates() == {1: 550, 2: 250}
    assert ear.reply(1).enhanced == "5.6.7"
    assert ear.handings == [2]
    assert not any("rn@" in command for command in unable.connections[0].commands)


@by_offer
def test_content_beyond_ascii_never_goes_to_a_relay_without_8bitmime(way: str) -> None:
    letters = [letter(1, content="zwölf\r\n".encode()), letter(2)]
    unknowing = [one for one in OFFERS[way] if one not in ("8BITMIME", "SMTPUTF8")]
    with Relay(offer=OFFERS[way]) as able, Relay(offer=unknowing) as unable:
        assert send(able, letters).fates() == {1: 250, 2: 250}
        ear = send(unable, letters)
    assert able.accepted[0].content.endswith("zwölf\r\n".encode())
    assert ear.fates() == {1: 554, 2: 250}
    assert ear.reply(1).enhanced == "5.6.3"
    assert bytes(unable.connections[0].in_clear).isascii()


def test_a_letter_larger_than_the_relay_takes_is_not_sent() -> None:
    with Relay(offer=["PIPELINING", "SIZE=1000"]) as relay:
        ear = send(relay, [letter(1, content=LARGE), letter(2)])
    assert ear.fates() == {1: 552, 2: 250}
    assert ear.handings == [2]
    assert len(relay.connections[0].in_clear) < 1000


@by_offer
def test_a_control_character_in_an_address_reaches_no_relay(way: str) -> None:
    with Relay(offer=OFFERS[way]) as relay:
        ear = send(relay, [letter(1, to="a@example.org>\r\nRCPT TO:<b@example.org"), letter(2)])
    assert ear.fates() == {1: 553, 2: 250}
    assert b"b@example.org" not in relay.connections[0].in_clear


# --- the sender's own trouble, and its leave --------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), TimeoutError("the disk took too long")])
@by_offer
def test_where_handed_raises_no_content_leaves(way: str, error: Exception) -> None:
    def refuse(one: Letter) -> None:
        if one.spot.pos == 2:
            raise error

    async def story(relay: Relay) -> Listener:
        ear = Listener(on_handed=refuse)
        transport = await open_smtp(config(relay), ear)
        ear.transport = transport
        ear.waiting.append(letter(1))
        ear.feed()
        await ear.until(lambda: 1 in ear.told)
        ear.waiting.append(letter(2))
        if way == "chunked":
            with pytest.raises(type(error)):
                ear.feed()
        else:
            ear.feed()
            await ear.until(lambda: transport.closed)
            assert fate(ear.last(2)) == "unavailable"
        assert (transport.closed, transport.room) == (True, 0)
        await transport.close()
        return ear

    with Relay(offer=OFFERS[way]) as relay:
        ear = asyncio.run(story(relay))
    hold_to_account(ear, relay)
    assert fate(ear.last(1)) == 250
    assert ear.handings == [1]
    assert b"<2@news.example>" not in relay.connections[0].in_clear


def test_a_sender_whose_books_fail_is_still_told_of_the_other_letters() -> None:
    def full(one: Letter) -> None:
        if one.spot.pos == 1:
            raise OSError(28, "No space left on device")

    async def story(relay: Relay) -> Listener:
        ear = Listener(deque([letter(1), letter(2)]), on_answered=full)
        transport = await open_smtp(config(relay), ear)
        ear.transport = transport
        ear.feed()
        await ear.until(lambda: transport.closed)
        await transport.close()
        return ear

    with Relay(offer=WITH_CHUNKING) as relay:
        ear = asyncio.run(story(relay))
    hold_to_account(ear, relay)
    assert fate(ear.last(1)) == 250
    assert fate(ear.last(2)) in (250, "in doubt")


@pytest.mark.parametrize("at", ["mail", "content", "dot"])
@by_offer
def test_after_a_cut_nothing_more_leaves(way: str, at: str) -> None:
    async def story(relay: Relay) -> Listener:
        handed = asyncio.Event()
        ear = Listener(deque([letter(content=b"x" * 32_000_000)]), on_handed=lambda _: handed.set())
        transport = await open_smtp(config(relay), ear)
        ear.transport = transport
        ear.feed()
        if at == "mail":
            while len(relay.connections[0].commands) < 2:  # noqa: ASYNC110 - the relay lives in another loop
                await asyncio.sleep(0.01)
        else:
            await handed.wait()
        transport.cut()
        assert (transport.closed, transport.room, len(ear.told)) == (True, 0, 1)
        transport.cut()
        await transport.close()
        return ear

    with Relay(offer=OFFERS[way], faults=[Fault(at=at, do="freeze" if at == "mail" else "stall")]) as relay:
        ear = asyncio.run(story(relay))
    assert ear.fates() == {1: "unavailable" if at == "mail" and way != "chunked" else "in doubt"}
    assert relay.accepted == []
    assert b"\r\n.\r\n" not in relay.connections[0].in_clear


def test_letters_on_their_way_are_answered_when_the_transport_is_closed_over_them() -> None:
    async def story(relay: Relay) -> Listener:
        ear = Listener(deque([letter(1), letter(2)]))
        transport = await open_smtp(config(relay), ear)
        ear.transport = transport
        ear.feed()
        await transport.close()
        return ear

    with Relay(offer=WITH_CHUNKING, faults=[Fault(at="mail", do="freeze")]) as relay:
        assert asyncio.run(story(relay)).fates() == {1: "in doubt", 2: "in doubt"}


def test_a_goodbye_while_nothing_is_asked_is_told_and_closes() -> None:
    ordinary = "250-relay.example\r\n250 PIPELINING\r\n"

    async def story(relay: Relay) -> None:
        ear = Listener()
        transport = await open_smtp(config(relay), ear)
        await ear.until(lambda: transport.closed)
        assert transport.room == 0
        assert transport.failure is not None
        assert "idle for too long" in str(transport.failure)
        assert transport.failure.place == f"127.0.0.1:{relay.port}"
        await transport.close()

    with Relay(faults=[Fault("ehlo", "garbage", ordinary + "421 4.4.2 idle for too long\r\n")]) as relay:
        asyncio.run(story(relay))


def test_closing_never_raises_and_never_waits_long() -> None:
    async def story(relay: Relay) -> None:
        ear = Listener()
        transport = await open_smtp(config(relay), ear, timeouts=replace(USUAL, quit=SHORT))
        await transport.close()
        await transport.close()
        assert transport.closed
        assert transport.failure is None

    for do in ("drop", "reset", "garbage", "freeze", "oversize"):
        with Relay(faults=[Fault(at="quit", do=do)]) as relay:
            asyncio.run(story(relay))


def test_what_it_says_of_itself_is_where_it_leads_and_whether_it_is_open() -> None:
    async def story(relay: Relay) -> list[str]:
        transport = await open_smtp(config(relay), Listener())
        shown = [repr(transport)]
        await transport.close()
        return [*shown, repr(transport)]

    with Relay() as relay:
        shown = asyncio.run(story(relay))
    assert shown == [f"<SmtpTransport 127.0.0.1:{relay.port} {state}>" for state in ("open", "closed")]


def test_the_account_of_the_relay_is_its_own(tmp_path: Any) -> None:
    record = tmp_path / "record"
    with Relay(record=record) as relay:
        send(relay, [letter(1), letter(2)])
    assert record.read_text().count("\n") == 2
    assert relay.accepted[0] == Accepted(
        "<1@news.example>", "from@example.com", ("reader1@example.org",), b"".join(letter(1).content)
    )
