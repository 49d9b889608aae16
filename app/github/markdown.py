"""Hostile text made harmless for GitHub's Markdown: whatever comes from an issue, a repository or a model.

Such text must not notify people, refer to or close issues, load or link to anything, imitate the app's own
hidden markers, or break out of the place it is put in. A zero-width space does most of that: it leaves
a text readable and stops GitHub's filters, which look at the rendered words, not at the source.
"""

import re

COMMENT_LIMIT = 65_536  # characters of a comment, an issue or a pull request
SUMMARY_LIMIT = 65_535  # characters of a check run's summary or text
CUT = "\n\n*The rest was left out: it is longer than GitHub takes.*"

_BREAK = "\u200b"
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_REFERENCE = re.compile(
    r"""
    @                               # @person, @team, a mail address
    | \#(?=\d)                      # #12, owner/repo#12
    | GH-(?=\d)                     # GH-12
    | :(?=//)                       # https://example.org
    | www(?=\.)                     # www.example.org
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MARKUP = re.compile(
    r"""
    <(?=[a-z/!?])                   # HTML, comments and with them the app's markers
    | &(?=\#|[a-z0-9]+;)            # an entity becomes a character before references are looked for
    | !(?=\[)                       # images
    | \](?=[(\[:])                  # links and their definitions
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = re.compile(r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(?=:?\s+\S*(?:\#\d|GH-\d|/\d))", re.IGNORECASE)
_SKIPPING = re.compile(r"\[(?=(?:skip ci|ci skip|no ci|skip actions|actions skip)\])", re.IGNORECASE)
_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
_CODE_SPAN = re.compile(r"(`[^`]+`)")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_NOT_FOR_LABELS = re.compile(r"[^\w .,:/()+\-=']")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}(\[bot\])?")


def fit(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters, cut at the end of a line, with a note where it was cut."""
    if len(text) <= limit:
        return text
    room = limit - len(CUT) - 40  # for closing what is open
    head = text[:room]
    head = head[: head.rfind("\n")] if "\n" in head[room // 2 :] else head
    return head + _closing(head) + CUT


def plain(text: str, limit: int = 200) -> str:
    """Return hostile text as one line that isn't Markdown: a title, the subject of a commit."""
    words = " ".join(_INVISIBLE.sub("", text).split())
    return _inert(_without_references(_shortened(words, limit)))


def inline(text: str, limit: int = 500) -> str:
    """Return hostile text as words within a line, a list item or a table's cell; only its code spans stay Markdown."""
    words = _shortened(" ".join(_INVISIBLE.sub("", text).split()), limit)
    parts = _CODE_SPAN.split(words)
    shown = (code(part[1:-1], limit) if index % 2 else _literal(part) for index, part in enumerate(parts))
    return _without_references("".join(shown))


def _literal(text: str) -> str:
    literal = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _SPECIAL.sub(r"\\\1", literal)
    return re.sub(r"^([-+#=]|\d+[.)])", r"\\\1" if not escaped[:1].isdigit() else _BREAK + r"\1", escaped)


def block(text: str, limit: int = 4000) -> str:
    """Return hostile Markdown with its lists, emphasis and code, and without reach beyond itself."""
    clean = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    safe = _without_references(_MARKUP.sub(lambda found: found[0] + _BREAK, clean.strip()))
    return _running(_CLOSING.sub(rf"\1{_BREAK}", fit(safe, limit)))


def quote(text: str, limit: int = 4000) -> str:
    """Return hostile Markdown as a quotation, which also ends whatever it leaves open."""
    return "\n".join(f"> {line}".rstrip() for line in block(text, limit).split("\n"))


def code(text: str, limit: int = 200) -> str:
    """Return hostile text as a code span that fits into a table."""
    words = " ".join(_INVISIBLE.sub("", text).split())
    literal = _shortened(words, limit).replace("`", "'").replace("|", "\u00a6")
    return f"`{_inert(literal) or ' '}`"


def fence(text: str, limit: int = 20_000) -> str:
    """Return the end of hostile text, such as a tool's output, as a block of code."""
    clean = _INVISIBLE.sub("", text.replace("\r\n", "\n")).rstrip()
    if len(clean) > limit:
        clean = "[…]\n" + clean[-limit:].partition("\n")[2]
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{_inert(clean)}\n{ticks}"


def label(text: str, limit: int = 60) -> str:
    """Return hostile text for a quoted label in a Mermaid graph."""
    words = " ".join(_NOT_FOR_LABELS.sub(" ", _INVISIBLE.sub("", text)).split())
    return _shortened(words, limit) or "-"


def mention(login: str) -> str:
    """Return a mention that notifies, if `login` can be a login at all."""
    return f"@{login}" if _LOGIN.fullmatch(login) else inline(login, 60)


def _without_references(text: str) -> str:
    return _REFERENCE.sub(lambda found: found[0] + _BREAK, text)


def _inert(text: str) -> str:
    return _CLOSING.sub(rf"\1{_BREAK}", _running(text).replace("<!--", f"<!{_BREAK}--"))


def _running(text: str) -> str:
    """Break what would keep workflows from running: a pull request's text may become a commit's message."""
    return _SKIPPING.sub(f"[{_BREAK}", text)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\u2026"


def _closing(text: str) -> str:
    """Return what ends the fence and the fold-outs that `text` leaves open."""
    opened = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found and not opened:
            opened = found[1]
        elif found and found[1].startswith(opened) and not line.strip(" `~"):
            opened = ""
    folds = text.count("<details>") - text.count("</details>")
    return (f"\n{opened[:10]}" if opened else "") + "\n</details>" * min(max(folds, 0), 2)
