"""No command line can be broken out of, and no content ends early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import AddressError, ConfigError
from biweekly.transports.commands import command, for_data, own_name, path

NASTY = st.text(st.one_of(st.sampled_from("\r\n\0\t \x7f\x85<>\u2028@."), st.characters()), max_size=30)


@given(NASTY)
def test_an_address_never_leaves_its_line_or_its_brackets(address: str) -> None:
    try:
        line = command("RCPT", f"TO:{path(address)}")
    except AddressError:
        return
    assert line.endswith(b">\r\n")
    inside = line.removeprefix(b"RCPT TO:<").removesuffix(b">\r\n")
    assert not any(byte < 0x21 or byte == 0x7F or byte in b"<>" for byte in inside)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_character_is_refused(code: int) -> None:
    with pytest.raises(AddressError):
        command("EHLO", f"a{chr(code)}b")
    with pytest.raises(AddressError):
        path(f"a{chr(code)}b@example.org")


def sent(content: tuple[bytes, ...]) -> bytes:
    return b"".join(for_data(content))


def received(wire: bytes) -> bytes:
    """Take content off the wire as RFC 5321 section 4.5.2 says, and insist that nothing follows its end."""
    if wire == b".\r\n":
        return b""
    end = wire.index(b"\r\n.\r\n")
    assert wire[end:] == b"\r\n.\r\n"
    raw = wire[: end + 2].replace(b"\r\n..", b"\r\n.")
    return raw[1:] if raw.startswith(b"..") else raw


@given(st.lists(st.text("\r\n.a", max_size=8).map(str.encode), max_size=8))
def test_content_arrives_as_it_was_however_it_is_cut_into_pieces(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    whole = content if not content or content.endswith(b"\r\n") else content + b"\r\n"
    assert received(sent(tuple(pieces))) == whole


def test_content_without_dots_is_not_touched() -> None:
    content = (b"Subject: one\r\n\r\n", b"two\r\n")
    assert sent(content) == b"".join(content) + b".\r\n"


def test_only_crlf_begins_a_line_and_only_a_dot_there_gets_another() -> None:
    content = (b".a\r\n", b".b\r", b"\n.c\n.d\r.e\r\n", b"", b".", b".f\r\n")
    assert sent(content) == b"..a\r\n..b\r\n..c\n.d\r.e\r\n...f\r\n.\r\n"


def test_content_that_ends_in_the_middle_of_a_line_gets_a_line_end() -> None:
    assert sent((b"one\r",)) == b"one\r\r\n.\r\n"
    assert sent(()) == sent((b"",)) == b".\r\n"


def test_content_keeps_its_pieces_so_that_nothing_is_copied() -> None:
    pieces = (b"Subject: one\r\n\r\n", b"x" * 998 + b"\r\n")
    assert [id(one) for one in for_data(pieces)[:2]] == [id(one) for one in pieces]


@pytest.mark.parametrize(
    ("configured", "own_ip", "remote", "name"),
    [
        ("mail.example.org", "192.0.2.7", True, "mail.example.org"),
        ("mail.example.org.", "192.0.2.7", True, "mail.example.org"),
        (None, "192.0.2.7", True, "[192.0.2.7]"),
        (None, "2001:db8::7", True, "[IPv6:2001:db8::7]"),
        (None, "fe80::1%eth0", True, "[IPv6:fe80::1]"),
        ("localhost", "192.0.2.7", True, "[192.0.2.7]"),
        ("localhost.localdomain", "192.0.2.7", True, "[192.0.2.7]"),
        ("laptop", "192.0.2.7", True, "[192.0.2.7]"),
        ("localhost", "127.0.0.1", False, "localhost"),
        (None, "127.0.0.1", False, "[127.0.0.1]"),
    ],
)
def test_a_remote_relay_is_told_a_full_name_or_an_address(
    configured: str | None, own_ip: str, remote: bool, name: str
) -> None:
    assert own_name(configured, own_ip=own_ip, remote=remote) == name


@pytest.mark.parametrize(
    "name", ["mail.example.org\r\nRSET", "mail example.org", "-.example.org", "a..b", "a." * 150 + "example"]
)
def test_a_name_that_could_not_be_one_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own_name(name, own_ip="192.0.2.7", remote=True)
    assert caught.value.code == "bad-ehlo-name"
