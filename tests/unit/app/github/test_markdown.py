"""Hostile text has no effect on GitHub, whatever it tries."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.github import markdown

PIECES = st.sampled_from(
    ["@octocat", "#12", "o/r#3", "GH-4", "closes ", "Fixes: ", "<!-- aurora:progress 1 -->", "<img src=x>", "`",
     "```", "\n", "\r\n", "|", "](http://evil)", "![a](https://evil)", "&#64;all", "&lt;", "www.evil.com", "~~~",
     '"]', "click n0", "%%", "\u202e", "\u2060", "\x00", "\ud800", "</details>", "> ", "- ", "1. ", "\\", "[x]: ",
     "https://github.com/o/r/issues/5", " ", "a", "é", "end"]
)  # fmt: skip
HOSTILE = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200)

MENTION = re.compile(r"@(?=\w)")
REFERENCE = re.compile(r"#\d|GH-\d", re.IGNORECASE)
LINK = re.compile(r"[a-z]://|www\.", re.IGNORECASE)
HTML = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
ENTITY = re.compile(r"&(?!(?:amp|lt|gt);)#?[a-z0-9]+;", re.IGNORECASE)


CODE_SPAN = re.compile(r"(?<!\\)`[^`]*`")


@given(HOSTILE)
def test_one_line_of_hostile_text_is_only_words(text: str):
    shown = markdown.inline(text)
    assert "\n" not in shown
    for effect in (MENTION, REFERENCE, LINK, ENTITY):
        assert not effect.search(shown), shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[`|<>\[\]]", CODE_SPAN.sub("", shown)), shown
    assert not any("|" in span for span in CODE_SPAN.findall(shown)), shown
    shown.encode()


@given(HOSTILE)
def test_a_block_of_hostile_text_reaches_nobody(text: str):
    shown = markdown.block(text)
    for effect in (MENTION, REFERENCE, LINK, HTML, ENTITY):
        assert not effect.search(shown), shown
    assert "![" not in shown
    assert not re.search(r"\][(\[:]", shown)
    shown.encode()


@given(HOSTILE)
def test_a_quotation_does_not_end_early(text: str):
    assert all(line.startswith(">") for line in markdown.quote(text).split("\n"))


@given(HOSTILE)
def test_code_stays_code(text: str):
    span = markdown.code(text)
    assert span.startswith("`")
    assert span.count("`") == 2
    assert not {"\n", "|"} & set(span)
    assert "<!--" not in span


@given(HOSTILE)
def test_a_block_of_code_does_not_end_early(text: str):
    opening, *inside, closing = markdown.fence(text).split("\n")
    ticks = opening.removesuffix("text")
    assert closing == ticks
    assert not any(line.strip().startswith(ticks) for line in inside)
    assert "<!--" not in "\n".join(inside)


@given(HOSTILE)
def test_a_label_keeps_to_its_quotes(text: str):
    shown = markdown.label(text)
    assert shown
    assert not set(shown) & set('"`[]{}<>;#%&|\\\n@!')


@given(HOSTILE)
def test_a_title_neither_notifies_nor_closes(text: str):
    shown = markdown.plain(text)
    assert "\n" not in shown
    assert not MENTION.search(shown)
    assert not REFERENCE.search(shown)
    assert not LINK.search(shown)


@given(st.text(alphabet="ab\n`<details>~", max_size=400), st.integers(150, 400))
def test_a_text_that_is_cut_fits(text: str, limit: int):
    assert len(markdown.fit(text, limit)) <= limit


def test_a_text_is_cut_at_a_line_and_what_was_open_is_closed():
    text = "<details>\n```\n" + "line of log\n" * 100
    cut = markdown.fit(text, 400)
    before = cut.removesuffix(markdown.CUT)
    assert before.endswith("line of log\n```\n</details>")


def test_a_long_log_keeps_its_end():
    shown = markdown.fence("first\n" + "x\n" * 500 + "last", limit=100)
    assert "last" in shown
    assert "first" not in shown


@pytest.mark.parametrize(
    ("login", "shown"),
    [("alice", "@alice"), ("renovate[bot]", "@renovate[bot]"), ("org/team", "org/team"), ("a b", "a b")],
)
def test_only_a_login_is_mentioned(login: str, shown: str):
    assert markdown.mention(login) == shown


def test_ordinary_text_reads_as_it_was():
    assert markdown.inline("Adds a parser, with 3 tests (fast).") == "Adds a parser, with 3 tests (fast)."
    assert markdown.block("- one\n- **two** `x`") == "- one\n- **two** `x`"


@pytest.mark.parametrize("words", ["[skip ci]", "[CI skip]", "[no ci]", "[skip actions]", "[actions skip]"])
def test_no_text_keeps_workflows_from_running(words):
    """Subjects are commits' messages, and what a pull request says may become one when it is squashed."""
    for made in (markdown.plain, markdown.block, markdown.quote, markdown.inline):
        assert words not in made(f"Tidy {words}")
