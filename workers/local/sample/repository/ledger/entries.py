"""Entries: one expense each, with amounts in cents."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Entry:
    """One expense."""

    day: str  # YYYY-MM-DD
    category: str
    cents: int

    @property
    def date(self) -> date:
        """The day as a date."""
        return date.fromisoformat(self.day)


def parse(line: str) -> Entry:
    """Read a line such as `2026-03-01 food 12.50`."""
    day, category, amount = line.split()
    whole, _, fraction = amount.partition(".")
    return Entry(day, category, int(whole) * 100 + int((fraction + "00")[:2]))


def total(entries: list[Entry]) -> int:
    """Return the sum in cents."""
    return sum(entry.cents for entry in entries)
