import string

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.audience.validate import Invalid, require, restore, shown, validate
from biweekly.errors import AddressError
from biweekly.model.address import Address

_ATEXT = string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~."
_HOSTS = st.sampled_from(
    ["example.org", "EXAMPLE.Com", "a.example", "bücher.example", "xn--bcher-kva.example", "example", "x.test",
     "-a.example.org", "a..example.org", "ex ample.org", "ＥＸ.example", "1.2.3.4", "[1.2.3.4]", "a" * 64 + ".example",
     "ab--c.example", "example.org.", ".example.org", "xn--a.example", "localhost", "a.local", ".".join(["abc"] * 62)]
)  # fmt: skip
_ADDRESSES = st.one_of(
    st.builds("{}@{}".format, st.text(_ATEXT, max_size=70), _HOSTS),
    st.builds("{}@{}".format, st.text(max_size=12), _HOSTS),
    st.builds("{}@{}.example".format, st.text(_ATEXT, min_size=1), st.text("abcXYZ0-.", max_size=260)),
    st.text(max_size=40),
    st.sampled_from(["Info", "news", "WWW", "postmaster"]).map("{}@example.org".format),
)


@given(_ADDRESSES)
@example("a@" + ".".join(["abcdefghi"] * 25) + ".ex")
@example("x" * 64 + "@example.org")
@example("x" * 65 + "@example.org")
@example("a@example.org\n")
@example("")
def test_the_answer_is_always_that_of_email_validator(text: str) -> None:
    try:
        expected = validate_email(text, strict=True, allow_smtputf8=True, check_deliverability=False)
    except UnicodeError:
        assert isinstance(validate(text), Invalid)
    except EmailNotValidError as error:
        assert validate(text) == Invalid(str(error))  # noqa: PT017 - either answer will do
    else:
        found = validate(text)
        assert isinstance(found, Address)
        assert (found.written, found.local, found.ascii) == (
            expected.normalized, expected.local_part, expected.ascii_email
        )  # fmt: skip
        assert found.domain == expected.ascii_domain.lower()


@given(_ADDRESSES)
def test_what_is_stored_for_the_wire_comes_back_as_it_was(text: str) -> None:
    found = validate(text)
    if isinstance(found, Address):
        assert restore(found.on_wire) == found


def test_two_spellings_of_one_mailbox_have_one_key() -> None:
    keys = {
        require(one).key
        for one in ("Nino@BÜCHER.example", "nino@xn--bcher-kva.example", "NINO@bücher.Example", " nino@bücher.example ")
    }
    assert keys == {"nino@xn--bcher-kva.example"}


def test_a_tag_is_part_of_the_mailbox() -> None:
    assert require("nino+a@example.org").key != require("nino@example.org").key


def test_a_local_part_of_another_alphabet_needs_smtputf8() -> None:
    found = require("δοκιμή@bücher.example")
    assert found.needs_smtputf8
    assert found.ascii is None
    assert found.on_wire == "δοκιμή@xn--bcher-kva.example"


def test_the_local_part_is_kept_as_its_owner_typed_it() -> None:
    assert require("Nino.B@Example.ORG").written == "Nino.B@example.org"


@pytest.mark.parametrize("text", ["", "nino", "nino@", "@example.org", "a@b@example.org", "a b@example.org"])
def test_a_refusal_is_a_sentence(text: str) -> None:
    found = validate(text)
    assert isinstance(found, Invalid)
    assert found.reason[0].isupper()
    assert found.reason.endswith((".", ")"))
    with pytest.raises(AddressError) as caught:
        require(text)
    assert caught.value.code == "address-invalid"


def test_a_stored_address_stays_one_although_the_rules_have_changed() -> None:
    assert restore("old@host.invalid").on_wire == "old@host.invalid"


def test_what_is_shown_of_a_list_has_no_control_characters() -> None:
    assert shown("a\x1b[31mb\r\n") == "a�[31mb��"
    assert len(shown("x" * 5000)) == 120
