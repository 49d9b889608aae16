"""Show what people write: Markdown as GitHub reads it, from anybody, made of harmless HTML only."""

# ruff: noqa: ARG002 - every rule of the renderer has the same parameters

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from hub.pages.drawing import draw
from hub.pages.mermaid import NotDrawable, parse

TAGS = frozenset({"details", "summary", "sub", "sup", "kbd", "br", "b", "i", "em", "strong", "code", "del", "ins"})
LONGEST_NAME = 120  # characters of a task that name its box
LONGEST = 300_000  # characters that are read as Markdown; longer text is shown as it is

# A comment ends at the next one's beginning: what never ends must not be searched for its end again and again.
_PIECES = re.compile(r"(<!--(?:(?!<!--|-->).)*-->|</?[A-Za-z][^<>]*>)", re.DOTALL)
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z0-9]+)(?P<rest>[^<>]*)>")
_REFERENCE = re.compile(
    r"(?P<url>https?://[^\s<>\"'`]+[^\s<>\"'`.,:;!?)\]}*_])"
    r"|(?<![\w/&#])\#(?P<number>\d{1,9})\b"
    r"|(?<![\w/@.])@(?P<login>[A-Za-z0-9][A-Za-z0-9-]{0,38})\b(?!\.\w)"
)
_ALIGNED = {"text-align:right": "right", "text-align:center": "center", "text-align:left": "left"}
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|/|#", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: its repository, and the file's directory that relative links start from."""

    full_name: str
    directory: str | None = None  # "blob/main/docs/" for a file


@dataclass(slots=True)
class Open:
    """Raw tags that wait for their end, so that none reaches out of the text that it stands in."""

    tags: list[str | None] = field(default_factory=list)  # None is where an element of Markdown began

    def begin(self, tag: str | None) -> None:
        self.tags.append(tag)

    def end(self, tag: str) -> str:
        """Close a tag, and whatever is open inside of it; one that isn't open here is left out."""
        inner: list[str] = []
        for known in reversed(self.tags):
            if known is None:
                return ""
            inner.append(known)
            if known == tag:
                del self.tags[-len(inner) :]
                return "".join(f"</{one}>" for one in inner)
        return ""

    def leave(self) -> str:
        """Close the raw tags that the innermost element of Markdown leaves open."""
        closed = []
        while self.tags:
            tag = self.tags.pop()
            if tag is None:
                break
            closed.append(f"</{tag}>")
        return "".join(closed)


class Renderer(RendererHTML):
    """Turn tokens into HTML; raw HTML comes through tag by tag, without attributes."""

    def render(self, tokens: Sequence[Token], options: OptionsDict, env: EnvType) -> str:
        """Write a whole text."""
        env["open"] = Open()
        return self._each(tokens, options, env) + str(env["open"].leave())

    def renderInline(self, tokens: Sequence[Token], options: OptionsDict, env: EnvType) -> str:
        """Write one line of text; a raw tag ends where the line does."""
        env["open"].begin(None)
        return self._each(tokens, options, env) + str(env["open"].leave())

    def _each(self, tokens: Sequence[Token], options: OptionsDict, env: EnvType) -> str:
        parts: list[str] = []
        for index, token in enumerate(tokens):
            if token.nesting == -1 and not token.hidden:
                parts.append(env["open"].leave())
            parts.append(self._one(tokens, index, options, env))
            if token.nesting == 1 and not token.hidden:
                env["open"].begin(None)
        return "".join(parts)

    def _one(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[index]
        if token.type == "inline":
            return self.renderInline(token.children or [], options, env)
        rule: Callable[..., str] = self.rules.get(token.type, self.renderToken)
        return rule(tokens, index, options, env)

    def renderToken(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Write a plain element; styles become classes, which the pages' policy allows."""
        token = tokens[idx]
        style = token.attrs.pop("style", None)
        if style in _ALIGNED:
            token.attrs["class"] = _ALIGNED[str(style)]
        return super().renderToken(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Let a wide table scroll in a box of its own."""
        return '<div class="scroll" tabindex="0">' + self.renderToken(tokens, idx, options, env)

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.renderToken(tokens, idx, options, env) + "</div>\n"

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _raw(tokens[idx].content, env["open"])

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _raw(tokens[idx].content, env["open"])

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Write words; an address, #12 and @login become links where no link is around them."""
        content = tokens[idx].content
        return html.escape(content) if env.get("in_link") else _linked(content, env["place"])

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        token.attrs["href"] = _address(str(token.attrs.get("href", "")), env["place"])
        token.attrs["rel"] = "nofollow noopener noreferrer"
        env["in_link"] = True
        return self.renderToken(tokens, idx, options, env)

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        env["in_link"] = False
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Show an image as a link to it: loading it would tell its owner who reads this."""
        token = tokens[idx]
        name = self.renderInlineAsText(token.children, options, env) or "image"
        address = _address(str(token.attrs.get("src", "")), env["place"])
        if address.startswith("data:"):
            return html.escape(name)
        return f'<a href="{html.escape(address)}" rel="nofollow noopener noreferrer">{html.escape(name)}</a>'

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Begin an item; the box of a task is a button for those who may tick it."""
        token = tokens[idx]
        if "checked" not in token.meta or not token.map or not env["boxes"]:
            return super().list_item_open(tokens, idx, options, env)
        words = next((one.content for one in tokens[idx:] if one.type == "inline"), "")
        return (
            f'{self.renderToken(tokens, idx, options, env)}<button class="box" role="checkbox"'
            f' form="{html.escape(env["boxes"])}" name="line" value="{token.map[0]}"'
            f' aria-checked="{str(token.meta["checked"]).lower()}" aria-label="{html.escape(words[:LONGEST_NAME])}">'
            "</button> "
        )

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Show a block of code; a Mermaid graph becomes a picture when it is one that we can draw."""
        token = tokens[idx]
        if token.info.strip().startswith("suggestion") and env["replaced"]:
            return _suggestion(env["replaced"], token.content)
        if token.info.strip() == "mermaid":
            try:
                return f'<figure class="graph scroll" tabindex="0">{draw(parse(token.content))}</figure>\n'
            except NotDrawable:
                pass  # its source says the same in words
        return f'<pre tabindex="0"><code>{html.escape(token.content)}</code></pre>\n'


def _suggestion(replaced: tuple[str, ...], content: str) -> str:
    """Show a suggested change as the lines that go and those that come."""
    rows = [("del", "&minus;", line) for line in replaced] + [("add", "+", line) for line in content.splitlines()]
    shown = "".join(
        f'<tr class="{kind}"><td class="c"><span class="sign">{sign}</span>{html.escape(line)}</td></tr>'
        for kind, sign, line in rows
    )
    return (
        '<div class="suggestion scroll" tabindex="0" role="region" aria-label="Suggested change">'
        f'<p>Suggested change</p><table class="lines">{shown}</table></div>\n'
    )


def _raw(content: str, opened: Open) -> str:
    """Let allowed tags through, bare; show every other one as the text that it is."""
    shown = []
    for piece in _PIECES.split(content):
        tag = _TAG.fullmatch(piece)
        name = tag["name"].lower() if tag else ""
        if piece.startswith("<!--") and piece.endswith("-->"):
            continue
        if tag is None or name not in TAGS:
            shown.append(html.escape(html.unescape(piece) if tag is None else piece))
        elif name == "br":
            shown.append("<br>")
        elif tag["end"]:
            shown.append(opened.end(name))
        else:
            opened.begin(name)
            shown.append("<details open>" if name == "details" and tag["rest"].strip() == "open" else f"<{name}>")
    return "".join(shown)


def _linked(text: str, place: Place) -> str:
    parts, last = [], 0
    for found in _REFERENCE.finditer(text):
        parts += [html.escape(text[last : found.start()]), _reference(found, place)]
        last = found.end()
    return "".join([*parts, html.escape(text[last:])])


def _reference(found: re.Match[str], place: Place) -> str:
    words = html.escape(found[0])
    if found["url"]:
        return f'<a href="{words}" rel="nofollow noopener noreferrer">{words}</a>'
    if found["number"]:
        return f'<a href="/{quote(place.full_name)}/issues/{found["number"]}">{words}</a>'
    return f'<a class="mention" href="/{quote(found["login"])}">{words}</a>'


def _address(target: str, place: Place) -> str:
    """Resolve a file's relative link to the page of what it names."""
    if place.directory is None or not target or _ABSOLUTE.match(target):
        return target
    return f"/{quote(place.full_name)}/{quote(place.directory)}{target}"


_OPTIONS = {"html": True, "tasklists": True, "alerts": True, "strikethrough_single_tilde": True}


@lru_cache(maxsize=512)
def render(text: str, place: Place, boxes: str = "", replaced: tuple[str, ...] = ()) -> Markup:
    """Render Markdown; the result is safe in a page, whoever wrote the text.

    `boxes` is the id of the form that ticks a task's box; without it boxes are only shown. `replaced` are the lines
    that a suggestion would replace; without them it is shown as the code that it is.
    """
    if len(text) > LONGEST:
        return Markup(f"<pre>{html.escape(text)}</pre>")  # noqa: S704 - escaped just here
    # A newline in a conversation is a line break, in a file it isn't.
    options = {**_OPTIONS, "breaks": place.directory is None}
    parser = MarkdownIt("commonmark", options, renderer_cls=Renderer).enable(["table", "strikethrough"])
    env = {"place": place, "boxes": boxes, "replaced": replaced}
    return Markup(parser.render(text, env))  # noqa: S704 - made of escaped text and known tags
