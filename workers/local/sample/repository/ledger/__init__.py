"""A ledger of expenses in plain text."""

from ledger.entries import Entry, parse, total

__all__ = ["Entry", "parse", "total"]
