"""How the dashboard says things: durations, money, moments, states, Markdown of unknown origin."""

from datetime import datetime
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

LONGEST_TEXT = 20_000  # characters of Markdown that are rendered

STATUS = {
    "parsing": "reading the issue", "waiting": "waits for an answer", "planning": "planning", "building": "building",
    "verifying": "verifying", "open": "waits for review", "merged": "merged", "escalated": "needs a person",
    "paused": "paused", "cancelled": "cancelled",
}  # fmt: skip
TONE = {
    "parsing": "busy", "planning": "busy", "building": "busy", "verifying": "busy", "waiting": "ask", "open": "ask",
    "paused": "ask", "escalated": "bad", "merged": "done", "cancelled": "mild",
    "passed": "good", "failed": "bad", "not_run": "ask", "skipped": "mild",
    "completed": "good", "running": "busy", "ready": "busy", "blocked": "ask", "pending": "mild",
    "settled": "good", "reserved": "busy", "forfeited": "ask", "returned": "mild",
    "RESULT": "good", "TASK": "busy", "CONTEXT": "mild", "ERROR": "bad",
}  # fmt: skip


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds % 1 >= 0.05 else f"{seconds:.0f} s"
    for name, unit, small, of in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= unit:
            rest = int(seconds % unit) // of
            return f"{int(seconds // unit)} {name}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("unreachable")


def usd(amount: float) -> str:
    """Return US dollars, small amounts with more digits."""
    if 0 < amount < 0.0001:
        return "< $0.0001"
    return f"${amount:.2f}" if amount >= 1 or round(amount, 2) == amount else f"${amount:.4f}"


def count(number: float, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(at: datetime, kind: str = "clock") -> Markup:
    """Return a moment that the reader's browser shows in its own time zone; `kind` is clock or ago."""
    shown = at.strftime("%-d %b %H:%M:%S UTC")
    return Markup('<time datetime="{}" class="{}" title="{}">{}</time>').format(at.isoformat(), kind, shown, shown)


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")


def markdown(text: str) -> Markup:
    """Return hostile Markdown as HTML that loads nothing and runs nothing."""
    parser = _markdown()
    tokens = parser.parse(text[:LONGEST_TEXT])
    for token in tokens:
        token.attrs.pop("style", None)  # of aligned columns, which the page's policy refuses
    shown = parser.renderer.render(tokens, parser.options, {})
    return Markup(shown)  # noqa: S704 - raw HTML and images are switched off
