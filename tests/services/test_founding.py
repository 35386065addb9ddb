"""What a new publication begins with."""

from datetime import date, timedelta
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.config import parse_config
from biweekly.errors import ConfigError
from biweekly.services.founding import Founding, coming_thursday, files, is_placeholder, placeholders_in, write_config

TODAY = date(2026, 11, 24)


def test_a_founding_without_answers_is_a_configuration_that_mails_nobody() -> None:
    config = parse_config(write_config(Founding(), today=TODAY), environ={})
    assert config.relay == ()
    assert [one.title for one in config.publication.sections] == [
        "Analytical Articles", "Field Reports", "News Digest", "Staff Publications", "Upcoming Events",
    ]  # fmt: skip
    assert config.publication.public_url == "http://127.0.0.1:8765"
    assert config.schedule is not None
    assert config.schedule.anchor == date(2026, 11, 26)
    assert placeholders_in(config) == ("publication.from", "publication.reply_to")


def test_nothing_but_a_configuration_and_what_git_should_not_see_is_written() -> None:
    written = files(Founding(), today=TODAY)
    assert list(written) == [".gitignore", "config.toml"]
    assert {"/var/", "/subscribers/*"} <= set(written[".gitignore"].splitlines())


@given(st.dates(max_value=date(9998, 1, 1)))
def test_the_first_issue_is_on_a_thursday_of_the_coming_week(today: date) -> None:
    first = coming_thursday(today)
    assert first.weekday() == 3
    assert timedelta(0) < first - today <= timedelta(days=7)


def flat(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


@given(st.text(min_size=1).filter(flat), st.text(min_size=1).filter(flat))
@example("Review, The", 'a "quoted" \\ street')
@example("A <b@c.example>", "#")
@example("Śląsk; [x]\x7f\x00", "1\u2028Street")
def test_any_name_and_address_come_back_on_one_line(name: str, postal_address: str) -> None:
    text = write_config(Founding(name=name, postal_address=postal_address), today=TODAY)
    publication = parse_config(text, environ={}).publication
    assert publication.name == flat(name)
    assert publication.postal_address == flat(postal_address)
    assert parseaddr(publication.sender)[1] == "editors@review.example"


def test_a_name_of_nothing_that_can_be_printed_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        write_config(Founding(name=" \x00\n"), today=TODAY)
    assert caught.value.key == "publication.name"


def test_a_sender_with_a_name_of_its_own_gets_the_publications() -> None:
    text = write_config(Founding(name="Review", sender="Ed <ed@news.example>"), today=TODAY)
    assert parse_config(text, environ={}).publication.sender == "Review <ed@news.example>"


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        write_config(Founding(timezone="Mars/Hellas"), today=TODAY)
    assert caught.value.key == "schedule.timezone"


@pytest.mark.parametrize(
    ("address", "placeholder"),
    [
        ("editors@review.example", True),
        ("Review <editors@EXAMPLE.com>", True),
        ("x@mail.example.org.", True),
        ("x@some.test", True),
        ("x@example.se", False),
        ("x@counterexample.com", False),
        ("x@notexample", False),
        ("", False),
    ],
)
def test_a_placeholder_is_known_by_its_domain(address: str, placeholder: bool) -> None:
    assert is_placeholder(address) is placeholder
