"""PostgreSQL, the truth: what is stored and how it is fenced."""

from app.storage.migrations import migrate

__all__ = ["migrate"]
