"""The hub's SQLite database: one connection, short transactions, rows as dictionaries."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# Ids of different kinds must never be mistaken for one another, so each kind counts from its own start.
FIRST_IDS = {
    "accounts": 1_000,
    "repositories": 20_000,
    "apps": 300,
    "installations": 4_000,
    "issues": 500_000,
    "issue_events": 550_000,
    "pulls": 600_000,
    "labels": 70_000,
    "comments": 800_000,
    "reactions": 90_000,
    "reviews": 1_100_000,
    "review_comments": 1_200_000,
    "check_suites": 1_300_000,
    "check_runs": 1_400_000,
    "statuses": 1_500_000,
    "deliveries": 1_600_000,
}


def timestamp(moment: datetime) -> str:
    """Write a moment as GitHub does: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Hold rows; every write that belongs together happens in one `transaction`."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = _as_dict
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(resources.files("hub").joinpath("schema.sql").read_text())
        for table, first in FIRST_IDS.items():
            self._connection.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS"
                " (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
                (table, first, table),
            )

    def close(self) -> None:
        self._connection.close()

    def moment(self) -> datetime:
        return self._clock()

    def now(self) -> str:
        return timestamp(self._clock())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen or not happen; never await inside."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def execute(self, sql: str, *parameters: Any) -> int:
        """Run one statement; return the number of rows it changed."""
        return self._connection.execute(sql, parameters).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Insert one row; return its id. Names come from this package, never from a request."""
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - names are literals in our code
            tuple(values.values()),
        )
        return int(cursor.lastrowid or 0)

    def update(self, table: str, row_id: int, **values: Any) -> None:
        """Change columns of the row with this id."""
        changes = ", ".join(f"{column} = ?" for column in values)
        self._connection.execute(
            f"UPDATE {table} SET {changes} WHERE id = ?",  # noqa: S608 - names are literals in our code
            (*values.values(), row_id),
        )

    def one(self, sql: str, *parameters: Any) -> Row | None:
        row: Row | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def get(self, sql: str, *parameters: Any) -> Row:
        """Fetch a row that must exist."""
        row = self.one(sql, *parameters)
        if row is None:
            raise LookupError(sql)
        return row

    def all(self, sql: str, *parameters: Any) -> list[Row]:
        rows: list[Row] = self._connection.execute(sql, parameters).fetchall()
        return rows

    def value(self, sql: str, *parameters: Any) -> Any:
        """Fetch the first column of the first row, or None."""
        row = self.one(sql, *parameters)
        return None if row is None else next(iter(row.values()))


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
