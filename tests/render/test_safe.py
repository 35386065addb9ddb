import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.render.safe import clean, clean_url, host_of, one_line


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("a\x00b\x08c\x0bd\x1fe", "abcde"),
        ("it\x92s", "its"),
        ("a\ud800b\ufffec\U0001ffffd", "abcd"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("14\u00a0min \u200f \u200d e\u0301 \t", "14\u00a0min \u200f \u200d e\u0301 \t"),
    ],
)
def test_only_what_no_mail_may_hold_is_dropped(written: str, cleaned: str) -> None:
    assert clean(written) == cleaned


def test_a_title_stands_on_one_line_and_keeps_its_no_break_spaces() -> None:
    assert one_line(" No.\u00a03:\n the\tend ") == "No.\u00a03: the end"


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/x?y=1&z=2#top", "https://a.example/x?y=1&z=2#top"),
        ("http://a.example", "http://a.example"),
        ("HTTPS://A.Example:8443/B", "https://a.example:8443/B"),
        ("//a.example/x", "https://a.example/x"),
        ("https://münchen.example/straße?q=ü b", "https://xn--mnchen-3ya.example/stra%C3%9Fe?q=%C3%BC%20b"),
        ("https://a.example/50%-off/%41", "https://a.example/50%25-off/%41"),
        ("https://user:pass@a.example/", "https://a.example/"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ('https://a.example/"><script>', "https://a.example/%22%3E%3Cscript%3E"),
        ("mailto:editors@a.example?subject=Hello there", "mailto:editors@a.example?subject=Hello%20there"),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("#note", None),
        ("page.html", None),
        ("https://", None),
        ("https://a b/", None),
        ("https://[broken/", None),
        ("https://a.example:port/", None),
        ("mailto:nobody", None),
    ],
)
def test_an_address_is_made_safe_or_refused(url: str, safe: str | None) -> None:
    assert clean_url(url) == safe


def test_a_relative_address_needs_a_page_it_is_relative_to() -> None:
    assert clean_url("../b.pdf", base="https://a.example/x/y") == "https://a.example/b.pdf"
    assert clean_url("#note", base="https://a.example/x/y") is None


@given(st.text())
def test_whatever_is_written_an_address_is_ascii_and_breaks_no_attribute(url: str) -> None:
    for written in (url, f"https://a.example/{url}", f"mailto:{url}@a.example"):
        safe = clean_url(written)
        assert safe is None or (safe.isascii() and not set(safe) & set('"<> \n\t\\`'))
        assert safe is None or clean_url(safe) == safe


def test_a_host_is_shown_in_its_own_letters() -> None:
    assert host_of("https://www.xn--mnchen-3ya.example/x") == "münchen.example"
