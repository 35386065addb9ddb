import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biweekly.errors import RenderError
from biweekly.render.dialect import find_fault
from biweekly.render.mjml import compile_mjml, run_compiler

BEFORE = "<mjml>\n<mj-body>\n<mj-section>\n<mj-column>\n"
AFTER = "\n</mj-column>\n</mj-section>\n</mj-body>\n</mjml>"


def compiled(inside: str) -> str:
    return compile_mjml(BEFORE + inside + AFTER, template="issue.mjml.j2")


@pytest.mark.parametrize(
    ("inside", "code", "line", "hint"),
    [
        ("<mj-txt>a</mj-txt>", "template-unknown-tag", 5, "did you mean <mj-text>?"),
        ("\n<mj-text>\n<blnk>a</blnk></mj-text>", "template-unknown-tag", 7, None),
        ('<mj-text font-sise="12px">a</mj-text>', "template-unknown-attribute", 5, "did you mean font-size?"),
        ('<mj-text>a</mj-text>\n<mj-text zzz="1">a</mj-text>', "template-unknown-attribute", 6, None),
        ("<mj-section></mj-section>", "template-misplaced-tag", 5, None),
        ("<mj-text><mj-button>a</mj-button></mj-text>", "template-misplaced-tag", 5, None),
        ("words", "template-misplaced-text", 5, None),
        ("\n<mj-text><b>a</mj-text>", "template-unclosed-tag", 6, "write </b> where it ends"),
        ("<mj-text>", "template-unclosed-tag", 5, None),
        ("<mj-text>5 < 6</mj-text>", "template-syntax", 5, None),
        ("<mj-text>a & b</mj-text>", "template-syntax", 5, None),
        ("<mj-text color=red>a</mj-text>", "template-syntax", 5, None),
        ('<mj-text color="a" color="b">a</mj-text>', "template-syntax", 5, None),
        ("<!-- a -- b -->", "template-syntax", 5, None),
        ("<![CDATA[x]]>", "template-syntax", 5, None),
        ("<mj-text><!--[if mso --></mj-text>", "template-syntax", 5, None),
        ("<mj-text><!--[if mso", "template-syntax", 5, None),
        ('<mj-image src="https://a.example/x.png" />', "template-image-alt", 5, None),
        ('<mj-text><img src="x" /></mj-text>', "template-image-alt", 5, None),
        ('<mj-text padding="0 20px">a</mj-text>', "template-attribute-value", 5, "write 0px"),
        ('<mj-text><p style="a:b;\nc:d">a</p></mj-text>', "template-attribute-value", 5, None),
        ("<mj-text><p title='say \"hi\"'>a</p></mj-text>", "template-attribute-value", 5, None),
        ("<mj-table><!--[if mso]><tr><![endif]--></mj-table>", "template-misplaced-tag", 5, None),
        ("<!--[if mso]>a<![endif]-->", "template-misplaced-tag", 5, None),
        (
            "<mj-text>\n<!--[if mso]><table><![endif]-->\n</mj-text>",
            "template-unclosed-tag",
            6,
            "write </table> where it ends",
        ),
        ("<mj-text><!--[if mso]></td><![endif]--></mj-text>", "template-syntax", 5, None),
        ("<mj-text><!--[if mso]>5 < 6<![endif]--></mj-text>", "template-syntax", 5, "write &lt; for a <"),
        ("<mj-text><!--[if mso]><table width=1><![endif]--></mj-text>", "template-syntax", 5, None),
        (
            "<mj-text><p><!--[if mso]><b><![endif]--></p><!--[if mso]></b><![endif]--></mj-text>",
            "template-unclosed-tag",
            5,
            None,
        ),
        ("<mj-text><!-- [if mso]>a<![endif]--></mj-text>", "template-syntax", 5, None),
        ("<mj-text><!--[if mso]>a--></mj-text>", "template-syntax", 5, None),
        ("<mj-text><!--<![endif] x--></mj-text>", "template-syntax", 5, None),
        ("&nbsp;", "template-misplaced-text", 5, None),
        ("<mj-text>" + "<div>" * 200 + "</div>" * 200 + "</mj-text>", "template-too-deep", 5, None),
    ],
)
def test_what_the_compiler_would_spoil_is_an_error_with_its_line(
    inside: str, code: str, line: int, hint: str | None
) -> None:
    with pytest.raises(RenderError) as caught:
        compiled(inside)
    assert (caught.value.code, caught.value.place) == (code, f"issue.mjml.j2:{line}")
    assert hint is None or caught.value.hint == hint
    assert caught.value.exit_code == 1


def test_the_line_at_fault_is_quoted() -> None:
    with pytest.raises(RenderError, match='<mj-text font-sise="12px">'):
        compiled('<mj-text font-sise="12px">a</mj-text>')


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("<mj-style>@import url(x.css);</mj-style>", "template-style"),
        ("<mj-style>.a:before { content: '\u201c' }</mj-style>", "template-style"),
        ('<mj-raw><link rel="stylesheet" href="x" /></mj-raw>', "template-unknown-tag"),
        ('<mj-font name="a" href="b" />', "template-unknown-tag"),
        ('<mj-attributes><mj-class name="a"><mj-text /></mj-class></mj-attributes>', "template-misplaced-tag"),
        ("<mj-title>a<!-- b --></mj-title>", "template-misplaced-text"),
        ("<mj-title>a<!--<![endif]x--></mj-title>", "template-misplaced-text"),
        ("<mj-attributes><!-- b --></mj-attributes>", "template-misplaced-text"),
    ],
)
def test_a_head_that_fetches_or_that_the_compiler_refuses_is_an_error(head: str, code: str) -> None:
    found = find_fault(f"<mjml><mj-head>{head}</mj-head><mj-body></mj-body></mjml>")
    assert found is not None
    assert found.code == code


def test_a_document_type_is_refused_before_any_entity_can_grow() -> None:
    found = find_fault('<!DOCTYPE x [<!ENTITY a "b">]><mjml></mjml>')
    assert found is not None
    assert found.code == "template-syntax"


@pytest.mark.parametrize(
    "text", ["é &gt; b", "Рус &gt; x", "14\u00a0min", "e\u0301", "👩\u200d🚀", "नमस्ते", "שָׁלוֹם", "&nbsp;&zwnj;"]
)
def test_every_script_passes_through_text_and_attributes(text: str) -> None:
    html = compiled(f'<mj-image src="https://a.example/x" alt="{text}" /><mj-text>{text}</mj-text>')
    assert "\\u" not in html
    assert html.isascii()


def test_a_panic_of_the_compiler_is_our_own_error() -> None:
    with pytest.raises(RenderError) as caught:
        run_compiler("<mjml><mj-body><mj-raw><!--[if mso --></mj-raw></mj-body></mjml>", template="issue.mjml.j2")
    assert caught.value.code == "compiler-panicked"
    assert caught.value.place == "issue.mjml.j2"


def test_a_refusal_of_the_compiler_is_our_own_error() -> None:
    with pytest.raises(RenderError) as caught:
        run_compiler("<mjml><mj-body>", template="issue.mjml.j2")
    assert caught.value.code == "compiler-refused"


def test_comments_of_the_template_are_not_mailed_and_those_for_outlook_are() -> None:
    html = compiled("<mj-text><!-- ours --><!--[if mso]>theirs<![endif]--></mj-text>")
    assert "ours" not in html
    assert "<!--[if mso]>theirs<![endif]-->" in html


@pytest.mark.parametrize(
    "inside",
    [
        '<!--[if mso]><table><tr><td width="1"><![endif]--><p>a</p><!--[if mso]></td></tr></table><![endif]-->',
        "<!--[if !mso]><!--><p>a</p><!--<![endif]-->",
        "<!--[if (gte mso 9)|(IE)]>a<![endif]-->",
        "<!-- [ours] < & > -->",
    ],
)
def test_what_outlook_alone_sees_passes_in_words_and_in_raw(inside: str) -> None:
    for holder in ("mj-text", "mj-raw"):
        html = compiled(f"<{holder}>{inside}</{holder}>")
        assert ("[if" in inside) is (inside in html)


@pytest.mark.parametrize("blanks", [" ", "\t", "\n\t\t", "\r\n  ", ""])
def test_it_does_not_matter_how_a_template_is_indented(blanks: str) -> None:
    source = blanks.join([
        "<mjml>", "<mj-head>", "<mj-title>T</mj-title>", '<mj-breakpoint width="1px" />', "<mj-attributes>",
        '<mj-all color="red" />', "</mj-attributes>", "<mj-style>a > b { c: d }</mj-style>", "</mj-head>", "<mj-body>",
        "<mj-section>", "<mj-column>", "<mj-text>a</mj-text>", "</mj-column>", "</mj-section>", "</mj-body>", "</mjml>",
    ])  # fmt: skip
    assert "color:red" in compile_mjml(source, template="issue.mjml.j2")


# What spoils documents in practice, to be put anywhere into one.
PIECES = [
    "<!--[if mso", "<!--[if mso]>", "<![endif]-->", "<!--", "-->", "é > b", "Рус", "\u00a0", "\u200d", "&nbsp;",
    "&bogus;", "&#8;", "<", "<br>", "<BR/>", "</img>", "<b>", "</b>", ">", '"', "'", "\\", "\n", "\t", " title='b\"c'",
    ' alt="é > b"', "<mj-text>", "</mj-text>", "<mj-raw>", "</mj-raw>", "]]>", "<![CDATA[", "<?x?>", "<td>", "</td>",
    "<mj-spacer/>", "<mj-image alt=''/>", "😀", "<!--[if mso]><v:rect><![endif]-->", "<!--[if !mso]><!-->",
    "<!--<![endif]-->", "<style>", ' padding="0"', ' width="abc"', "<mj-column>", "</mj-column>",
]  # fmt: skip
WHOLE = (
    '<mjml lang="en"><mj-head><mj-title>T</mj-title><mj-attributes><mj-text padding="0px" /></mj-attributes><mj-style>'
    "a{b:c}</mj-style></mj-head><mj-body><mj-raw><div>x</div></mj-raw><mj-section><mj-column><mj-text><p>Hello <b>you"
    '</b></p></mj-text><mj-image src="https://a.example/x" alt="y" width="20px" /><mj-button href="https://a.example/">'
    "go</mj-button><mj-table><tr><td>1</td></tr></mj-table></mj-column></mj-section></mj-body></mjml>"
)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.sampled_from(PIECES)), max_size=3))
def test_whatever_a_template_holds_the_compiler_is_never_what_finds_it(pieces: list[tuple[int, str]]) -> None:
    source = WHOLE
    for place, piece in sorted(pieces, reverse=True):
        source = source[:place] + piece + source[place:]
    fault = find_fault(source)
    if fault is None:
        html = compile_mjml(source, template="issue.mjml.j2")
        assert html.startswith("<!doctype html>")
        assert "\\u{" not in html
    else:
        assert fault.code.startswith("template-")
        assert fault.line >= 1


def test_no_font_is_fetched_from_anywhere() -> None:
    html = compiled("<mj-text>a</mj-text>")
    assert "<link" not in html
    assert "@import" not in html
