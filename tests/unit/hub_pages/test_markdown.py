"""Markdown from anybody becomes HTML that does no harm, and reads as on GitHub."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ApiError
from hub.pages.boxes import toggled, version
from hub.pages.markdown import Place, render

HERE = Place("acme/shop")
FILE = Place("acme/shop", "blob/main/docs/")
MADE = {
    "a",
    "button",
    "span",
    "blockquote",
    "br",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "input",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "path",
    "pre",
    "rect",
    "s",
    "strong",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "tr",
    "tspan",
    "ul",
    "b",
    "i",
}
ATTRIBUTES = {
    "aria-checked",
    "form",
    "name",
    "value",
    "href",
    "rel",
    "class",
    "title",
    "disabled",
    "type",
    "checked",
    "start",
    "tabindex",
    "open",
    "role",
    "aria-label",
    "width",
    "height",
    "viewbox",
    "d",
    "x",
    "y",
    "rx",
    "fill",
    "stroke",
    "text-anchor",
    "stroke-dasharray",
}
VOID = {"br", "hr", "input", "path", "rect"}

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>x</script></svg>",
    "<details ontoggle=alert(1) open>x</details>",
    '<sub style="position:fixed" onclick=x>y</sub>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](javascript:alert(1))",
    '![x](https://e.org/x.png"onload="alert(1))',
    "<javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<!--><script>alert(1)</script>-->",
    "<!-- --!><script>alert(1)</script> -->",
    "<details><summary></details></summary><script>alert(1)</script>",
    "</main></body></html><script>alert(1)</script>",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    '```mermaid\ngraph LR\n a["<script>alert(1)</script>"]\n```',
    '```mermaid\ngraph LR\n a["x"]:::k\n classDef k fill:url(javascript:alert(1)),stroke:#000"onload="alert(1)\n```',
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    'https://e.org/"onmouseover=alert(1)//',
    '@you"onclick=alert(1)',
    "<style>*{display:none}</style>",
    "<form action=https://e.org><input name=token>",
    "<base href=https://e.org>",
    "<meta http-equiv=refresh content=0>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<summary>&lt;script&gt;alert(1)&lt;/script&gt;</summary>",
    '- [ ] "><script>alert(1)</script>',
    "```suggestion\n<script>alert(1)</script>\n```",
    "<x/onclick=alert(1)>",
    "<sub\nonclick=alert(1)>x</sub>",
]


class Judge(HTMLParser):
    """Read HTML as a browser would, and note every tag, attribute and imbalance."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in MADE:
            self.problems.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES:
                self.problems.append(f"<{tag} {name}={value}>")
            if name == "href" and re.match(r"\s*(javascript|vbscript|data|file)\s*:", value or "", re.I):
                self.problems.append(f"href={value}")
            if name in {"fill", "stroke"} and not re.fullmatch(r"#[0-9a-fA-F]{3,6}", value or ""):
                self.problems.append(f"{name}={value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}>")

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.problems.append(f"<!{decl}>")


def judge(text: str, place: Place = HERE) -> list[str]:
    """Judge what is shown to those who only read, and to those who may tick boxes and see suggestions."""
    problems = []
    for more in ({}, {"boxes": "tick-1", "replaced": ("<script>alert(1)</script>", "")}):
        judge = Judge()
        judge.feed(str(render(text, place, **more)))
        judge.close()
        problems += [*judge.problems, *(f"open <{tag}>" for tag in judge.open)]
    return problems


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("frame", ["{}", "- {}", "> {}\n\nx", "<details>\n<summary>{}</summary>\n\n{}", "**{}**"])
def test_nothing_hostile_gets_through(attack: str, frame: str) -> None:
    """Every attack, in any surroundings, leaves known tags and attributes only, each closed where it was opened."""
    assert judge(frame.replace("{}", attack)) == []


SOUP = st.lists(
    st.sampled_from(
        [
            "<details>",
            "</details>",
            "<summary>",
            "</summary>",
            "<sub>",
            "</sub>",
            "<b>",
            "</b>",
            "\n",
            "\n\n",
            "- ",
            "> ",
            "`",
            "```",
            "*",
            "**",
            "[",
            "](",
            ")",
            "<",
            ">",
            "<!--",
            "-->",
            "<script>",
            "|",
            "|-|",
            "x",
            " ",
            '"',
            "'",
            "&lt;",
            "<a href=",
            "javascript:",
            "![",
            "#1",
            "@you",
            "https://e.org",
            "~~",
            "[x] ",
            "    ",
        ]
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(SOUP)
def test_no_soup_of_tags_reaches_out_of_its_text(pieces: list[str]) -> None:
    """Whatever is put together, what comes out is balanced and made of known tags."""
    assert judge("".join(pieces)) == []


def test_what_is_meant_well_is_shown() -> None:
    """Tables, task lists, folds with Markdown inside, small print and code look as their writers meant."""
    shown = render(
        "<!-- hidden -->\n<details>\n<summary>More &amp; <b>more</b></summary>\n\n- [x] done\n- [ ] open\n"
        "\n</details>\n\n"
        "| a | b |\n|---|--:|\n| 1 | `x` |\n\n<sub>small</sub> ~~gone~~",
        HERE,
    )
    assert "hidden" not in shown
    assert "<summary>More &amp; <b>more</b></summary>" in shown
    assert re.search(r'<input[^>]*type="checkbox" checked[^>]*> done', shown)
    assert '<th class="right">b</th>' in shown
    assert "<sub>small</sub> <s>gone</s>" in shown
    assert shown.count("</details>") == 1


def test_boxes_are_buttons_for_those_who_may_tick_them() -> None:
    """A box names its line and its task; without the form that ticks it, it is only shown."""
    text = "Plan\n\n1. [ ] **Approve** it\n   - [x] done\n"
    shown = str(render(text, HERE, "tick-1"))
    assert shown.count('<button class="box" role="checkbox" form="tick-1" name="line"') == 2
    assert 'value="2" aria-checked="false" aria-label="**Approve** it">' in shown
    assert 'value="3" aria-checked="true" aria-label="done">' in shown
    assert "<button" not in render(text, HERE)


@pytest.mark.parametrize(
    ("text", "line", "after"),
    [
        ("- [ ] a\n- [ ] b", "1", "- [ ] a\n- [x] b"),
        ("> 1) [X] a [ ] b", "0", "> 1) [ ] a [ ] b"),
        ("x\r\n* [ ] a\r\n", "1", "x\r\n* [x] a\r\n"),
    ],
)
def test_a_tick_changes_one_letter(text: str, line: str, after: str) -> None:
    assert toggled(text, line, version(text)) == after


@pytest.mark.parametrize(
    ("text", "line", "seen"), [("- [ ] a", "0", "x" * 16), ("a", "0", ""), ("- [ ] a", "7", ""), ("- [ ] a", "-1", "")]
)
def test_a_box_that_is_not_there_any_more_is_not_ticked(text: str, line: str, seen: str) -> None:
    with pytest.raises(ApiError):
        toggled(text, line, seen or version(text))


def test_a_suggestion_shows_what_goes_and_what_comes() -> None:
    """Where the lines are known that it replaces; elsewhere it is the code that it is."""
    text = "```suggestion\nnew = 1\n```"
    shown = str(render(text, HERE, "", ("old = 1",)))
    assert shown.index("old = 1") < shown.index("new = 1")
    assert "<pre" in render(text, HERE)


def test_an_unclosed_fold_ends_with_its_text() -> None:
    """A fold that somebody leaves open closes itself, so that it doesn't swallow the comments that follow."""
    assert str(render("<details><summary>x</summary>\n\ntext", HERE)).rstrip().endswith("</details>")


def test_references_become_links_outside_of_code() -> None:
    """#12, @login and addresses lead somewhere; in code and in links they stay as they are."""
    shown = render("#12 @you a@b.org https://e.org/a_b?x=1&y=2. `#12` [#12](https://e.org)", HERE)
    assert '<a href="/acme/shop/issues/12">#12</a> <a class="mention" href="/you">@you</a> a@b.org' in shown
    assert 'href="https://e.org/a_b?x=1&amp;y=2"' in shown
    assert "<code>#12</code>" in shown
    assert shown.count("/issues/12") == 1


def test_relative_links_of_a_file_lead_to_files() -> None:
    """A README's link to a neighbour opens the neighbour's page; the same link in a comment is left alone."""
    assert 'href="/acme/shop/blob/main/docs/a.md"' in render("[a](a.md)", FILE)
    assert 'href="a.md"' in render("[a](a.md)", HERE)


def test_pictures_are_not_loaded() -> None:
    """A picture is a link to it: its owner doesn't learn who reads."""
    assert "<img" not in render("![logo](https://e.org/logo.png)", HERE)


@pytest.mark.parametrize(
    "piece", ["<!--", "<details>", "[", "![](", "*a ", "`", "<a ", "> ", "- ", "|a", "[a](<b", "#1 "]
)
def test_long_hostile_text_is_read_in_time(piece: str) -> None:
    """The longest comment made of one unlucky piece takes seconds at worst, not minutes."""
    begun = time.monotonic()
    render((piece * 65_536)[:65_536], HERE)
    assert time.monotonic() - begun < 10
