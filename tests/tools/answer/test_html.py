"""A page becomes the words on it, quickly, whatever is wrong with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.answer.html import text_of_html
from tests.effort import at_most


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>Not  found</h1>\n<p>No such <b>pizza</b>.</p>", "Not found\nNo such pizza."),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>one<li>two</ul>", "one\ntwo"),
        ("<script>if (a < b) { alert('</p>') }</script >seen", "seen"),
        ("<STYLE>p > a {}</Style>seen<style>rest", "seen"),
        ("<svg/>seen<script/>too", "seen\ntoo"),
        ("<!-- <p>hidden</p> -->seen<!-- never closed <p>x</p>", "seen"),
        ("5 < 6 &lt; 7 &amp;amp; 8 &#x1F355; &nbsp;x", "5 < 6 < 7 &amp; 8 🍕 x"),
        (f"a &#{'1' * 5_000}; b &#{'9' * 49}; c", "a \ufffd b \ufffd c"),
        ("seen<p title='x", "seen"),
        ("İ<script>x</script>İ seen", "İİ seen"),
        ("<spanish>a</spanish><span>b</span>c", "a\nbc"),
        ("a\u200bb\u202ec\x1b[31md", "abcd"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_the_words_remain(page: str, text: str) -> None:
    assert text_of_html(page) == text


@pytest.mark.parametrize(
    "part",
    ["<a ", "<!--", "</", "<a b='", "<![", "<?", "<", "<script>", "<p>", "<svg/>", "&", "&#", "<script></", "&a"],
)
def test_a_page_that_is_made_to_be_slow_is_not(part: str) -> None:
    page = part * (1_000_000 // len(part))
    with at_most(1):
        text_of_html(page)


@given(st.lists(st.sampled_from([*"<>/!-ap &;#\n\"'=", "script", "style", "<!--", "-->"])).map("".join))
def test_any_page_gives_lines_without_blanks(page: str) -> None:
    lines = text_of_html(page).split("\n")
    assert lines == [""] or all(line and line == " ".join(line.split()) for line in lines)
