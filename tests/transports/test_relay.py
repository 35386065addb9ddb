"""The fault bench itself: a client that is not ours finds it strict, and its account is right."""

import asyncio
import json
import smtplib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.transports import relay as bench
from tests.transports.certificates import Certificates
from tests.transports.listening import Listener, config, fate, hold_to_account, letter, send
from tests.transports.relay import WITH_CHUNKING, Fault, Greylist, Relay, Throttle, read_record

from biweekly.errors import RelayUnavailable
from biweekly.model.mailing import Letter, Reply
from biweekly.transports.smtp import open_smtp

CONTENT = b"Message-ID: <1@news.example>\r\n\r\none\r\n"


def met(relay: Relay) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20)
    client.ehlo()
    return client


def codes(client: smtplib.SMTP, *lines: str) -> list[int]:
    return [client.docmd(one)[0] for one in lines]


def chunk(client: smtplib.SMTP, piece: bytes, *, last: bool = False) -> int:
    client.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if last else b"") + piece)
    return client.getreply()[0]


def begin(client: smtplib.SMTP, *readers: str) -> list[int]:
    return codes(client, "MAIL FROM:<a@example.com>", *(f"RCPT TO:<{one}>" for one in readers))


# --- chunks ----------------------------------------------------------------------------------------------------------


def test_chunks_are_one_letter_once_the_last_has_come() -> None:
    with Relay(offer=WITH_CHUNKING) as relay, met(relay) as client:
        begin(client, "b@example.org")
        assert [chunk(client, CONTENT[:10]), chunk(client, b"\r\n.\r\n"), relay.accepted] == [250, 250, []]
        assert codes(client, "DATA") == [503]
        assert chunk(client, CONTENT[10:], last=True) == 250
        assert [one.content for one in relay.accepted] == [CONTENT[:10] + b"\r\n.\r\n" + CONTENT[10:]]


@pytest.mark.parametrize("readers", [(), ("nobody@example.org",)])
def test_a_chunk_for_nobody_is_read_and_refused(readers: Sequence[str]) -> None:
    refusal = Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^nobody")
    with Relay(offer=WITH_CHUNKING, faults=[refusal]) as relay, met(relay) as client:
        assert chunk(client, b"RSET\r\n" * 10, last=True) == 503
        assert begin(client, *readers) == [250, 550][: 1 + len(readers)]
        assert chunk(client, b"QUIT\r\n" * 10, last=True) == 554
        assert codes(client, "RSET", "NOOP") == [250, 500]
        assert relay.accepted == []


def test_rset_forgets_chunks_and_a_transaction_ends_with_its_last() -> None:
    with Relay(offer=WITH_CHUNKING) as relay, met(relay) as client:
        begin(client, "b@example.org")
        chunk(client, b"half of one")
        assert codes(client, "RSET") == [250]
        assert begin(client, "c@example.org") == [250, 250]
        assert chunk(client, CONTENT, last=True) == 250
        assert chunk(client, CONTENT, last=True) == 503
        assert relay.pairs() == {("<1@news.example>", "c@example.org"): 1}


def test_chunks_that_are_not_offered_are_not_known() -> None:
    with Relay() as relay, met(relay) as client:
        begin(client, "b@example.org")
        assert codes(client, "BDAT 5 LAST") == [500]


# --- what is not offered is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "line", "code"),
    [
        (["SIZE=100"], "MAIL FROM:<a@example.com> SIZE=101", 552),
        (["SIZE=100"], "MAIL FROM:<a@example.com> SIZE=100", 250),
        ([], "MAIL FROM:<a@example.com> SIZE=1", 555),
        ([], "MAIL FROM:<a@example.com> BODY=8BITMIME", 555),
        (["8BITMIME"], "MAIL FROM:<a@example.com> BODY=8BITMIME", 250),
        (["8BITMIME"], "MAIL FROM:<a@example.com> BODY=BINARYMIME", 555),
        ([], "MAIL FROM:<a@example.com> SMTPUTF8", 555),
        ([], "MAIL FROM:<a@example.com> AUTH=<>", 555),
    ],
)
def test_a_word_that_was_not_offered_is_refused(offer: list[str], line: str, code: int) -> None:
    with Relay(offer=offer) as relay, met(relay) as client:
        assert codes(client, line) == [code]


def test_bytes_beyond_ascii_are_refused_where_they_were_not_announced() -> None:
    beyond = "Message-ID: <1@x>\r\nSubject: zwölf\r\n\r\nzwölf\r\n".encode()
    body = "Message-ID: <1@x>\r\nSubject: one\r\n\r\nzwölf\r\n".encode()
    with Relay(offer=WITH_CHUNKING) as relay, met(relay) as client:
        for words, content, code in [
            ("", body, 554), (" BODY=8BITMIME", body, 250), (" BODY=8BITMIME", beyond, 554),
            (" BODY=8BITMIME SMTPUTF8", beyond, 250),
        ]:  # fmt: skip
            assert codes(client, f"MAIL FROM:<a@example.com>{words}", "RCPT TO:<b@example.org>") == [250, 250]
            assert chunk(client, content, last=True) == code
        client.send("MAIL FROM:<björn@example.org>\r\n".encode())
        assert client.getreply()[0] == 553


def test_content_over_the_limit_is_refused_though_it_was_not_announced() -> None:
    with Relay(offer=["SIZE=20", "CHUNKING"]) as relay, met(relay) as client:
        begin(client, "b@example.org")
        assert chunk(client, CONTENT, last=True) == 552
        assert relay.accepted == []


def test_nobody_mails_before_logging_in() -> None:
    with Relay(login=("anna", "open sesame")) as relay, met(relay) as client:
        assert codes(client, "MAIL FROM:<a@example.com>") == [530]
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("anna", "open barley")
        client.login("anna", "open sesame")
        assert codes(client, "MAIL FROM:<a@example.com>") == [250]


@pytest.mark.parametrize(
    ("offer", "together", "out_of_turn"),
    [
        ([], b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n", True),
        (["PIPELINING"], b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n", False),
        (["PIPELINING"], b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nearly\r\n.\r\n", True),
    ],
)
def test_who_speaks_out_of_turn_is_written_down(offer: list[str], together: bytes, out_of_turn: bool) -> None:
    with Relay(offer=offer) as relay, met(relay) as client:
        client.send(together)
        for _ in range(2):
            client.getreply()
        if b"DATA" in together:
            client.getreply()
        assert bool(relay.connections[0].out_of_turn) is out_of_turn
        client.close()


# --- habits ----------------------------------------------------------------------------------------------------------


def test_a_greylisted_reader_is_taken_at_the_second_try_and_each_waits_by_itself() -> None:
    with Relay(greylist=Greylist(to="@grey")) as relay, met(relay) as client:
        assert begin(client, "b@grey.example", "c@grey.example", "d@example.org") == [250, 451, 451, 250]
        assert codes(client, "RCPT TO:<b@grey.example>") == [250]


def test_a_greylisted_reader_may_have_to_wait_its_time() -> None:
    with Relay(greylist=Greylist(seconds=3600)) as relay, met(relay) as client:
        assert begin(client, "b@example.org", "b@example.org", "b@example.org") == [250, 451, 451, 451]
        relay._house.script._first_seen["b@example.org"] -= 3600
        assert codes(client, "RCPT TO:<b@example.org>") == [250]


def test_a_throttled_domain_takes_so_many_and_no_more_and_others_are_not_asked() -> None:
    throttle = Throttle("slow.example", most=2, seconds=3600)
    with Relay(throttles=[throttle]) as relay, met(relay) as client:
        readers = [*(f"r{number}@slow.example" for number in range(3)), "b@example.org"]
        assert begin(client, *readers) == [250, 250, 250, 450, 250]
        taken = relay._house.script._taken["slow.example"]
        taken[0] -= 3600
        assert codes(client, "RCPT TO:<r4@slow.example>", "RCPT TO:<r5@slow.example>") == [250, 450]


def test_a_throttle_may_hang_up() -> None:
    throttle = Throttle("slow.example", most=0, seconds=1, text="421 4.7.0 not so fast")
    with Relay(throttles=[throttle]) as relay:
        client = met(relay)
        assert begin(client, "b@slow.example")[1] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.docmd("NOOP")
        client.close()


def test_a_domain_that_crawls_delays_nobody_on_another_connection() -> None:
    async def story(relay: Relay) -> tuple[Listener, Listener]:
        slow, quick = Listener(), Listener()
        crawling = await open_smtp(config(relay), slow)
        running = await open_smtp(config(relay), quick)
        slow.waiting.append(letter(1, to="reader1@slow.example"))
        quick.waiting.extend(letter(number) for number in range(2, 30))
        going = asyncio.create_task(slow.carry(crawling))
        await asyncio.sleep(0)
        await quick.carry(running)
        assert slow.told == {}
        crawling.cut()
        going.cancel()
        await running.close()
        return slow, quick

    with Relay(crawl={"slow.example": 3600.0}) as relay:
        slow, quick = asyncio.run(story(relay))
    assert slow.fates() == {1: "in doubt"}
    assert set(quick.fates().values()) == {250}


def test_a_connection_may_carry_so_many_letters_and_no_more() -> None:
    with Relay(close_after=2) as relay:
        ear = send(relay, [letter(number) for number in range(5)])
    hold_to_account(ear, relay)
    assert [sum("MAIL" in line for line in one.commands) for one in relay.connections] == [3, 3, 1]


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["banner", "ehlo", "mail", "rcpt", "data", "dot", "quit"])
@pytest.mark.parametrize("after_bytes", [1, 5])
def test_a_drop_may_come_after_any_byte_of_a_reply(at: str, after_bytes: int) -> None:
    with Relay(faults=[Fault(at=at, do="drop", after_bytes=after_bytes)]) as relay:
        try:
            ear = send(relay, [letter(1)], again=False)
        except RelayUnavailable:
            assert at in ("banner", "ehlo")
            return
    assert at not in ("banner", "ehlo")
    assert fate(ear.last(1)) == {"dot": "in doubt", "quit": 250}.get(at, "unavailable")
    assert len(relay.accepted) == (at == "quit")


def test_a_fault_comes_as_often_as_it_was_told_and_to_whom() -> None:
    faults = [
        Fault(at="rcpt", do="reply", text="450 4.2.1 later", to="^reader2@", times=1),
        Fault(at="dot", do="stay", text="452 4.3.1 no room", nth=3),
        Fault(at="rcpt", do="wait", seconds=0.01, text="250 2.1.5 after all", to="^reader4@"),
    ]
    with Relay(faults=faults) as relay:
        first = send(relay, [letter(number) for number in range(1, 5)])
        second = send(relay, [letter(2)])
    assert first.fates() == {1: 250, 2: 450, 3: 452, 4: 250}
    assert second.fates() == {2: 250}


def test_the_die_is_the_same_each_time() -> None:
    def fates(seed: int) -> list[int | str]:
        with Relay(faults=[Fault(at="rcpt", do="reply", text="450 4.2.1 later", chance=0.5)], seed=seed) as relay:
            return list(send(relay, [letter(number) for number in range(20)]).fates().values())

    assert fates(1) == fates(1) != fates(2)
    assert {250, 450} == set(fates(1))


# --- as a program ----------------------------------------------------------------------------------------------------


def test_it_runs_as_a_program_with_all_its_habits(tmp_path: Path, certificates: Certificates) -> None:
    record = tmp_path / "record"
    options = [
        "--record", str(record), "--offer", "PIPELINING,CHUNKING,SIZE=100000", "--latency", "0.001",
        "--user", "anna", "--password", "open sesame", "--mechanisms", "SCRAM-SHA-256",
        "--certificate", str(certificates.of("good")), "--implicit-tls", "--seed", "7",
        "--fault", json.dumps({"at": "rcpt", "do": "reply", "text": "550 5.1.1 nobody", "to": "^reader1@"}),
        "--greylist", json.dumps({"to": "^reader2@"}), "--crawl", json.dumps({"slow.example": 0.01}),
        "--throttle", json.dumps({"domain": "shut.example", "most": 0, "seconds": 1}), "--close-after", "3",
    ]  # fmt: skip
    with subprocess.Popen([sys.executable, bench.__file__, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            listening = process.stdout.readline()
            assert listening.startswith("listening on 127.0.0.1:")
            outcome = asyncio.run(_mail(int(listening.rpartition(":")[2]), certificates))
        finally:
            process.kill()
    assert outcome == {1: 550, 2: 451, 3: 450, 4: 250, 5: 250}
    assert [one["recipients"] for one in read_record(record)] == [["reader4@slow.example"], ["reader5@example.org"]]


async def _mail(port: int, certificates: Certificates) -> dict[int, int | str]:
    from biweekly.config import RelayConfig
    from biweekly.transports.sasl import Login

    domains = {3: "shut.example", 4: "slow.example"}
    letters: list[Letter] = [
        letter(number, to=f"reader{number}@{domains.get(number, 'example.org')}") for number in range(1, 6)
    ]
    ear = Listener()
    ear.waiting.extend(letters)
    chosen = RelayConfig(
        host="127.0.0.1", port=port, tls="implicit", ca_file=str(certificates.authority), user="anna",
        password_file="x",
    )  # fmt: skip
    transport = await open_smtp(chosen, ear, login=Login("anna", "open sesame"))
    await ear.carry(transport)
    await transport.close()
    assert all(isinstance(one, Reply) for answers in ear.told.values() for one in answers)
    return ear.fates()
