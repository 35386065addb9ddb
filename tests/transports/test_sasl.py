"""Logging in, word for word as the standards have it, and no word of a secret anywhere else."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.transports.sasl import Login, Way, WrongAnswer, choose, from_wire, to_wire

ANNA = Login("anna", "open sesame")
BEARER = Login("someuser@example.com", token="ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")

# RFC 7677 section 3
NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
VERIFIER = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def way(login: Login, *offered: str, nonce: str = NONCE) -> Way:
    chosen = choose(login, frozenset(offered), nonce=nonce)
    assert chosen is not None
    return chosen


def scram() -> Way:
    return way(Login("user", "pencil"), "SCRAM-SHA-256")


def challenged() -> Way:
    one = scram()
    one.begin()
    one.respond(CHALLENGE)
    return one


def test_scram_says_what_rfc_7677_section_3_says() -> None:
    one = scram()
    assert one.begin() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert one.respond(CHALLENGE) == FINAL
    assert one.respond(VERIFIER) == b""
    one.confirm(b"")


def test_scram_is_content_with_a_proof_that_comes_with_the_consent() -> None:
    challenged().confirm(VERIFIER)


@pytest.mark.parametrize(
    "proof",
    [b"", b"v=", b"v=AAAA", VERIFIER.replace(b"6", b"7"), b"e=other-error", b"\xff\xfe", b"v=no base64", b"welcome"],
)
def test_a_relay_that_does_not_prove_that_it_knows_the_password_is_refused(proof: bytes) -> None:
    with pytest.raises(WrongAnswer):
        challenged().confirm(proof)
    with pytest.raises(WrongAnswer):
        challenged().respond(proof)


def test_a_relay_that_consents_before_any_proof_is_refused() -> None:
    one = scram()
    one.begin()
    with pytest.raises(WrongAnswer, match="no proof"):
        one.confirm(VERIFIER)


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        (CHALLENGE.replace(b"rOpr", b"xOpr"), "nonce"),
        (b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        (b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        (CHALLENGE.replace(b"i=4096", b"i=4095"), "4095 rounds"),
        (CHALLENGE.replace(b"i=4096", b"i=1"), "1 rounds"),
        (CHALLENGE.replace(b"i=4096", b"i=99999999"), "99999999 rounds"),
        (CHALLENGE.replace(b"i=4096", b"i=" + b"9" * 5000), "rounds"),
        (CHALLENGE.replace(b"i=4096", b"i=-4096"), "rounds"),
        (CHALLENGE.replace(b"i=4096", "i=٤٠٩٦".encode()), "rounds"),
        (CHALLENGE.replace(b",i=4096", b""), "no rounds"),
        (CHALLENGE.replace(b"W22Z", b"!!!!"), "base64"),
        (b"m=must-know," + CHALLENGE, "extension"),
        (b"\xff\xfe", "UTF-8"),
        (b"", "nonce"),
    ],
)
def test_a_challenge_that_scram_does_not_allow_is_refused(challenge: bytes, why: str) -> None:
    one = scram()
    one.begin()
    with pytest.raises(WrongAnswer, match=why):
        one.respond(challenge)


def test_no_way_of_logging_in_talks_for_ever() -> None:
    done = challenged()
    done.respond(VERIFIER)
    ways = [done, way(ANNA, "PLAIN"), way(ANNA, "LOGIN"), way(BEARER, "XOAUTH2")]
    for one in ways[2:]:
        one.respond(b"")
    ways[2].respond(b"")
    for one in ways:
        with pytest.raises(WrongAnswer):
            one.respond(b"once more")


def test_names_are_written_so_that_commas_and_equal_signs_end_nothing() -> None:
    assert way(Login("a,b=c", "x"), "SCRAM-SHA-256", nonce="n").begin() == b"n,,n=a=2Cb=3Dc,r=n"


@pytest.mark.parametrize(
    ("given", "prepared"), [("I\u00adX", "IX"), ("user", "user"), ("ª", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")]
)
def test_what_looks_alike_is_one_secret_as_rfc_4013_has_it(given: str, prepared: str) -> None:
    def said(password: str) -> bytes:
        one = way(Login(given, password), "SCRAM-SHA-256", nonce=NONCE)
        return (one.begin() or b"") + one.respond(CHALLENGE)

    assert said(given) == said(prepared)
    assert f"n,,n={prepared},".encode() in said(given)


def test_plain_is_rfc_4616() -> None:
    one = way(Login("tim", "tanstaaftanstaaf"), "PLAIN")
    assert one.begin() == b"\0tim\0tanstaaftanstaaf"
    assert to_wire(one.begin() or b"") == Login("tim", "tanstaaftanstaaf").plain()


def test_login_says_name_and_password_when_asked() -> None:
    one = way(ANNA, "LOGIN")
    assert one.begin() is None
    assert (one.respond(b"Username:"), one.respond(b"Password:")) == (b"anna", b"open sesame")


def test_xoauth2_is_what_google_documents() -> None:
    one = way(BEARER, "XOAUTH2", "PLAIN")
    # The example of Google's own page, byte for byte.
    assert to_wire(one.begin() or b"") == (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0"
        "Q2cBAQ=="
    )
    assert one.respond(b'{"status":"401","schemes":"bearer","scope":"https://mail.example/"}') == b""


@pytest.mark.parametrize(
    ("login", "offered", "name"),
    [
        (ANNA, ("LOGIN", "PLAIN", "SCRAM-SHA-256", "XOAUTH2"), "SCRAM-SHA-256"),
        (ANNA, ("LOGIN", "PLAIN", "CRAM-MD5"), "PLAIN"),
        (ANNA, ("LOGIN", "GSSAPI"), "LOGIN"),
        (ANNA, ("XOAUTH2", "CRAM-MD5", "SCRAM-SHA-1"), None),
        (ANNA, (), None),
        (BEARER, ("PLAIN", "XOAUTH2"), "XOAUTH2"),
        (BEARER, ("PLAIN", "LOGIN", "SCRAM-SHA-256"), None),
    ],
)
def test_the_best_way_that_is_offered_is_chosen_and_a_token_goes_only_where_it_belongs(
    login: Login, offered: tuple[str, ...], name: str | None
) -> None:
    chosen = choose(login, frozenset(offered), nonce=NONCE)
    assert (chosen and chosen.name) == name


def test_an_empty_response_is_an_equal_sign() -> None:
    assert (to_wire(b""), to_wire(b"\0")) == ("=", "AA==")
    assert from_wire("") == b""


@pytest.mark.parametrize("text", ["no base64", "AAA", "ÄÄÄÄ", "=", "AA==AA=="])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(WrongAnswer):
        from_wire(text)


@pytest.mark.parametrize("login", [ANNA, BEARER])
def test_a_login_does_not_show_itself(login: Login) -> None:
    secret = login.password or login.token
    bearer = base64.b64encode(f"user={login.user}\x01auth=Bearer {login.token}\x01\x01".encode()).decode()
    encoded = base64.b64encode(secret.encode()).decode()
    echoed = f"535 not {secret}, not {login.plain()}, not {bearer}, not {encoded}"
    shown = f"{login!r} {login} {login.conceal(echoed)}"
    assert secret not in shown
    assert encoded not in shown
    if login.token:
        assert bearer not in shown
    else:
        assert login.plain() not in shown
    assert login.conceal("535 5.7.8 no") == "535 5.7.8 no"


@given(st.sampled_from(["SCRAM-SHA-256", "PLAIN", "LOGIN"]), st.lists(st.one_of(
    st.binary(max_size=60), st.just(CHALLENGE), st.just(VERIFIER), st.just(b"r=%s,s=,i=4096" % NONCE.encode()),
), max_size=5))  # fmt: skip
def test_whatever_a_relay_asks_is_answered_or_refused_without_repeating_it(name: str, asked: list[bytes]) -> None:
    one = way(Login("user", "pencil"), name)
    one.begin()
    with contextlib.suppress(WrongAnswer):
        for challenge in asked:
            one.respond(challenge)
        one.confirm(asked[-1] if asked else b"")
