"""What must hold before a letter leaves this machine."""

import pytest

from biweekly.config import Config, parse_config
from biweekly.errors import Refused
from biweekly.services.safety import warn_or_refuse

PUBLICATION = """
[publication]
name = "The Review"
from = "news@{domain}"
reply_to = "desk@{domain}"
sections = ["Field Reports"]
postal_address = "1 Street"
public_url = "{url}"
"""
REMOTE = '[[relay]]\nhost = "smtp.review-press.org"\nport = 465\ntls = "implicit"'
LOOPBACK = '[[relay]]\nhost = "127.0.0.1"\nport = 25\ntls = "none"'
LOCAL_PAGES = "http://127.0.0.1:8765"
PAGES = "https://news.review-press.org"


def config(relay: str, *, domain: str = "review-press.org", url: str = PAGES) -> Config:
    return parse_config(PUBLICATION.format(domain=domain, url=url) + relay, environ={})


def test_real_mail_under_ones_own_name_with_pages_that_answer_needs_no_word() -> None:
    assert warn_or_refuse(config(REMOTE), public_url_answers=True) == ()


@pytest.mark.parametrize("answering", [True, False])
def test_an_example_identity_never_leaves_this_machine(answering: bool) -> None:
    with pytest.raises(Refused, match=r"publication\.from is still an example address") as refusal:
        warn_or_refuse(config(REMOTE, domain="review.example"), public_url_answers=answering)
    assert (refusal.value.code, refusal.value.exit_code) == ("placeholder-identity", 4)


@pytest.mark.parametrize("relays", [f"{LOOPBACK}\n{REMOTE}", f"{REMOTE}\n{LOOPBACK}"])
def test_one_relay_elsewhere_among_several_is_enough_to_refuse_it(relays: str) -> None:
    with pytest.raises(Refused) as refusal:
        warn_or_refuse(config(relays, domain="review.example"), public_url_answers=True)
    assert refusal.value.code == "placeholder-identity"


def test_an_example_address_for_bounces_is_one_too() -> None:
    bounces = f'{REMOTE}\n[bounces]\naddress = "bounces@review.example"'
    with pytest.raises(Refused, match=r"bounces\.address"):
        warn_or_refuse(config(bounces), public_url_answers=True)


@pytest.mark.parametrize("relay", [LOOPBACK, REMOTE])
def test_letters_whose_links_lead_nowhere_are_not_sent(relay: str) -> None:
    with pytest.raises(Refused) as refusal:
        warn_or_refuse(config(relay), public_url_answers=False)
    assert refusal.value.code == "public-url-silent"


@pytest.mark.parametrize("relay", ["", LOOPBACK])
def test_on_this_machine_an_example_publication_is_only_warned(relay: str) -> None:
    warnings = warn_or_refuse(config(relay, domain="review.example", url=LOCAL_PAGES), public_url_answers=False)
    assert [one.split(":")[0] for one in warnings] == ["http", "link-http"]
    assert "biweekly serve" in warnings[0]


def test_without_a_relay_nothing_leaves_and_nothing_is_refused() -> None:
    assert len(warn_or_refuse(config(""), public_url_answers=False)) == 1
