import math

import pytest
from markupsafe import Markup

from convscope.errors import DataError, UsageError
from convscope.show.svg import drawing, element, join, number


def test_text_and_attributes_are_escaped():
    made = element("text", "<script>alert(1)</script> & more", class_='a" onload="x')
    assert made == (
        '<text class="a&#34; onload=&#34;x">&lt;script&gt;alert(1)&lt;/script&gt; &amp; more</text>'
    )


def test_markup_nests_without_being_escaped_again():
    assert element("g", element("path", d="M0 0")) == '<g><path d="M0 0"></path></g>'


@pytest.mark.parametrize("name", ["script", "iframe", "foreignObject", "a b", "x><y", ""])
def test_elements_that_could_run_are_refused(name):
    with pytest.raises(UsageError):
        element(name)


@pytest.mark.parametrize(
    "attributes",
    [
        {"onclick": "x"},
        {"onLoad": "x"},
        {"a b": 1},
        {"href": "https://example.org"},
        {"src": "javascript:x"},
        {"src": "data:text/html,x"},
        {"href": "//example.org"},
    ],
)
def test_attributes_that_could_run_or_fetch_are_refused(attributes):
    with pytest.raises(UsageError):
        element("image", **attributes)


def test_addresses_inside_the_page_are_allowed():
    assert 'href="#why"' in element("a", "why", href="#why")


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (2.50, "2.5"), (-0.001, "0"), (1e-9, "0"), (100, "100")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_cannot_be_drawn_are_refused(value):
    with pytest.raises(DataError):
        element("rect", x=value)


def test_a_drawing_says_what_it_shows_or_hides_from_screen_readers():
    assert 'role="img" aria-label="a &amp; b"' in drawing(10, 10, label="a & b")
    assert 'aria-hidden="true"' in drawing(10, 10)


def test_join_escapes_plain_text_only():
    assert join(["<", Markup("<br>"), None, 3]) == "&lt;<br>3"
