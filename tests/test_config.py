"""The configuration: what it takes, what it refuses, and how it says so."""

import re
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from biweekly.config import Config, Cutoff, is_loopback, parse_clock_time, parse_config, parse_duration
from biweekly.errors import ConfigError
from biweekly.model.issue import Form

EXAMPLE: Final = (Path(__file__).parent.parent / "config.example.toml").read_text("utf-8")
# A commented-out setting starts at the margin and looks like TOML; a sentence does not.
COMMENTED: Final = re.compile(r"^# (?=\[\[?[a-z]+\]|[a-z0-9_]+ = )", re.MULTILINE)
# One that takes the place of the one above it is written with an "or".
OTHERWISE: Final = re.compile(r"^# (?:or: )?(?=\[\[?[a-z]+\]|[a-z0-9_]+ = )", re.MULTILINE)
# Its keys are a publication's own.
FREE: Final = "delivery.per_lane."

SMALL: Final = """\
[publication]
name = "Review"
from = "editors@review.example"
reply_to = "editors@review.example"
sections = ["Articles"]
postal_address = "1 Example Street"
public_url = "http://127.0.0.1:8765"
"""


def read(text: str, **environ: str) -> Config:
    return parse_config(text, environ=environ)


def refusal(text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, environ=environ)
    return caught.value


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key of a model as it is written, down to the last table."""
    found = set()
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = [one for one in leaves(field.annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
        if inner and inner[0] is not Cutoff:
            found |= keys_of(inner[0], f"{key}.")
        else:
            found.add(key)
    return found


def leaves(annotation: Any) -> list[Any]:
    args = getattr(annotation, "__args__", ())
    return [annotation, *(leaf for arg in args for leaf in leaves(arg))]


def keys_in(tree: Any, prefix: str = "") -> set[str]:
    """Every key of a TOML document, list indices left out."""
    if isinstance(tree, dict) and prefix != FREE:
        return {key for name, value in tree.items() for key in keys_in(value, f"{prefix}{name}.")}
    if isinstance(tree, list) and any(isinstance(one, dict) for one in tree):
        return {key for one in tree for key in keys_in(one, prefix)}
    return {prefix.removesuffix(".")}


# --- the example -------------------------------------------------------------------------------------------------


def test_the_example_loads_and_mails_nobody() -> None:
    assert read(EXAMPLE).relay == ()


def test_the_example_with_all_comments_taken_away_loads_too() -> None:
    loaded = read(COMMENTED.sub("", EXAMPLE))
    assert loaded.relay[0].host == "smtp.review.example"
    assert loaded.database.url == "postgresql://biweekly@localhost/biweekly"
    assert loaded.dkim is not None
    assert (loaded.dkim.domain, loaded.dkim.selector) == ("review.example", "bw202611")


def test_the_example_shows_every_key_and_no_other() -> None:
    assert keys_in(tomllib.loads(COMMENTED.sub("", EXAMPLE.replace("# or: ", "# ")))) == keys_of(Config)


def test_the_example_shows_the_defaults() -> None:
    shown, least = read(EXAMPLE), read(SMALL)
    for part in ("workflow", "relay", "delivery", "bounces", "database", "web"):
        assert getattr(shown, part) == getattr(least, part)
    sparse = read(SMALL + '[schedule]\nanchor = 2026-11-26\ntimezone = "Europe/Stockholm"')
    assert shown.schedule == sparse.schedule


def test_the_example_has_a_word_on_every_key() -> None:
    shown = COMMENTED.sub("", EXAMPLE.replace("# or: ", "# "))
    settings = [line for line in shown.splitlines() if re.match(r"[a-z0-9_]+ = ", line)]
    bare = [line for line in settings if not re.search(r"  # \S", line)]
    assert bare == []


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30 s", timedelta(seconds=30)),
        ("5 min", timedelta(minutes=5)),
        ("5min", timedelta(minutes=5)),
        ("1.5 h", timedelta(minutes=90)),
        ("2 hours", timedelta(hours=2)),
        ("3 days", timedelta(days=3)),
        ("1 week", timedelta(weeks=1)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize("written", ["", "5", "min", "5 parsecs", "-5 min", "5 min 3", 5, None, "9" * 400 + " d"])
def test_anything_else_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["24:00", "9:00", "09:60", "09", 9, None, "09:00:00 "])
def test_a_time_of_day_has_two_digits_on_either_side(written: object) -> None:
    with pytest.raises(ValueError, match="time of day"):
        parse_clock_time(written)


def test_a_schedule_is_read_in_full() -> None:
    schedule = read(
        SMALL + '[schedule]\nanchor = 2026-11-26\nat = 07:30:00\ntimezone = "Asia/Tashkent"\ncutoff = "Wednesday 18:15"'
    ).schedule
    assert schedule is not None
    assert (schedule.anchor, schedule.at, schedule.cutoff) == (
        date(2026, 11, 26),
        time(7, 30),
        Cutoff(weekday=2, at=time(18, 15)),
    )
    assert datetime(2026, 11, 26, tzinfo=schedule.zone).astimezone(UTC).hour == 19


def test_a_section_may_be_its_title_alone() -> None:
    text = SMALL.replace('["Articles"]', '["Articles", {title = "Digest", form = "full", required = true}]')
    sections = read(text).publication.ordered_sections()
    assert [(one.title, one.form, one.required) for one in sections] == [
        ("Articles", Form.LEAD, False),
        ("Digest", Form.FULL, True),
    ]


def test_several_relays_are_read_in_their_order() -> None:
    other = RELAY.replace("smtp.", "backup.") + "weight = 3\nwarm_up_from = 2026-11-12\n"
    first, second = read(SMALL + RELAY + other).relay
    assert (first.host, first.weight, first.warm_up_from) == ("smtp.review.example", 1.0, None)
    assert (second.host, second.weight, second.warm_up_from) == ("backup.review.example", 3.0, date(2026, 11, 12))
    assert second.warm_up_letters == 1_000


def test_quiet_hours_are_two_times_of_day_and_lanes_are_named_by_their_domain() -> None:
    text = SMALL + '[schedule]\nanchor = 2026-11-26\ntimezone = "UTC"\nquiet_hours = ["20:00", "08:00"]\n'
    config = read(text + '[delivery]\nper_lane = { "big.example" = 2.5 }\nseeds = ["a@b.example"]\n')
    assert config.schedule is not None
    assert config.schedule.quiet_hours == (time(20), time(8))
    assert (config.delivery.per_lane, config.delivery.seeds) == ({"big.example": 2.5}, ("a@b.example",))


def test_the_public_address_loses_its_last_slash() -> None:
    assert read(SMALL.replace("8765", "8765/news/")).publication.public_url == "http://127.0.0.1:8765/news"


@pytest.mark.parametrize(
    ("host", "ours"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
     ("localhost.review.example", False), ("192.0.2.1", False), ("198.51.100.7", False), ("", False)],
)  # fmt: skip
def test_loopback_is_this_machine_and_nothing_else(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours


# --- refusals: code, place, cure -----------------------------------------------------------------------------------

RELAY: Final = '[[relay]]\nhost = "smtp.review.example"\nport = 465\ntls = "implicit"\n'


@pytest.mark.parametrize(
    ("text", "code", "key", "place", "words"),
    [
        (SMALL + "[web\n", "config-syntax", None, "config.toml:8", "TOML"),
        (SMALL + "[web]\nprot = 1\n", "unknown-key", "web.prot", "config.toml:9", "web.prot"),
        (SMALL + "[wev]\nport = 1\n", "unknown-key", "wev", "config.toml:8", "wev"),
        (SMALL + RELAY + 'pasword_file = "x"\n', "unknown-key", "relay.0.pasword_file", "config.toml:12", "pasword"),
        (SMALL.replace('from = "editors@review.example"\n', ""), "missing-key", "publication.from", None, "needed"),
        (SMALL.replace("from =", "sender ="), "unknown-key", "publication.sender", "config.toml:3", "sender"),
        ("", "missing-key", "publication", None, "needed"),
        (SMALL + '[web]\nport = "many"\n', "bad-value", "web.port", "config.toml:9", "integer"),
        (SMALL + "[web]\nport = 65536\n", "bad-value", "web.port", "config.toml:9", "65535"),
        (SMALL + '[delivery]\ngive_up_after = "soon"\n', "bad-value", "delivery.give_up_after", None, "a unit"),
        (SMALL + "[delivery]\nretry = []\n", "bad-value", "delivery.retry", "config.toml:9", "waits"),
        (SMALL + '[delivery]\nretry = ["0 s"]\n', "bad-value", "delivery.retry", "config.toml:9", "waits"),
        (SMALL + "[workflow]\napprovals = 1\n", "bad-value", "workflow.approvals", "config.toml:9", "only 0"),
        (SMALL + RELAY.replace("implicit", "none"), "bad-value", "relay.0", "config.toml:8", "this machine only"),
        (SMALL + RELAY + 'user = "x"\n', "bad-value", "relay.0", "config.toml:8", "one of password_file, token_file"),
        (SMALL + RELAY + "rate = inf\n", "bad-value", "relay.0.rate", "config.toml:12", "finite"),
        (SMALL + RELAY + "weight = 0\n", "bad-value", "relay.0.weight", "config.toml:12", "greater than 0"),
        (SMALL + RELAY + "warm_up_letters = 0\n", "bad-value", "relay.0.warm_up_letters", "config.toml:12", "1"),
        (SMALL + RELAY + RELAY.replace("implicit", "none"), "bad-value", "relay.1", None, "this machine only"),
        (SMALL + "[delivery]\ncanary = 0.6\n", "bad-value", "delivery.canary", "config.toml:9", "0.5"),
        (SMALL + "[delivery]\nper_lane = { 'd.example' = 0 }\n", "bad-value", "delivery.per_lane.d.example", None,
         "greater than 0"),
        (SMALL + "[schedule]\nanchor = 2026-11-26\ntimezone = 'Mars/Hellas'\n", "bad-value", "schedule.timezone",
         "config.toml:10", "Europe/Stockholm"),
        (SMALL + "[schedule]\nanchor = 2026-11-26\ntimezone = 'UTC'\ncutoff = 'noon'\n", "bad-value",
         "schedule.cutoff", "config.toml:11", "weekday"),
        (SMALL.replace("http://127", "ftp://127"), "bad-value", "publication.public_url", "config.toml:7", "readers"),
        ("0 = 1\n" + SMALL, "unknown-key", "0", None, "0"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_where_and_why(
    text: str, code: str, key: str | None, place: str | None, words: str
) -> None:
    error = refusal(text)
    assert (error.code, error.key) == (code, key)
    assert error.place == (place or error.place)
    assert words in error.message + (error.hint or "")
    assert error.exit_code == 3


def test_every_refusal_of_a_key_comes_with_a_cure() -> None:
    for text in (SMALL + "[web]\nport = 'x'\n", SMALL + "[web]\nzzzzzz = 1\n", ""):
        assert refusal(text).hint


@pytest.mark.parametrize(("wrong", "right"), [("prot", "port"), ("hots", "host")])
def test_an_unknown_key_is_answered_with_the_nearest_known_one(wrong: str, right: str) -> None:
    assert refusal(SMALL + f"[web]\n{wrong} = 1\n").hint == f"did you mean {right}?"


def test_a_misspelt_key_that_is_needed_is_called_misspelt_and_not_missing() -> None:
    error = refusal(SMALL.replace("from =", "form ="))
    assert (error.code, error.key, error.hint) == ("unknown-key", "publication.form", "did you mean from?")


# --- who signs ---------------------------------------------------------------------------------------------------

DKIM: Final = '[dkim]\nselector = "s1"\nkey_file = "key.pem"\n'


def test_without_the_table_nobody_signs() -> None:
    assert read(SMALL).dkim is None


@pytest.mark.parametrize(
    ("sender", "domain", "meant"),
    [
        ("editors@review.example", "review.example", "review.example"),
        ("The Review <editors@REVIEW.example>", "Review.Example.", "review.example"),
        ("editors@mail.review.example", "review.example", "review.example"),
        ("editors@обзор.example", "обзор.example", "xn--90amtck.example"),
        ("editors@xn--90amtck.example", "Обзор.example", "xn--90amtck.example"),
    ],
)
def test_the_domain_of_the_sender_or_one_above_it_signs(sender: str, domain: str, meant: str) -> None:
    text = SMALL.replace("editors@review.example", sender) + DKIM + f'domain = "{domain}"\n'
    dkim = read(text).dkim
    assert dkim is not None
    assert dkim.domain == meant


@pytest.mark.parametrize(
    "domain",
    [
        "mail.review.example",
        "other.example",
        "view.example",
        "example",
        "",
        "review..example",
        "a b.example",
        "-.example",
    ],
)
def test_no_other_domain_signs(domain: str) -> None:
    error = refusal(SMALL + DKIM + f'domain = "{domain}"\n')
    assert error.code == "bad-value"
    assert (error.key, error.place) in {("dkim", "config.toml:8"), ("dkim.domain", "config.toml:11")}


def test_a_sender_that_is_no_address_has_no_signature() -> None:
    text = SMALL.replace("editors@review.example", "the editors") + DKIM + 'domain = "review.example"\n'
    assert "none" in refusal(text).message


@pytest.mark.parametrize("selector", ["", "a b", "-a", "a.", "a..b", "ключ", "a" * 64, "a_b", " a"])
def test_a_selector_is_a_name(selector: str) -> None:
    text = SMALL + f'[dkim]\ndomain = "review.example"\nkey_file = "k"\nselector = "{selector}"\n'
    assert (refusal(text).code, refusal(text).key) == ("bad-value", "dkim.selector")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('ed25519_selector = "s2"\n', "go together"),
        ('ed25519_key_file = "k2"\n', "go together"),
        ('ed25519_selector = "S1"\ned25519_key_file = "k2"\n', "of its own"),
    ],
)
def test_a_second_signature_needs_a_key_and_a_selector_of_its_own(more: str, words: str) -> None:
    assert words in refusal(SMALL + DKIM + 'domain = "review.example"\n' + more).message


# --- variables ---------------------------------------------------------------------------------------------------


def test_a_variable_wins_over_the_file() -> None:
    assert read(SMALL + "[web]\nport = 1\n", BIWEEKLY_WEB__PORT="8080").web.port == 8080


@pytest.mark.parametrize("value", ["2026", "true", "2026-11-26", "0.5", "[sic", 'a "b" c'])
def test_a_text_stays_a_text_whatever_it_looks_like(value: str) -> None:
    assert read(SMALL, BIWEEKLY_PUBLICATION__NAME=value).publication.name == value


def test_variables_can_name_a_whole_relay() -> None:
    relay = read(
        SMALL, BIWEEKLY_RELAY__0__HOST="localhost", BIWEEKLY_RELAY__0__PORT="2525", BIWEEKLY_RELAY__0__TLS="none",
        BIWEEKLY_RELAY__0__RATE="0.5",
    ).relay[0]  # fmt: skip
    assert (relay.host, relay.port, relay.rate) == ("localhost", 2525, 0.5)


def test_a_variable_can_change_one_key_of_a_relay_in_the_file() -> None:
    assert read(SMALL + RELAY, BIWEEKLY_RELAY__0__PORT="2465").relay[0].host == "smtp.review.example"


def test_a_list_is_given_as_toml() -> None:
    assert read(SMALL, BIWEEKLY_DELIVERY__RETRY='["1 min", "2 min"]').delivery.retry[-1] == timedelta(minutes=2)
    assert read(SMALL, BIWEEKLY_WORKFLOW__APPROVALS="0").workflow.approvals == 0


def test_one_wait_of_the_list_can_be_changed() -> None:
    text = SMALL + '[delivery]\nretry = ["1 min", "2 min", "3 min"]\n'
    assert read(text, BIWEEKLY_DELIVERY__RETRY__1="9 min").delivery.retry[1:] == (
        timedelta(minutes=9),
        timedelta(minutes=3),
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [("BIWEEKLY_WEB__PROT", "unknown-key"), ("BIWEEKLY_WEB__PORT", "bad-value"),
     ("BIWEEKLY_RELAY__7__HOST", "unknown-key"), ("BIWEEKLY_PUBLICATION__NAME__X", "unknown-key")],
)  # fmt: skip
def test_a_variable_that_is_wrong_is_named(name: str, code: str) -> None:
    error = refusal(SMALL, **{name: "x"})
    assert (error.code, error.place) == (code, name)


def test_variables_without_a_section_are_none_of_ours() -> None:
    assert read(SMALL, BIWEEKLY_DIR="/somewhere", BIWEEKLY_TEST_PG="x", OTHER__THING="x") == read(SMALL)


# --- anything at all ---------------------------------------------------------------------------------------------


@given(st.text())
@example("a = " + "[" * 5000)
@example("a = " + "9" * 5000)
@example("\x00")
def test_any_text_is_a_configuration_or_a_refusal(text: str) -> None:
    refusal(text)


VERDICTS: Final = {"taken", "unknown-key", "missing-key", "bad-value"}


def verdict(text: str, environ: dict[str, str]) -> str:
    try:
        parse_config(text, environ=environ)
    except ConfigError as error:
        return error.code
    return "taken"


_VALUES = st.one_of(st.text(max_size=12), st.sampled_from(["[]", "{}", "[[]]", '""', "[" * 3000, "nan", "-1", "true"]))


@given(st.sampled_from(sorted(keys_of(Config))), _VALUES)
@example("schedule.timezone", "../etc")
@example("schedule.timezone", "")
@example("schedule.timezone", "\ud800")
@example("schedule.timezone", "Europe")
def test_any_value_of_any_variable_is_taken_or_refused(key: str, value: str) -> None:
    name = "BIWEEKLY_" + key.replace("relay.", "relay.0.").replace("sections.", "sections.0.").replace(".", "__")
    full = EXAMPLE + '\n[[relay]]\nhost = "localhost"\nport = 25\ntls = "none"\n'
    assert verdict(full, {name.upper(): value}) in VERDICTS


@given(st.dictionaries(st.from_regex(r"\ABIWEEKLY_[A-Z0-9_²]{0,24}\Z"), _VALUES, max_size=4))
@example({"BIWEEKLY_RELAY__999999999__HOST": "x"})
@example({"BIWEEKLY_RELAY__²__HOST": "x"})
@example({"BIWEEKLY___": "x"})
@example({"BIWEEKLY_" + "A__" * 20_000: "x"})
@example({"BIWEEKLY_PUBLICATION__SECTIONS__0": "x", "BIWEEKLY_PUBLICATION__SECTIONS__0__TITLE": "y"})
def test_any_variables_are_taken_or_refused(environ: dict[str, str]) -> None:
    assert verdict(SMALL, environ) in VERDICTS
