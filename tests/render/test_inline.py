import pytest

from biweekly.errors import RenderError
from biweekly.render.inline import inline

PAGE = (
    '<!doctype html><html lang="en"><head><style>@media (max-width:520px){.a{color:red !important}}'
    "[data-ogsc] .a{color:blue !important} a:hover{color:red}</style>"
    "<!--[if mso]><style>.b{color:red}</style><![endif]--></head><body>"
    '<!--[if mso | IE]><table><![endif]--><p class="a">bwph_reader_name_00000000</p>'
    "<!--[if mso | IE]></table><![endif]-->"
    '<!--[if mso | IE]><table><![endif]--><img src="https://a.example/x" width="550" style="width:100%" alt="">'
    "<!--[if mso | IE]></table><![endif]-->"
    "</body></html>"
)


def test_rules_are_written_onto_the_elements() -> None:
    assert '<p class="a" style="margin:0">bwph_reader_name_00000000</p>' in inline(PAGE, "p { margin: 0; }")


def test_what_the_compiler_wrote_survives() -> None:
    done = inline(PAGE, "p { margin: 0; } img { border: 0 }")
    assert done.startswith("<!DOCTYPE html>")
    assert "@media (max-width:520px){.a{color:red !important}}" in done
    assert "[data-ogsc] .a{color:blue !important} a:hover{color:red}" in done
    assert 'width="550"' in done
    assert "<!--[if mso]><style>.b{color:red}</style><![endif]-->" in done
    assert "data-premailer" not in done


def test_neighbouring_comments_for_outlook_become_one() -> None:
    assert "</table><table>" in inline(PAGE, "p { margin: 0; }")


@pytest.mark.parametrize(
    ("css", "code", "line"),
    [
        ("p { margin: 0 }\n@import url(https://a.example/x.css);", "style-at-rule", 2),
        ("/* @media is\nfine here */\n\n@media print { p { margin: 0 } }", "style-at-rule", 4),
        ("p { margin: 0 }\np { color red }", "style-syntax", 2),
    ],
)
def test_a_stylesheet_that_would_be_misread_is_an_error_with_its_line(css: str, code: str, line: int) -> None:
    with pytest.raises(RenderError) as caught:
        inline(PAGE, css)
    assert (caught.value.code, caught.value.place) == (code, f"editorial.css:{line}")
